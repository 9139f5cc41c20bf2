"""What an objective checks of itself before its numbers are used: once, and shared by its copies."""

from __future__ import annotations

import warnings

from landscape.losses import cross_entropy
from landscape.mean_loss import MeanLoss
from landscape.protocol import Level
from landscape.results import Check
from landscape.soundness.compatibility import look_like_probabilities, require_compatible
from landscape.soundness.determinism import Culprit, excused, find_culprit, unless_excused
from landscape.soundness.gradcheck import OnceDifferentiable, gradient_check, product_check
from landscape.soundness.movement import movement

_HALVES = 4


class Soundness:
    """The checks of a network, its samples and its loss under one protocol.

    Attributes:
        checks: Those that have passed, and those that warn, by level.
        culprit: Why the objective is no function of its parameters; None if it is, or nobody has looked.
    """

    def __init__(self) -> None:
        self.checks: dict[Level, list[Check]] = {}
        self.culprit: Culprit | None = None

    def require(self, objective: MeanLoss, level: Level, *, report: bool = False) -> None:
        """Check what has not been checked.

        Args:
            objective: Whose numbers are to be used.
            level: Which numbers.
            report: Whether the checks will be part of a result; otherwise an objective that is no function
                of its parameters is warned of here.

        Raises:
            LandscapeError: If a number of this level would be wrong; the message names the likely cause.
        """
        if objective.modes.compiled:
            objective = objective.replace(compiled=False)  # what is compiled is compared in each shape it has
        for each in _NEEDED[level]:
            if each not in self.checks:
                self.checks[each] = _CHECKS[each](self, objective)
                found = self.culprit
                if each == "value" and not report and found and not _expected(found, objective):
                    warnings.warn(found.message, stacklevel=4)

    def found(self) -> list[Check]:
        """All checks so far."""
        return [check for checks in self.checks.values() for check in checks]


def _expected(culprit: Culprit, objective: MeanLoss) -> bool:
    """Whether that is what was asked for: BatchNorm on statistics of the batches."""
    asked = culprit.kind == "batch statistics" and objective.modes.batch_norm != "eval"
    return asked or excused(culprit, objective)


def _value(state: Soundness, objective: MeanLoss) -> list[Check]:
    require_compatible(objective)
    # In halves, two samples would be too few for statistics of their batch.
    if objective.modes.batch_norm != "batch" or len(objective.samples) >= _HALVES:
        state.culprit = find_culprit(objective)
    # Of a network with random numbers of its own, no two evaluations could be compared.
    function = state.culprit is None or state.culprit.kind in ("rounding", "batch statistics")
    found = [movement(objective)] if function else []
    if objective.forward.road.writes:
        found.append(Check("inputs", True, "The network changes its inputs in place; it is given copies."))
    if objective.loss is cross_entropy and look_like_probabilities(objective):
        found.append(
            Check(
                "logits",
                False,
                "The outputs look like probabilities (each row sums to 1), while cross-entropy takes logits: "
                "leave out the softmax at the end, or return its logarithm.",
            )
        )
    return found


def _gradient(state: Soundness, objective: MeanLoss) -> list[Check]:
    if state.culprit and not _expected(state.culprit, objective):
        unless_excused(state.culprit, objective)
    return [gradient_check(objective)]


def _product(state: Soundness, objective: MeanLoss) -> list[Check]:
    road = objective.forward.road
    try:
        return [product_check(objective)]
    except OnceDifferentiable:
        if road.math_attention:
            raise
    # Fused attention has no second derivative; the plain kernel computes the same function.
    road.math_attention = True
    try:
        return [product_check(objective)]
    except OnceDifferentiable:
        road.math_attention = False
        raise


_CHECKS = {"value": _value, "gradient": _gradient, "product": _product}
_NEEDED: dict[Level, tuple[Level, ...]] = {
    "value": ("value",),
    "gradient": ("value", "gradient"),
    "product": ("value", "gradient", "product"),
}
