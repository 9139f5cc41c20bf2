"""The recipe of each kind of result: objective → numbers → checks → a stamped dataset."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from landscape.analyses import internals, predictions
from landscape.analyses.curvature import density, eigenvalues, layers, spectrum, trace
from landscape.analyses.surfaces import flatness, plane
from landscape.errors import LandscapeError

Recipe = Callable[..., xr.Dataset]

RECIPES: dict[str, Recipe] = {
    "evaluation": predictions.evaluation,
    "ensemble": predictions.ensemble,
    "robustness": predictions.robustness,
    "consistency": predictions.consistency,
    "attack": predictions.attack,
    "eigenvalues": eigenvalues,
    "spectrum": spectrum,
    "trace": trace,
    "density": density,
    "layers": layers,
    "surface": plane,
    "flatness": flatness,
    "features": internals.feature_maps,
    "aliasing": internals.aliasing,
    "covariance": internals.covariance,
    "maps": internals.pictures,
    "noise": internals.frequency_noise,
    "similarity": internals.similarity,
    "lesion": internals.lesion,
}


def recipe(kind: str) -> Recipe:
    """The recipe of a kind of result.

    Raises:
        LandscapeError: If there is none.
    """
    if kind not in RECIPES:
        raise LandscapeError(f"unknown analysis {kind!r}; known are {', '.join(RECIPES)}")
    return RECIPES[kind]
