"""Recipes whose finished items survive a kill."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from landscape.analyses.recipes import recipe
from landscape.analyses.stamping import protocol
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.results import Journal, save
from landscape.surface import Directions
from landscape.work import Progress, silent


def resumable(
    analysis: str,
    objective: Objective,
    path: str | Path,
    *,
    progress: Progress = silent,
    partial: bool = False,
    **options: Any,
) -> xr.Dataset:
    """Measure item by item, keep each finished one beside `path`, and save the result there.

    Run again after a kill, it goes on where it was, and ends bit-identical to an uninterrupted run. A surface
    that is interrupted from the keyboard is saved as far as it is.

    Args:
        analysis: A kind of result whose work is a list of items: `spectrum`, `trace`, `density`, `layers`,
            `surface`, `flatness`, `ensemble`, `robustness`, `consistency` or `attack`.
        objective: What to measure.
        path: Where the result goes.
        progress: Shows the items that are left.
        partial: Whether to save what there is of a surface, and compute nothing.
        **options: Of the recipe.

    Raises:
        LandscapeError: As the recipe does, if the result cannot be written, or if `partial` finds nothing.
    """
    identity = {
        "analysis": analysis,
        "parameters": _digest(objective),
        "protocol": protocol(objective, {name: _told_apart(value) for name, value in options.items()}),
    }
    journal, measure = Journal(path, identity), recipe(analysis)

    def so_far() -> xr.Dataset | None:
        # From coarse to fine: what there is, is a picture. Of no point, it would only replace a better one.
        if not journal.folder.is_dir():
            return None
        found = measure(objective, run=journal.present(), **options)
        if not bool(found.done.any()):
            return None
        save(found, path)
        return found

    if partial:
        found = so_far()
        if found is None:
            raise LandscapeError(
                f"nothing of this run is beside {path}: it is finished, has not begun, or had other options"
            )
        return found
    try:
        dataset = measure(objective, progress=progress, run=journal.runner(progress), **options)
    except KeyboardInterrupt:
        if analysis == "surface":
            so_far()
        raise
    save(dataset, path)
    journal.close()
    return dataset


def _told_apart(value: Any) -> Any:
    """An option as JSON can hold it: directions, networks and results by their content."""
    if isinstance(value, Directions):
        return value.digest()
    if isinstance(value, Objective):
        return [_digest(value), value.protocol()]
    if isinstance(value, xr.Dataset):
        return hashlib.sha256(repr(value.to_dict()).encode()).hexdigest()
    return [_told_apart(each) for each in value] if isinstance(value, list | tuple) else value


def _digest(objective: Objective) -> str:
    """Digest of parameters and buffers themselves: a network trained on is another one.

    The architecture belongs to it: smoothing that was put in has no parameters.
    """
    digest = hashlib.sha256(objective.network.architecture.encode())
    for name, value in sorted(objective.network.module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
