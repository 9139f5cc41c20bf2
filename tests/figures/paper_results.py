"""A family of measured networks with configurations, one factor apart, for panels of the papers."""

from __future__ import annotations

import json

import xarray as xr

from landscape.family import MODELS
from landscape.results import attribute
from landscape.zoo import parse
from tests.figures import feature_results, planes, prediction_results, synthetic

SPECS = {name: spec for name, spec in MODELS.items() if name != "gap-preact-blur-relu6"}

TEST = ("evaluation", "ensemble", "robustness", "features", "noise", "maps", "covariance")
"""Kinds that are measured on test images."""


def configured(dataset, spec, *, surgery="", name=None, sha256=None, **protocol):
    """The dataset as of a network of this specification, with other entries of its protocol."""
    network = attribute(dataset, "network") | {"config": parse(spec).to_dict(), "surgery": surgery}
    network |= {key: value for key, value in (("name", name), ("sha256", sha256)) if value}
    changed = attribute(dataset, "protocol") | protocol
    dataset = dataset.assign_attrs(network=json.dumps(network), protocol=json.dumps(changed))
    dataset.attrs.pop("condition", None)  # that follows from the protocol
    return dataset


def family(kinds, specs=SPECS):
    """Results of these kinds of every network, each with values of its own."""
    found: dict[str, dict[str, xr.Dataset]] = {}
    for i, (name, spec) in enumerate(specs.items()):
        for kind in kinds:
            dataset = _measured(kind, name, i)
            if dataset is not None:
                data = {"source": "cifar10", "samples": 1000, "split": "test" if kind in TEST else "train"}
                found.setdefault(name, {})[kind] = configured(dataset, spec, data=data)
    return found


def sequence(name, count=3):
    """A surface under several dropout masks as one result."""
    frames = planes.masks(name, count=count, steps=5)
    return xr.concat(frames, "mask").assign_attrs(frames[0].attrs)


def _measured(kind, name, i):
    if kind in ("ensemble", "sequence") and not name.startswith("mcd"):
        return None
    return {
        "evaluation": lambda: synthetic.evaluation(name, nll=0.5 - 0.02 * i),
        "ensemble": lambda: prediction_results.ensemble(name, level=0.8 - 0.05 * i, most=12),
        "robustness": lambda: prediction_results.robustness(name, level=1 - 0.05 * i),
        "features": lambda: synthetic.features(name, blur="blur" in name, scale=1 - 0.05 * i),
        "noise": lambda: feature_results.noise(name, fall=0.12 - 0.008 * i),
        "maps": lambda: feature_results.maps(name, seed=i, draws=2),
        "covariance": lambda: feature_results.covariance(name, width=1 + 0.1 * i),
        "surface": lambda: planes.surface(name, curvature=4 / (i + 1), steps=5),
        "sequence": lambda: sequence(name),
        "spectrum": lambda: synthetic.spectrum(
            name, level=400 / (i + 1), k=1, batches=40, seed=i, negative=0.1
        ),
        "density": lambda: synthetic.density(name, top=170 / (i + 1), seed=i, probes=2, steps=30),
        "trajectory": lambda: planes.trajectory(name),
    }[kind]()
