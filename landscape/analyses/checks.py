"""The trust report: what is checked of a result, each in one plain sentence with the numbers."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.determinism import Culprit
from landscape.linalg.eigenpairs import RISK
from landscape.results import Check

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
