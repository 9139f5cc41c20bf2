"""The same objective at other weights, under other masks or in another precision; it is never changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from torch import Tensor

from landscape.objective import Objective
from landscape.parameters import check_fit


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
    moved.parameters = {name: objective._own(value) for name, value in parameters.items()}
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
