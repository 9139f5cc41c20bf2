"""Any recipe, run so that what is finished survives a kill, and its result saved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial as bound
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape import hessian
from landscape.analyses.joining import about, shared, take_part
from landscape.analyses.stamping import protocol
from landscape.derivatives.graphs import Curvature
from landscape.distributed import Group, Sharded, led
from landscape.errors import ArgumentError, LandscapeError
from landscape.hessian import Operator, Start
from landscape.objective import Objective
from landscape.results import KINDS, Journal, drop_fragment, fragment_place, save
from landscape.results.joined import Joined
from landscape.results.kinds import imported
from landscape.results.objects import ObjectShelf
from landscape.surface import Directions
from landscape.work import Item, Progress, Runner, silent

Recipe = Callable[..., xr.Dataset]
"""Objective and options → a stamped dataset."""


def recipe(kind: str) -> Recipe:
    """The recipe of a kind of result, as its record names it.

    Raises:
        LandscapeError: If there is none.
    """
    if kind not in KINDS:
        raise ArgumentError(f"unknown analysis {kind!r}; known are {', '.join(KINDS)}")
    return imported(KINDS[kind].recipe)


def resumable(
    analysis: str,
    objective: Objective | Sequence[Objective],
    path: str | Path,
    *,
    progress: Progress = silent,
    partial: bool = False,
    condition: str = "",
    join: bool | str = False,
    **options: Any,
) -> xr.Dataset:
    """Measure, and save the result at `path`.

    Where the work is a list of items, as the record of the kind says, each finished one is kept beside the
    path: run again after a kill, it goes on where it was, and ends bit-identical to an uninterrupted run. A
    surface that is interrupted (Ctrl-C, and in commands SIGTERM and SIGHUP) is saved as far as it is at
    `landscape.results.fragment_place`, beside a finished one at the path, which stays.

    Args:
        analysis: Kind of result.
        objective: What to measure; several, where the recipe takes them.
        path: Where the result goes.
        progress: Shows the items that are left.
        partial: Whether to save what there is of a surface beside the path, and compute nothing.
        condition: Stored as the result's condition; left out, the result says itself, see
            `landscape.results.condition`.
        join: Whether to share the work with all others that are given the same measurement and the same path,
            on this machine or on others that see it; each returns the result, which one of them saves. An
            address such as ``s3://bucket/prefix`` keeps what they share there instead, and each saves a copy.
        **options: Of the recipe.

    Raises:
        LandscapeError: As the recipe does, if the result cannot be written, or if `partial` finds nothing.
    """
    measure = recipe(analysis)

    def saved(dataset: xr.Dataset, place: str | Path = path) -> xr.Dataset:
        dataset = dataset.assign_attrs(condition=condition) if condition else dataset
        save(dataset, place)
        return dataset

    resumes = KINDS[analysis].resumes
    group = objective.group if isinstance(objective, Sharded) else None
    join = join if group is None else False  # ranks that share the samples have one run
    if not (resumes or join):
        dataset = measure(objective, progress=progress, **options)
        return dataset if group and not group.leads else saved(dataset)
    journal = _journal(analysis, objective, path, join, options)  # a protocol takes all ranks
    if group and not group.leads:
        return measure(objective, progress=progress, run=led(None, group), **options)

    def so_far() -> xr.Dataset | None:
        # From coarse to fine: what there is, is a picture.
        if not journal.folder.is_dir():
            return None
        found = measure(objective, run=journal.present(), **options)
        return saved(found, fragment_place(path)) if bool(found.done.any()) else None

    if partial:
        present = so_far()
        if present is None:
            raise LandscapeError(
                f"nothing of this run is beside {path}: it is finished, has not begun, or had other options"
            )
        return present

    def measured() -> xr.Dataset:
        run = {"run": _runner(journal, progress, group)} if resumes else {}
        try:
            return measure(objective, progress=progress, **run, **options)
        except KeyboardInterrupt as stopped:
            if analysis == "surface" and so_far() is not None:
                stopped.add_note(f"the points so far are in {fragment_place(path)}, run again to go on")
            raise

    def finished(dataset: xr.Dataset) -> xr.Dataset:
        dataset = saved(dataset)
        drop_fragment(dataset, path)
        return dataset

    if isinstance(journal, Joined):
        return take_part(journal, measured, finished, whole=not resumes)
    with journal:
        dataset = finished(measured())
        journal.close()
    return dataset


def _runner(journal: Journal, progress: Progress, group: Group | None) -> Runner:
    """Runs the items that are left; of ranks that share the samples the first one keeps them."""
    run = journal.runner(progress)
    return led(run, group) if group else run


def _journal(
    analysis: str,
    objective: Objective | Sequence[Objective],
    path: str | Path,
    join: bool | str,
    options: dict[str, Any],
) -> Journal:
    """Where finished items are kept, with the arithmetic and the version of PyTorch that they depend on."""
    first, *others = objective if isinstance(objective, Sequence) else [objective]
    stated = protocol(first, {name: _told_apart(value) for name, value in options.items()})
    digests = [_digest(each) for each in (first, *others)]
    identity = {"analysis": analysis, "parameters": digests if others else digests[0], "protocol": stated}
    if not join:
        return Journal(path, identity | {"function": [_function(each) for each in (first, *others)]})
    elsewhere = None if join is True else bound(ObjectShelf, join)
    return Joined(path, identity | {"protocol": shared(stated)}, about(first), elsewhere)


def _told_apart(value: Any) -> Any:
    """An option as JSON can hold it: directions, networks and results by their content."""
    if isinstance(value, Directions | Start):
        return value.digest()
    if isinstance(value, Objective):
        return [_digest(value), value.protocol()]
    if isinstance(value, xr.Dataset):
        return hashlib.sha256(repr(value.to_dict()).encode()).hexdigest()
    return [_told_apart(each) for each in value] if isinstance(value, list | tuple) else value


def _digest(objective: Objective) -> str:
    """Digest of parameters and buffers themselves: a network trained on is another one.

    The architecture belongs to it: inserted smoothing has no parameters.
    """
    digest = hashlib.sha256(objective.network.architecture.encode())
    for name, value in sorted(objective.network.module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _function(objective: Objective) -> list[str]:
    """Losses of two samples: code that was edited between two runs computes something else.

    To three digits, as the last ones depend on the machine.
    """
    losses, _ = objective.alone().replace(soundness=None).subset(0, 2).sample_losses()
    return [f"{value:.2e}" for value in losses.tolist()]


class KeptProducts(Operator):
    """An operator each of whose products is an item of a runner, called by the vector that it is of."""

    def __init__(self, operator: Operator, run: Runner) -> None:
        """Stand in for an operator, whose products are to be exact."""
        vars(self).update(vars(operator))
        self._run = run

    def __call__(self, vector: Tensor) -> Tensor:
        """The matrix times a vector of shape (n,)."""
        digest = hashlib.sha256(vector.detach().cpu().numpy().tobytes()).hexdigest()[:16]
        product = super().__call__

        def compute(index: int) -> Item:
            return {"product": product(vector).detach().cpu().numpy()}

        (item,) = self._run(1, compute, f"product {digest}")
        return torch.from_numpy(item["product"]).to(vector)


def tuned(objective: Objective, kind: Curvature, run: Runner) -> Objective:
    """The objective with the micro-batch that a measurement finds the fastest for products."""

    def compute(index: int) -> Item:
        return {"size": np.array(hessian.tuned(objective, kind=kind).micro_batch)}

    (item,) = run(1, compute, "micro batch")
    size = int(item["size"])
    if isinstance(objective, Sharded):
        size = objective.group.heard(size)  # each rank has measured, and time is not the same to all
    return objective.replace(micro_batch=size)
