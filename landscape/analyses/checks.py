"""The trust report: what is checked of a result, each in one plain sentence with the numbers."""

from __future__ import annotations

import numpy as np
import xarray as xr
from torch import Tensor

from landscape.linalg.eigenpairs import RISK
from landscape.objective import Objective
from landscape.results import Check
from landscape.soundness.determinism import Culprit

ROUNDING = 3e-5
"""Share of a loss that the fast and the plain way may differ by, in float32."""

LOOKED = 0.5
"""Risk above which the search for what was passed over counts as having told nothing."""


def determinism(culprit: Culprit | None) -> Check:
    """Whether the objective is a function, as found before the measurement."""
    if culprit is None:
        return Check(
            "deterministic",
            True,
            "Evaluations of the same samples agree, also in other groups.",
        )
    return Check("deterministic", False, culprit.message[0].upper() + culprit.message[1:] + ".")


def dropout(objective: Objective) -> list[Check]:
    """What dropout masks act on, by name; no line with dropout off."""
    if objective.dropout == "off":
        return []
    parts = objective.stochastic()
    return [Check("dropout", parts.complete or not parts.off, parts.sentence(objective.dropout))]


def residuals(dataset: xr.Dataset) -> Check:
    """Whether every eigenvalue has converged."""
    open_pairs = int((~dataset.converged.values).sum())
    total = dataset.converged.size
    largest = max(np.abs(dataset.eigenvalue.values).max(), np.finfo(float).tiny)
    worst = float(dataset.residual.values.max() / largest)
    if not open_pairs:
        message = (
            f"All {total} eigenvalues converged; largest residual {worst:.1e} of the largest eigenvalue."
        )
        return Check("residuals", True, message)
    return Check(
        "residuals",
        False,
        f"{open_pairs} of {total} eigenvalues did not converge (largest residual {worst:.1e} of the largest "
        "eigenvalue); allow more --max-products or a larger --tolerance.",
    )


def ranks(dataset: xr.Dataset) -> Check:
    """Whether it is known that no eigenvalue was passed over."""
    certain, risks = dataset.rank_certain.values, dataset.rank_risk.values
    if certain.all():
        return Check(
            "ranks",
            True,
            "Every rank is certain: no eigenvalue was passed over, further copies of repeated ones included "
            f"(at a risk of {RISK:g}).",
        )
    text = (
        f"{int(certain.sum())} of {certain.size} ranks are certain; for the others, that no eigenvalue was "
        f"passed over is known at a risk of up to {risks[~certain].max():.2g}"
    )
    if risks[~certain].max() <= LOOKED:
        return Check("ranks", True, f"{text}; more --confirm lowers it.")
    return Check("ranks", False, f"{text}, which tells nothing; allow more --confirm.")


def finite(what: str, values: np.ndarray) -> Check:
    """Whether every value is finite."""
    bad = int((~np.isfinite(values)).sum())
    if not bad:
        return Check("finite", True, f"Every value of the {what} is finite.")
    return Check(
        "finite",
        False,
        f"{bad} of {values.size} values of the {what} are not finite; they are kept as measured.",
    )


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
    if fast == plain or abs(fast - plain) <= ROUNDING * abs(plain) + 1e-7:
        return Check("loss", True, text)
    return Check(
        "loss",
        False,
        f"{text} They should agree: the network treats some samples in another way (a branch that depends on "
        "the data), or sums in varying order.",
    )


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
    return [
        Check(
            "classes",
            False,
            f"{objective.network.name} has {outputs.shape[1]} outputs and {samples.source} {named} classes "
            f"({names}): loss and accuracy mean something only if its first {named} outputs are these, in "
            f"this order{remedy}.",
        )
    ]


def _normalisation(objective: Objective) -> list[Check]:
    source = objective.samples.source
    if objective.network.normalisation is not None or not source.startswith(_BARE):
        return []
    return [
        Check(
            "normalisation",
            True,
            f"Images of {source} enter the network as they are, in [0, 1], as neither states a "
            "normalisation; if it was trained with one, give --mean and --std.",
        )
    ]
