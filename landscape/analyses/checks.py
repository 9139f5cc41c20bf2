"""The trust report: what is checked of a result, each in one plain sentence with the numbers."""

from __future__ import annotations

import math

import xarray as xr
from torch import Tensor

from landscape.hessian import Operator
from landscape.hessian.differences import ErrorBound
from landscape.intervals import from_error
from landscape.objective import Objective
from landscape.results import Check
from landscape.results.checks import ROUNDING, ranks, residuals
from landscape.soundness.determinism import Culprit

_LARGE = 0.01
"""Error of finite differences, as a share of the largest product, that is worth a look."""
_RARE = 6e-5  # as far out as four standard errors of a normal distribution


def judged(name: str, passed: bool, text: str, remedy: str) -> Check:
    """What was found, and where that fails, what to make of it."""
    return Check(name, passed, text if passed else f"{text} {remedy}")


def determinism(culprit: Culprit | None) -> Check:
    """Whether the objective is a function, as found before the measurement."""
    if culprit is None:
        return Check("deterministic", True, "Evaluations of the same samples agree, also in other groups.")
    return Check("deterministic", False, culprit.message[0].upper() + culprit.message[1:] + ".")


def dropout(objective: Objective) -> list[Check]:
    """What dropout masks act on, by name; no line with dropout off."""
    if objective.dropout == "off":
        return []
    parts = objective.stochastic()
    return [Check("dropout", parts.complete or not parts.off, parts.sentence(objective.dropout))]


def found(dataset: xr.Dataset, method: str = "lanczos") -> list[Check]:
    """Of eigenvalues; what PyHessian passes over, it alone knows."""
    converged = [residuals(dataset)]
    return converged if method == "pyhessian" else [*converged, ranks(dataset)]


def plainly(objective: Objective) -> Objective:
    """The objective run as the network is written, nothing folded, in other micro-batches where it may be."""
    # Batch statistics depend on the micro-batch, and so does the rounding of reduced precision.
    if objective.modes.batch_norm != "eval" or objective.modes.precision != "full":
        return objective
    half = max(1, min(objective.micro_batch, len(objective.samples)) // 2)
    return objective.replace(forward=objective.forward.plain(), micro_batch=half)


def loss(objective: Objective, measured: float | None = None) -> Check:
    """The loss as it is differentiated against that of the plain way, over all samples.

    Args:
        objective: What was differentiated.
        measured: Its NLL, where it is known already.
    """
    fast = objective.value().nll if measured is None else measured
    plain = plainly(objective).value().nll
    text = f"The loss is {fast:.6f}, evaluated the plain way {plain:.6f}."
    remedy = (
        "They should agree: the network treats some samples in another way (a branch that depends on the "
        "data), or sums in varying order."
    )
    return judged("loss", fast == plain or abs(fast - plain) <= ROUNDING * abs(plain) + 1e-7, text, remedy)


_BARE = ("npz:", "images:")
"""Sources of images that come without a usual normalisation."""


def belonging(objective: Objective) -> list[Check]:
    """What makes it doubtful that network and data set belong together; no line where nothing does."""
    return [*_classes(objective), *_normalisation(objective)]


def _classes(objective: Objective) -> list[Check]:
    samples, named = objective.samples, len(objective.samples.class_names)
    if not named:
        return []
    outputs, _ = next(objective.replace(soundness=None).subset(0, 2).outputs())
    if not isinstance(outputs, Tensor) or outputs.dim() != 2 or outputs.shape[1] <= named:
        return []
    names = ", ".join(samples.class_names[:3]) + (", …" if named > 3 else "")
    remedy = "; demo is the default, name the network's own with --data" if samples.source == "demo" else ""
    text = (
        f"{objective.network.name} has {outputs.shape[1]} outputs and {samples.source} {named} classes "
        f"({names}): loss and accuracy mean something only if its first {named} outputs are these, in "
        f"this order{remedy}."
    )
    return [Check("classes", False, text)]


def _normalisation(objective: Objective) -> list[Check]:
    source = objective.samples.source
    if objective.network.normalisation is not None or not source.startswith(_BARE):
        return []
    text = (
        f"Images of {source} enter the network as they are, in [0, 1], as neither states a "
        "normalisation; if it was trained with one, give --mean and --std."
    )
    return [Check("normalisation", True, text)]


def exactness(operator: Operator) -> list[Check]:
    """A line only where something is to be said."""
    if not operator.exact:
        return [_differences(operator.objective.product_error)]
    if operator.objective.forward.math_attention:
        text = "Fused attention has no second derivative; attention ran on its plain kernel."
        return [Check("exact products", True, text)]
    return []


def _differences(bound: ErrorBound) -> Check:
    text = (
        "The network holds a layer without a second derivative: products are central finite differences of "
        f"the gradient, with an error of at most {bound.relative:.1e} of the largest product"
    )
    if bound.blind:
        more = "its rounding asks for steps at which kinks of ReLU count as curvature, beyond this bound"
        return Check("exact products", False, f"{text}; {more}. Let every layer run in float64.")
    if bound.relative <= _LARGE:
        return Check("exact products", True, f"{text}.")
    return Check("exact products", False, f"{text}, which is large; take --dtype float64 or fewer samples.")


def moment(dataset: xr.Dataset, other: xr.Dataset) -> Check:
    """The first moment against Hutchinson's trace from other probes."""
    ours, theirs = float(dataset.trace), float(other.trace)
    error = math.hypot(float(dataset.trace_standard_error), float(other.trace_standard_error))
    text = f"The density's first moment gives a trace of {ours:.5g}, Hutchinson's estimate is {theirs:.5g}"
    if not math.isfinite(error):
        return Check("moment", True, f"{text}; one probe has no standard error to compare them by.")
    off = abs(ours - theirs) / error if error else math.inf * (ours != theirs)
    fewer = min(dataset.sizes["probe"], int(other.products))  # degrees of freedom are at least these less one
    if math.isnan(off) or from_error(off, 1.0, fewer - 1).p_value >= _RARE:
        return Check("moment", True, f"{text}, {0 if math.isnan(off) else off:.1f} standard errors apart.")
    return Check(
        "moment", False, f"{text}, {off:.1f} standard errors apart; take more steps or --dtype float64."
    )
