"""Whether a network and its samples belong together, asked before any work is done."""

from __future__ import annotations

from torch import Tensor

from landscape.errors import LandscapeError
from landscape.losses import LOSSES
from landscape.objective import Objective


def require_compatible(objective: Objective) -> None:
    """Evaluate two samples.

    Raises:
        LandscapeError: If the network fails or returns no logits, or a target is none of its classes.
    """
    samples, name = objective.samples, objective.network.name
    shape = tuple(samples.inputs.shape[1:])
    try:
        logits, _ = next(objective.subset(0, 2).outputs())
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LandscapeError(
            f"{name} fails on inputs of shape {shape} from {samples.source}: {reason}"
        ) from error
    if objective.loss not in LOSSES.values():
        return
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise LandscapeError(f"{name} returns {found}, expected logits of shape (sample, class)")
    classes, largest = logits.shape[1], int(samples.targets.max())
    if largest >= classes:
        raise LandscapeError(
            f"target {largest} of {samples.source} is none of the {classes} classes (0 to {classes - 1}) of "
            f"{name}; the network and the data set do not belong together"
        )
