"""Whether derivatives are those of the value: each against a central difference, on a few samples.

Both are taken in float64 at weights slightly off the network's own, where no value sits on a kink by
construction (a bias of zero behind a black border). The step is the one whose error bound, from rounding and
from the next step, is smallest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.mean_loss import MeanLoss
from landscape.parameters import Parameters, dot, norm, shifted
from landscape.precision import full_precision
from landscape.results import Check

_TOLERANCE = 1e-3  # relative; wrong derivatives are seldom off by less than a per cent
_JITTER = 0.01  # of each parameter's size
_STEPS = (1e-6, 1e-7, 1e-8, 1e-9, 1e-5, 1e-4, 1e-3, 1e-2)  # in each parameter's size; likely ones first
_SHORT = (1e-8, 1e-9, 1e-7, 1e-10, 1e-11, 1e-6, 1e-5, 1e-4)  # so short that no ReLU changes sides, or few
_CAUSES = (
    "an autograd.Function whose backward is not the derivative of its forward (a straight-through estimator "
    "is one), a detach or .data in the forward, or weights that are used past the module that holds them"
)


_ONCE = (
    "derivative for",
    "not implemented",
    "double backward",
    "differentiate twice",
    "once_differentiable",
    "numpy() on Tensor that requires grad",
)
"""Parts of what PyTorch says of operations without a second derivative."""


class OnceDifferentiable(LandscapeError):
    """Second derivatives were asked of a network that holds a layer without them."""


def gradient_check(objective: MeanLoss) -> Check:
    """⟨∇L, v⟩ against (L(θ + hv) − L(θ − hv)) / 2h.

    Raises:
        LandscapeError: If they differ by more than rounding explains.
    """
    part, origin, direction = _setting(objective)
    gradient = part.gradient(origin)
    # Along v every part of the gradient counts with the same sign, so that none hides another.
    direction = {
        name: value.abs() * gradient[name].sign() + value * (gradient[name] == 0)
        for name, value in direction.items()
    }
    claimed = float(dot(gradient, direction))

    def difference(step: float) -> tuple[float, float]:
        ahead, behind = (part.value(shifted(origin, (sign * step, direction))).total for sign in (1, -1))
        return (ahead - behind) / (2 * step), max(abs(ahead), abs(behind))

    if not math.isfinite(claimed):
        return Check("derivative", False, "The gradient could not be checked: it is not finite.")
    off, bound = _closest(lambda step: _scalar(claimed, *difference(step), step, part.dtype), _STEPS)
    if off > bound:
        raise LandscapeError(
            f"the gradient is not the derivative of the loss: along a random direction it is {claimed:.6g}, "
            f"a central difference of the loss differs by {off:.1g} of that; look for {_CAUSES}"
        )
    return Check(
        "derivative",
        True,
        f"On {len(part.samples)} samples the gradient equals a central difference of the loss ({off:.0e} "
        "apart).",
    )


def product_check(objective: MeanLoss) -> Check:
    """H v against (∇L(θ + hv) − ∇L(θ − hv)) / 2h.

    Raises:
        OnceDifferentiable: If the network has no second derivative.
        LandscapeError: If they differ by more than rounding explains.
    """
    part, origin, direction = _setting(objective)
    try:
        with full_precision(part.device):
            differentiate_everything(part)
        claimed = part.hvp(direction, origin)
    except (RuntimeError, NotImplementedError) as error:
        if any(sign in str(error) for sign in _ONCE):
            raise OnceDifferentiable(
                f"{part.network.name} holds a layer without a second derivative "
                f"({str(error).splitlines()[0]}); take landscape.hessian, whose products can be finite "
                "differences"
            ) from error
        raise
    size, slope = float(norm(claimed)), float(norm(part.gradient(origin)))
    if not math.isfinite(size):
        return Check("product", False, "A Hessian–vector product could not be checked: it is not finite.")
    least = 1e-6 * slope / max(float(norm(direction)), 1e-300)

    def difference(step: float) -> tuple[float, float]:
        ahead, behind = (part.gradient(shifted(origin, (sign * step, direction))) for sign in (1, -1))
        apart = {name: (ahead[name] - behind[name]) / (2 * step) - claimed[name] for name in claimed}
        rounding = torch.finfo(part.dtype).eps * slope / step
        scale = max(size, least, 1e-300)
        return float(norm(apart)) / scale, _TOLERANCE + min(10 * rounding / scale, 0.1)

    off, bound = _closest(difference, _SHORT)
    if off > bound and part.dtype != torch.float64:
        text = "The network computes in float32 of its own, too coarse to check its Hessian–vector products."
        return Check("product", True, text)
    if off > bound:
        raise LandscapeError(
            f"the Hessian is not the derivative of the gradient: a Hessian–vector product differs by "
            f"{off:.1g} of its length from a central difference of the gradient; look for {_CAUSES}"
        )
    return Check(
        "product",
        True,
        f"On {len(part.samples)} samples a Hessian–vector product equals a central difference of the "
        f"gradient ({off:.0e} apart).",
    )


def differentiate_everything(part: MeanLoss) -> None:
    """Meet the operations whose derivative is marked as the last one.

    Torch cuts the graph there: a product alone, which asks for the parameters only, leaves their part out
    without a word. With nothing asked for, every operation is differentiated, or raises.
    """
    for batch in part.batches():
        gradient = part.share(batch).gradient(differentiable=True)
        live = [each for each in gradient if each.requires_grad]
        if live:
            torch.autograd.backward(live, live)


def _setting(objective: MeanLoss) -> tuple[MeanLoss, Parameters, Parameters]:
    """A few samples in float64 where the network allows it, weights off the kinks, and a direction."""
    # Two samples make batch statistics degenerate: normalised, they are always +1 and −1.
    few = 8 if objective.modes.batch_norm == "batch" else 2
    part = objective.replace(soundness=None, micro_batch=few).subset(0, few)
    try:
        precise = part.replace(dtype="float64")
        precise.value()
        part = precise
    except (RuntimeError, TypeError, NotImplementedError):
        pass  # the network holds numbers in float32 of its own
    generator = torch.Generator().manual_seed(0)

    def draw(value: Tensor) -> Tensor:
        size = value.double().square().mean().sqrt().clamp(min=0.1) if value.numel() else 1.0
        return (size * torch.randn(value.shape, generator=generator, dtype=torch.float64)).to(value)

    jitter = {name: draw(value) for name, value in part.free.items()}
    origin = shifted(part.parameters, (_JITTER, jitter))
    return part, origin, {name: draw(value) for name, value in part.free.items()}


def _scalar(
    claimed: float, found: float, largest: float, step: float, dtype: torch.dtype
) -> tuple[float, float]:
    """Relative difference of two slopes, and how much of it rounding may be."""
    rounding = 100 * torch.finfo(dtype).eps * largest / step
    scale = max(abs(claimed), abs(found), 1e-12 * largest, 1e-300)
    return abs(claimed - found) / scale, _TOLERANCE + min(rounding / scale, 0.1)


def _closest(compare: Callable[[float], tuple[float, float]], steps: Sequence[float]) -> tuple[float, float]:
    """Difference and bound of the first step that agrees, or of the one that comes closest."""
    best = (math.inf, 0.0)
    for step in steps:
        off, bound = compare(step)
        if math.isnan(off):
            continue
        if off <= bound:
            return off, bound
        best = min(best, (off, bound))
    return best
