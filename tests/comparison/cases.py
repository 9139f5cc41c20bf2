"""Small results of every kind that claims are read from."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.results import attribute, stamp
from tests.comparison.test_verdicts import SPECS, spectrum


def dataset(
    kind: str, name: str, variables: dict, spec: str = "", protocol: dict | None = None, **attrs
) -> xr.Dataset:
    like = spectrum(name, [1], spec=spec, **(protocol or {}))
    record = {each: attribute(like, each) for each in ("network", "protocol", "provenance")}
    return stamp(xr.Dataset(variables, attrs=attrs), kind=kind, **record)


def maps(name: str, high: float, spec: str) -> xr.Dataset:
    layers = ["a", "b", "c", "d"]
    amplitude = np.array([[5.0, 1.0, high]] * 4)
    variables = {
        "kind": ("layer", np.array(["block"] * 4, dtype=object)),
        "stage": ("layer", [1, 1, 2, 2]),
        "depth": ("layer", [0.0, 0.3, 0.6, 1.0]),
        "frequency_pi": (("layer", "frequency"), np.array([[0.0, 0.5, 1.0]] * 4)),
        "log_amplitude": (("layer", "frequency"), amplitude),
        "delta_log_amplitude": (("layer", "frequency"), amplitude),
        "spatial_variance": ("layer", [1.0, 2.0, 1.0, 4.0]),
        "high_frequency": ("layer", [-1.0, -2.0, -3.0, -4.0]),
    }
    return dataset("features", name, variables, spec).assign_coords(layer=np.array(layers, dtype=object))


def ensemble(name: str, variance: float, exponent: float, error: float) -> xr.Dataset:
    sizes = [1, 2]
    variables = {
        "nll": ("size", [0.5, 0.4]), "accuracy": ("size", [0.8, 0.9]), "ece": ("size", [0.1, 0.1]),
        "nll_variance": ("size", [variance, variance / 2]),
    }  # fmt: skip
    attrs = {"nll_variance_exponent": exponent, "nll_variance_exponent_standard_error": error}
    return dataset("ensemble", name, variables, SPECS["mcd-gap"], **attrs).assign_coords(size=sizes)
