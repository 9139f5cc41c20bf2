"""Results of several seeds: those of `synthetic`, with a configuration and a digest for each network."""

from __future__ import annotations

import json
from collections.abc import Sequence

import xarray as xr

from landscape.results import attribute
from tests.figures import synthetic

Results = dict[str, dict[str, xr.Dataset]]
_PLAIN = {"depth": 20, "head": "gap", "smoothing": None, "activation": "relu", "preactivation": False}
CONFIGS = {
    "gap": _PLAIN,
    "gap-blur": {**_PLAIN, "smoothing": {"kernel": [1, 1], "prob": "tanh"}},
    "mlp": {**_PLAIN, "head": "mlp"},
}


def family(stems: Sequence[str] = ("gap", "gap-blur"), count: int = 3) -> Results:
    """Results of every kind for `gap-seed0`, `gap-seed1`, …; no two networks are alike."""
    names = [f"{stem}-seed{seed}" for stem in stems for seed in range(count)]
    return {
        name: {
            kind: known(dataset, name, CONFIGS[name.rpartition("-")[0]]) for kind, dataset in kinds.items()
        }
        for name, kinds in synthetic.comparison(names).items()
    }


def known(dataset: xr.Dataset, name: str, config: dict, **record: object) -> xr.Dataset:
    """With a configuration, and a digest of its own."""
    network = attribute(dataset, "network") | {"name": name, "config": config, "sha256": f"sha of {name}"}
    return dataset.assign_attrs(network=json.dumps(network | record))
