"""Recipes: options → objective → a stamped dataset; and the comparison of several networks."""

from landscape.analyses.compare import Measurement, Results, compare, plan
from landscape.analyses.curvature import density, eigenvalues, layers, spectrum, trace
from landscape.analyses.recipes import evaluation, feature_maps
from landscape.analyses.resumable import resumable
from landscape.analyses.settings import Settings, network_record
from landscape.analyses.surfaces import flatness, plane

__all__ = [
    "Measurement",
    "Results",
    "Settings",
    "compare",
    "density",
    "eigenvalues",
    "evaluation",
    "feature_maps",
    "flatness",
    "layers",
    "network_record",
    "plan",
    "plane",
    "resumable",
    "spectrum",
    "trace",
]
