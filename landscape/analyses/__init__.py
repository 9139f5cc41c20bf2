"""Recipes: options → objective → a stamped dataset; and the comparison of several networks.

The recipe of each kind of result has the name of the kind; `landscape.results.kinds` lists them all.
"""

from landscape.analyses.compare import Measurement, Results, compare
from landscape.analyses.curvature import density, eigenvalues, layers, spectrum, trace
from landscape.analyses.internals import aliasing, covariance, features, lesion, maps, noise, similarity
from landscape.analyses.plans import conditions, further, plan
from landscape.analyses.predictions import attack, consistency, ensemble, evaluation, robustness
from landscape.analyses.running import recipe, resumable
from landscape.analyses.settings import Settings, network_record
from landscape.analyses.surfaces import flatness, surface
from landscape.analyses.trajectories import trajectory
from landscape.results import KINDS

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
    "features",
    "flatness",
    "frequency_noise",
    "further",
    "layers",
    "lesion",
    "maps",
    "network_record",
    "noise",
    "pictures",
    "plan",
    "plane",
    "recipe",
    "resumable",
    "robustness",
    "similarity",
    "spectrum",
    "surface",
    "trace",
    "trajectory",
]

# Names of version 0.1.
plane, feature_maps, pictures, frequency_noise = surface, features, maps, noise

# A kind whose recipe stands in a file of its own is here without being listed.
globals().update({name: recipe(name) for name in KINDS})
