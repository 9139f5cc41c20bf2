"""Recipes whose finished items survive a kill."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import xarray as xr

from landscape.analyses.recipes import recipe
from landscape.analyses.stamping import protocol
from landscape.objective import Objective
from landscape.progress import Progress, silent
from landscape.results import Journal, save


def resumable(
    analysis: str, objective: Objective, path: str | Path, *, progress: Progress = silent, **options: Any
) -> xr.Dataset:
    """Measure item by item, keep each finished one beside `path`, and save the result there.

    Run again after a kill, it goes on where it was, and ends bit-identical to an uninterrupted run.

    Args:
        analysis: A kind of result whose work is a list of items: `spectrum`, `trace`, `density` or `layers`.
        objective: What to measure.
        path: Where the result goes.
        progress: Shows the items that are left.
        **options: Of the recipe.

    Raises:
        LandscapeError: As the recipe does, or if the result cannot be written.
    """
    identity = {
        "analysis": analysis,
        "parameters": _digest(objective),
        "protocol": protocol(objective, options),
    }
    journal = Journal(path, identity)
    dataset = recipe(analysis)(objective, progress=progress, run=journal.runner(progress), **options)
    save(dataset, path)
    journal.close()
    return dataset


def _digest(objective: Objective) -> str:
    """Digest of parameters and buffers themselves: a network trained on is another one."""
    digest = hashlib.sha256()
    for name, value in sorted(objective.network.module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
