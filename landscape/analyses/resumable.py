"""Recipes whose finished items survive a kill."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from landscape.analyses.recipes import recipe
from landscape.analyses.stamping import protocol
from landscape.objective import Objective
from landscape.progress import Progress, silent
from landscape.results import Journal, save


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
            `surface` or `flatness`.
        objective: What to measure.
        path: Where the result goes.
        progress: Shows the items that are left.
        partial: Whether to save what there is of a surface, and compute nothing.
        **options: Of the recipe.

    Raises:
        LandscapeError: As the recipe does, or if the result cannot be written.
    """
    # Given directions are told apart by their content, everything else is plain.
    described = {name: getattr(value, "digest", lambda v=value: v)() for name, value in options.items()}
    identity = {
        "analysis": analysis,
        "parameters": _digest(objective),
        "protocol": protocol(objective, described),
    }
    journal, measure = Journal(path, identity), recipe(analysis)
    if not partial:
        try:
            dataset = measure(objective, progress=progress, run=journal.runner(progress), **options)
        except KeyboardInterrupt:
            if analysis == "surface" and journal.folder.is_dir():
                # From coarse to fine: what there is, is a picture.
                save(measure(objective, run=journal.present(), **options), path)
            raise
        save(dataset, path)
        journal.close()
        return dataset
    dataset = measure(objective, run=journal.present(), **options)
    save(dataset, path)
    return dataset


def _digest(objective: Objective) -> str:
    """Digest of parameters and buffers themselves: a network trained on is another one."""
    digest = hashlib.sha256()
    for name, value in sorted(objective.network.module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
