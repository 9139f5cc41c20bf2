"""Networks that cannot be differentiated twice: another attention kernel, or finite differences."""

from __future__ import annotations

import copy

import torch

from landscape.errors import LandscapeError
from landscape.graphs import Curvature
from landscape.hessian.differences import ErrorBound
from landscape.objective import Objective

_SIGNS = (
    "derivative for",
    "not implemented",
    "double backward",
    "differentiate twice",
    "once_differentiable",
)


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
    probed, road = copy.copy(objective), objective.forward.road
    for math_attention in dict.fromkeys((road.math_attention, True)):
        road.math_attention = math_attention
        probed.exact_products = _differentiable(probed, kind)
        if probed.exact_products:
            return probed
    road.math_attention = False
    probed.product_error = ErrorBound()
    return probed


def _differentiable(objective: Objective, kind: Curvature) -> bool:
    part = objective.subset(0, 2)  # two, or BatchNorm on batch statistics might have none
    try:
        part.curvature(kind=kind, keep=0)(part.free)
        _differentiate_everything(part)
    except (RuntimeError, NotImplementedError) as error:
        if any(sign in str(error) for sign in _SIGNS):
            return False
        raise
    return True


def _differentiate_everything(part: Objective) -> None:
    """Meet the operations whose derivative is marked as the last one.

    Torch cuts the graph there: a product alone, which asks for the parameters only, leaves their part out
    without a word. With nothing asked for, every operation is differentiated, or raises.
    """
    for batch in part.batches():
        gradient = part.share(batch).gradient(differentiable=True)
        live = [each for each in gradient if each.requires_grad]
        if live:
            torch.autograd.backward(live, live)
