"""Networks that cannot be differentiated twice: another attention kernel, or finite differences."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.graphs import Curvature
from landscape.objective import Objective
from landscape.parameters import Parameters, check_fit, norm, shifted

_SIGNS = (
    "derivative for",
    "not implemented",
    "double backward",
    "differentiate twice",
    "once_differentiable",
)


def prepared(objective: Objective, kind: Curvature) -> tuple[Objective, bool]:
    """The objective as it can be differentiated twice, and whether it can.

    One product on one sample tells. Fused attention has no second derivative: then attention runs on its
    plain ("math") kernel, which computes the same function; the protocol says so. Other layers without a
    second derivative leave finite differences.

    Args:
        objective: Network, samples and protocol.
        kind: The matrix that is wanted.

    Raises:
        LandscapeError: If the Gauss–Newton matrix is wanted, and the network cannot be differentiated twice.
    """
    if objective.exact_products is None:
        objective = _probed(objective, kind)
    if kind == "ggn" and not objective.exact_products:
        raise LandscapeError(
            f"{objective.network.name} holds a layer without a second derivative, which products with the "
            "Gauss–Newton matrix need; take the Hessian, whose products can be finite differences"
        )
    return objective, bool(objective.exact_products)


def _probed(objective: Objective, kind: Curvature) -> Objective:
    usual, plain = copy.copy(objective), copy.copy(objective)
    plain.math_attention = True
    for candidate in (usual, plain):
        candidate.exact_products = _differentiable(candidate, kind)
        if candidate.exact_products:
            return candidate
    return usual


def _differentiable(objective: Objective, kind: Curvature) -> bool:
    try:
        objective.subset(0, 1).curvature(kind=kind, keep=0)(objective.free)
    except (RuntimeError, NotImplementedError) as error:
        if any(sign in str(error) for sign in _SIGNS):
            return False
        raise
    return True


class FiniteDifferences:
    """H v as a central difference of the gradient, (∇L(θ + h·v) − ∇L(θ − h·v)) / 2h.

    The step is ∛ε times max(1, ‖θ‖) along v/‖v‖, a compromise between rounding and curvature's own change;
    its error is some parts in a thousand of the largest eigenvalue in float32, in a million in float64.
    """

    def __init__(self, objective: Objective, parameters: Mapping[str, Tensor] | None, draw: int) -> None:
        """At the given parameters, or the network's own."""
        self._objective, self._draw = objective, draw
        self._origin = objective.parameters if parameters is None else parameters
        precision = torch.finfo(objective.dtype).eps
        self._step = precision ** (1 / 3) * max(1.0, float(norm(objective.free)))

    def __call__(self, vector: Mapping[str, Tensor]) -> Parameters:
        """The product, keyed like the vector."""
        check_fit(vector, self._objective.free)
        length = float(norm(vector))
        if not length:
            return {name: torch.zeros_like(value) for name, value in vector.items()}
        step = self._step / length
        ahead, behind = (
            self._objective.gradient(shifted(self._origin, (sign * step, vector)), draw=self._draw)
            for sign in (1, -1)
        )
        return {name: (ahead[name] - behind[name]) / (2 * step) for name in vector}
