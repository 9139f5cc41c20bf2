"""Made-up results of the fair test: numbers that are known, in datasets as small as its readers allow."""

import json

import numpy as np
import xarray as xr

SCALE = {"mlp": 4.0, "gap": 2.0, "gap-blur": 1.0}
"""Largest eigenvalue of each arm at the end, times 100."""


def spectrum(value: float, count: int = 4, k: int = 1) -> xr.Dataset:
    """Mini-batches around a mean largest eigenvalue."""
    values = value * np.linspace(0.9, 1.1, count)[:, None] * np.linspace(1, 0.5, k)
    data = xr.Dataset({"eigenvalue": (("batch", "rank"), values)}, attrs={"kind": "spectrum"})
    return data.assign(ape=((), float(values.mean())), nep=((), 0.1 / value))


def flatness(value: float) -> xr.Dataset:
    """Two directions, one radius."""
    each = value * np.array([0.8, 1.2])
    return xr.Dataset(
        {"curvature": ("repeat", each), "rise": (("radius", "repeat"), each[None] / 50)},
        coords={"radius": [0.2]},
        attrs={"kind": "flatness"},
    )


def features(variance: float, frequency: float) -> xr.Dataset:
    """Two stages; what enters the second one is the only end of a stage."""
    found = {}
    for name, value in (("spatial_variance", variance), ("high_frequency", frequency)):
        found[name] = ("layer", np.array([value, value, value]))
        found[f"{name}_standard_error"] = ("layer", np.zeros(3))
    coords = {"kind": ("layer", ["block", "block", "block"]), "stage": ("layer", [0, 1, 2])}
    return xr.Dataset(found, coords=coords, attrs={"kind": "features"})


def evaluation(nll: float) -> xr.Dataset:
    """A mean alone."""
    return xr.Dataset({"nll": ((), nll)}, attrs={"kind": "evaluation"})


def results(seeds: int = 3, noise: float = 0.02, epochs: int = 5) -> dict[str, dict[str, xr.Dataset]]:
    """All arms: at the end, and along a training whose eigenvalue follows the variance of feature maps."""
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, xr.Dataset]] = {}
    for arm, scale in SCALE.items():
        for seed in range(seeds):
            value = 100 * scale * float(np.exp(noise * rng.normal()))
            found[f"{arm}-seed{seed}"] = {
                "spectrum": spectrum(value, 8),
                "spectrum-off": spectrum(value / 2),
                "spectrum-filter": spectrum(value / 100),
                "spectrum-p2": spectrum(value * 2, 16, 5),
                "flatness": flatness(value / 20),
                "flatness-paper": flatness(value / 40),
                "trace": xr.Dataset({"trace": ((), value * 10)}, attrs={"kind": "trace"}),
            }
            for epoch in range(1, epochs + 1):
                rising = value * epoch / epochs
                found[f"{arm}-seed{seed}-epoch{epoch:03d}"] = {
                    "spectrum-along": spectrum(rising),
                    "evaluation-train": evaluation(2.0 / epoch**2 * (2 if arm == "mlp" else 1)),
                    "features": features(rising / 1000, -5 + np.log(rising)),
                }
    for kinds in found.values():
        for dataset in kinds.values():
            dataset.attrs["protocol"] = json.dumps({"data": {"split": "train"}, "options": {}})
    return found
