"""The trust report: what is checked of a result, each in one plain sentence with the numbers."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from landscape.determinism import Culprit
from landscape.objective import Objective
from landscape.results import Check


def determinism(culprit: Culprit | None) -> Check:
    """Whether the objective is a function, as found before the measurement."""
    if culprit is None:
        return Check(
            "deterministic",
            True,
            "Evaluations of the same samples agree, also in other groups.",
        )
    return Check("deterministic", False, culprit.message[0].upper() + culprit.message[1:] + ".")


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


def center(objective: Objective, dataset: xr.Dataset) -> Check:
    """The grid's middle point against an evaluation of its own, in other micro-batches."""
    row, column = dataset.sizes["y"] // 2, dataset.sizes["x"] // 2
    measured = float(dataset.nll[row, column])
    draw = 1 + row * dataset.sizes["x"] + column
    count = len(objective.samples)
    other = objective.subset(0, count)
    other.micro_batch = max(1, min(objective.micro_batch, count) // 2)
    expected = other.value(draw=draw).nll
    same = measured == expected or math.isclose(measured, expected, rel_tol=1e-5, abs_tol=1e-7)
    text = f"The surface's centre is {measured:.6f}, the evaluated loss {expected:.6f}."
    if same:
        return Check("centre", True, text)
    return Check(
        "centre",
        False,
        f"{text} They should agree: evaluation is not deterministic, or depends on the micro-batch (a "
        "BatchNorm that does not follow eval mode).",
    )


def sampling(dataset: xr.Dataset) -> Check:
    """Whether the samples suffice for the centre."""
    row, column = dataset.sizes["y"] // 2, dataset.sizes["x"] // 2
    value, error = float(dataset.nll[row, column]), float(dataset.standard_error[row, column])
    samples = int(dataset.samples[row, column])
    text = f"{samples} samples give the centre's NLL as {value:.4f} ± {error:.4f} (one standard error)."
    if math.isfinite(error) and error <= 0.5 * abs(value):
        return Check("sampling", True, text)
    return Check("sampling", False, f"{text} That is more than half of it; take more --samples.")
