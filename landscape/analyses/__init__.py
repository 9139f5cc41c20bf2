"""Recipes: options → objective → a stamped dataset; and the comparison of several networks."""

from landscape.analyses.compare import Measurement, Results, compare, plan
from landscape.analyses.conditions import conditions
from landscape.analyses.curvature import density, eigenvalues, layers, spectrum, trace
from landscape.analyses.internals import (
    aliasing,
    covariance,
    feature_maps,
    frequency_noise,
    lesion,
    pictures,
    similarity,
)
from landscape.analyses.predictions import attack, consistency, ensemble, evaluation, robustness
from landscape.analyses.resumable import resumable
from landscape.analyses.settings import Settings, network_record
from landscape.analyses.surfaces import flatness, plane
from landscape.analyses.trajectories import trajectory

__all__ = [
    "Measurement",
    "Results",
    "Settings",
    "aliasing",
    "attack",
    "compare",
    "conditions",
    "consistency",
    "covariance",
    "density",
    "eigenvalues",
    "ensemble",
    "evaluation",
    "feature_maps",
    "flatness",
    "frequency_noise",
    "layers",
    "lesion",
    "network_record",
    "pictures",
    "plan",
    "plane",
    "resumable",
    "robustness",
    "similarity",
    "spectrum",
    "trace",
    "trajectory",
]
