"""The recipe of each command: objective → numbers → checks → a stamped dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr

from landscape import features, predictive
from landscape.analyses import checks
from landscape.analyses.curvature import density, eigenvalues, layers, spectrum, trace
from landscape.analyses.stamping import stamped
from landscape.analyses.surfaces import flatness, plane
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.progress import Progress, silent

Recipe = Callable[..., xr.Dataset]


def evaluation(objective: Objective, *, bins: int = 10, progress: Progress = silent) -> xr.Dataset:
    """Predictions and their metrics, see `landscape.predictive.evaluate`."""
    return stamped(
        "evaluation",
        objective,
        {"bins": bins},
        lambda: predictive.evaluate(objective, bins=bins, progress=progress),
        lambda dataset: [checks.finite("predictions", dataset.nll.values)],
    )


def feature_maps(
    objective: Objective, *, layers: Sequence[str] = (), progress: Progress = silent
) -> xr.Dataset:
    """Spatial variance and Fourier content by depth, see `landscape.features.measure`."""
    return stamped(
        "features",
        objective,
        {"layers": list(layers)},
        lambda: features.measure(objective, layers or None, progress=progress),
        lambda dataset: [checks.finite("spatial variance", dataset.spatial_variance.values)],
    )


RECIPES: dict[str, Recipe] = {
    "evaluation": evaluation,
    "eigenvalues": eigenvalues,
    "spectrum": spectrum,
    "trace": trace,
    "density": density,
    "layers": layers,
    "surface": plane,
    "flatness": flatness,
    "features": feature_maps,
}


def recipe(kind: str) -> Recipe:
    """The recipe of a kind of result.

    Raises:
        LandscapeError: If there is none.
    """
    if kind not in RECIPES:
        raise LandscapeError(f"unknown analysis {kind!r}; known are {', '.join(RECIPES)}")
    return RECIPES[kind]
