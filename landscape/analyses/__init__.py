"""Recipes: options → objective → a stamped dataset; and the comparison of several networks."""

from landscape.analyses.compare import Measurement, Results, compare, plan
from landscape.analyses.recipes import eigenvalues, evaluation, feature_maps, plane, spectrum
from landscape.analyses.settings import Settings, network_record

__all__ = [
    "Measurement",
    "Results",
    "Settings",
    "compare",
    "eigenvalues",
    "evaluation",
    "feature_maps",
    "network_record",
    "plan",
    "plane",
    "spectrum",
]
