"""Networks that cannot be differentiated twice: another attention kernel, or finite differences."""

from __future__ import annotations

import copy

from landscape.errors import LandscapeError
from landscape.gradcheck import OnceDifferentiable
from landscape.graphs import Curvature
from landscape.hessian.differences import ErrorBound
from landscape.objective import Objective


def prepared(objective: Objective, kind: Curvature) -> tuple[Objective, bool]:
    """The objective as it can be differentiated twice, and whether it can.

    One product on two samples tells. Fused attention has no second derivative: then attention runs on its
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
    probed = copy.copy(objective)
    probed.exact_products = _differentiable(probed, kind)
    if not probed.exact_products:
        probed.product_error = ErrorBound()
    return probed


def _differentiable(objective: Objective, kind: Curvature) -> bool:
    try:
        objective.checked("product", report=True)
    except OnceDifferentiable:
        return False
    if kind == "ggn":
        part = objective.subset(0, 2)  # two, or BatchNorm on batch statistics might have none
        part.curvature(kind=kind, keep=0)(part.free)
    return True
