"""Checks that are functions of a result's numbers: made when it is measured, and again when it is opened."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace

import numpy as np
import xarray as xr

from landscape.results.schema import Check, attribute
from landscape.results.surfaces import at_centre

ROUNDING = 3e-5
"""Share of a loss that the fast and the plain way may differ by, in float32."""

LOOKED = 0.5
"""Risk above which the search for what was passed over counts as having told nothing."""

RISK = 1e-3
"""Chance of having passed over an eigenvalue at which a rank still counts as certain."""

_FINITE = {
    **dict.fromkeys(("surface", "evaluation", "ensemble", "robustness", "attack", "lesion"), "nll"),
    **{"features": "spatial_variance", "aliasing": "after", "similarity": "cka", "flatness": "loss"},
    "trajectory": "x",
}
"""The variable of each kind whose values are checked to be finite."""


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
        return Check("ranks", True, f"{text}; confirming with more products lowers it.")
    return Check(
        "ranks",
        False,
        f"{text}, which tells nothing; confirm them with more products (landscape hessian --confirm).",
    )


def trace(dataset: xr.Dataset) -> Check:
    """Whether the trace is known to a tenth of itself."""
    value, error = float(dataset.trace), float(dataset.trace_standard_error)
    ends = f"{float(dataset.trace_low):.5g} to {float(dataset.trace_high):.5g}"
    text = f"The trace is {value:.5g} ± {error:.2g} (one standard error; 95 % interval {ends})."
    if error <= 0.1 * abs(value):
        return Check("trace", True, text)
    return Check("trace", False, f"{text} That is more than a tenth of it; take more probes.")


def mass(dataset: xr.Dataset) -> Check:
    """Whether the density integrates to one."""
    total = float(np.trapezoid(dataset.density.values, dataset.eigenvalue.values))
    passed = abs(total - 1) < 1e-3
    text = f"The density integrates to {total:.6f}."
    return Check("mass", passed, text if passed else f"{text} It should be 1: the curve needs more points.")


def complete(dataset: xr.Dataset) -> list[Check]:
    """A line only of what has points that are not computed."""
    missing = int((~dataset.done.values).sum())
    if not missing:
        return []
    text = f"{missing} of {dataset.done.size} points are not computed; run the same command again."
    return [Check("complete", False, text)]


def agreement(name: str, measured: float, expected: float, error: float) -> Check:
    """Whether a point of a surface is what an evaluation of its own gives.

    Args:
        name: Of the point.
        measured: Its NLL.
        expected: The loss of the evaluation.
        error: What leaving samples out may have moved the point by, one standard error.
    """
    room = ROUNDING * abs(expected) + 1e-7 + 4 * error
    text = f"The surface's {name} is {measured:.6f}, the evaluated loss {expected:.6f}."
    if measured == expected or abs(measured - expected) <= room:
        return Check("centre", True, text)
    return Check(
        "centre",
        False,
        f"{text} They should agree: evaluation is not deterministic, or depends on the micro-batch (a "
        "BatchNorm that does not follow eval mode, a branch that depends on the data).",
    )


def rechecked(dataset: xr.Dataset) -> xr.Dataset:
    """The result with the checks that its own numbers contradict marked as failed.

    Those that follow from its numbers are made again. A stored check that failed stays as it is, one that
    passed stays if it still does.

    Args:
        dataset: As it was read.
    """
    stored = [Check(each["name"], each["passed"], each["message"]) for each in attribute(dataset, "checks")]
    again = {check.name: check for check in _again(dataset, stored) if not check.passed}
    checks = []
    for check in stored:
        failed = again.pop(check.name, None)
        checks.append(_altered(failed, "with this check passed") if failed and check.passed else check)
    checks += [_altered(failed, "without this check") for failed in again.values()]
    if checks == stored:
        return dataset
    return dataset.assign_attrs(checks=json.dumps([asdict(check) for check in checks]))


def contradicted(dataset: xr.Dataset) -> list[str]:
    """What `rechecked` found: sentences on the checks that the numbers of a result do not bear out."""
    checks = attribute(dataset, "checks")
    return [each["message"] for each in checks if not each["passed"] and each["message"].endswith(_ALTERED)]


_ALTERED = "it was altered, or is damaged."


def _altered(failed: Check, how: str) -> Check:
    """A check that fails now, with how the result was stored."""
    return replace(failed, message=f"{failed.message} The result is stored {how}: {_ALTERED}")


def _again(dataset: xr.Dataset, stored: list[Check]) -> Iterator[Check]:
    """The checks that can be made of the numbers alone."""
    kind, names = str(dataset.attrs.get("kind")), {check.name for check in stored}
    variable = _FINITE.get(kind)
    if variable in dataset and "finite" in names:
        values = dataset[variable].values
        done = "done" in dataset and dataset["done"].dims == dataset[variable].dims
        values = values[dataset["done"].values] if done else values
        if values.dtype.kind == "f":
            yield finite(kind, values)
    if "done" in dataset:
        yield from complete(dataset)
    for name, needed, judge in _JUDGES:
        if name in names and set(needed) <= set(dataset.variables):
            yield judge(dataset)
    if kind == "surface":
        yield from _centre(dataset, stored)


_JUDGES: tuple[tuple[str, tuple[str, ...], Callable[[xr.Dataset], Check]], ...] = (
    ("residuals", ("converged", "residual", "eigenvalue"), residuals),
    ("ranks", ("rank_certain", "rank_risk"), ranks),
    ("trace", ("trace", "trace_standard_error", "trace_low", "trace_high"), trace),
    ("mass", ("density", "eigenvalue"), mass),
)
"""Name of a check, the variables that it is made of, and how."""


def _centre(dataset: xr.Dataset, stored: list[Check]) -> Iterator[Check]:
    """The centre against the loss that was evaluated beside it, which the stored check tells."""
    point = at_centre(dataset)
    told = [
        re.search(r"the evaluated loss (-?[\d.]+)\.", each.message)
        for each in stored
        if each.name == "centre"
    ]
    if point is None or not told or told[0] is None or point["nll"].size != 1:
        return
    error = float(point["sampling_error"]) if "sampling_error" in point else 0.0
    measured, expected = float(point["nll"]), float(told[0][1])
    # The message holds six digits after the point.
    check = agreement("centre", measured, expected, error + 2.5e-7)
    yield check
