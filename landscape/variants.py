"""The same objective at other weights, under other masks or in another precision; it is never changed."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.forward.batches import as_working
from landscape.parameters import check_fit

if TYPE_CHECKING:
    from landscape.objective import Objective


def trusted(objective: Objective) -> Objective:
    """The objective without checks, for whoever makes them."""
    other = copy.copy(objective)
    other.soundness = None
    return other


def plain(objective: Objective) -> Objective:
    """The objective, run as the network is written: nothing folded, everything contiguous."""
    other = copy.copy(objective)
    other.forward = objective.forward.plain()
    other._prepared = None
    return other


def in_precision(objective: Objective, dtype: torch.dtype) -> Objective:
    """The objective in another working precision, float32 or float64."""
    other = copy.copy(objective)
    last = objective.forward.road.channels_last
    own = partial(as_working, device=objective.device, dtype=dtype, channels_last=last)
    other.dtype = dtype
    other.parameters = {name: own(value) for name, value in objective.parameters.items()}
    other.free = {name: other.parameters[name] for name in objective.free}
    other.forward = copy.copy(objective.forward)
    buffers = objective.forward.buffers.items()
    other.forward.buffers = {name: own(value, real=False) for name, value in buffers}
    other._prepared = None
    return other


def over(objective: Objective, names: Collection[str]) -> Objective:
    """The objective with only these of its free parameters free.

    Raises:
        LandscapeError: If none of them is.
    """
    free = {name: value for name, value in objective.free.items() if name in names}
    if not free:
        which = ", ".join(list(objective.free)[:4])
        raise LandscapeError(f"nothing is left to differentiate of {objective.params!r} ({which}, …)")
    other = copy.copy(objective)
    other.free = free
    return other


def around(objective: Objective, parameters: Mapping[str, Tensor]) -> Objective:
    """The objective with other parameters as its own, where derivatives are taken.

    Args:
        objective: What to move.
        parameters: All of the network's, by name.

    Raises:
        LandscapeError: If names or shapes do not fit.
    """
    check_fit(parameters, objective.parameters)
    moved = copy.copy(objective)
    moved.parameters = objective._at(parameters)
    moved.free = {name: moved.parameters[name] for name in objective.free}
    return moved


def masked(objective: Objective, seed: int) -> Objective:
    """The objective with dropout masks of another seed."""
    other = copy.copy(objective)
    other.seed = seed
    other.forward = copy.copy(objective.forward)
    other.forward.seed = seed
    return other


def precise(objective: Objective) -> Objective:
    """The objective in full precision."""
    other = copy.copy(objective)
    other.forward = copy.copy(objective.forward)
    other.forward.precision = "full"
    return other
