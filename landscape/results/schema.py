"""What every saved result carries: kind, network, protocol, provenance and checks, as JSON attributes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import ResultError

KINDS = {
    "evaluation": ("nll", "accuracy"),
    "eigenvalues": ("eigenvalue", "residual", "converged"),
    "spectrum": ("eigenvalue", "residual"),
    "trace": ("trace", "trace_standard_error"),
    "density": ("eigenvalue", "density", "standard_error", "node", "weight"),
    "layers": ("name", "depth", "eigenvalue", "residual", "converged", "trace", "trace_standard_error"),
    "flatness": ("loss", "rise", "curvature"),
    "surface": ("nll", "l2"),
    "trajectory": ("x", "y", "off_plane", "distance"),
    "features": ("kind", "depth", "spatial_variance", "delta_log_amplitude"),
    "aliasing": ("factor", "before", "after"),
    "covariance": ("correlation",),
    "maps": ("input", "map"),
    "noise": ("frequency_pi", "accuracy", "nll", "accuracy_drop"),
    "similarity": ("cka",),
    "lesion": ("depth", "stage", "accuracy", "nll", "accuracy_drop"),
    "ensemble": ("nll", "accuracy", "ece"),
    "robustness": ("accuracy", "error", "nll", "ece"),
    "consistency": ("consistency",),
    "attack": ("accuracy", "nll"),
}
"""Variables that every stored result of a kind holds."""

ATTRIBUTES = {"network": dict, "protocol": dict, "provenance": dict, "checks": list}
"""JSON attributes of every result, and what they decode to."""


@dataclass(frozen=True)
class Check:
    """One line of the trust report.

    Attributes:
        name: What was checked.
        passed: Whether it held.
        message: One plain sentence with the numbers; if it failed, also what to do.
    """

    name: str
    passed: bool
    message: str


def stamp(
    dataset: xr.Dataset,
    *,
    kind: str,
    network: dict[str, Any],
    protocol: dict[str, Any],
    provenance: dict[str, Any],
    checks: Sequence[Check] = (),
) -> xr.Dataset:
    """The dataset with its kind and the four JSON attributes, read back by `attribute`."""
    if kind not in KINDS:
        raise ResultError(f"unknown kind of result {kind!r}; known are {', '.join(KINDS)}")
    values = {
        "network": network,
        "protocol": protocol,
        "provenance": provenance,
        "checks": [asdict(check) for check in checks],
    }
    encoded = {name: json.dumps(value, default=plain) for name, value in values.items()}
    return dataset.assign_attrs(landscape_schema=1, kind=kind, **encoded)


def attribute(dataset: xr.Dataset, name: str) -> Any:
    """One of the JSON attributes of a result: `network`, `protocol`, `provenance` or `checks`.

    Raises:
        ResultError: If the dataset does not carry it, or it is damaged.
    """
    if name not in ATTRIBUTES:
        raise ResultError(f"results have the attributes {', '.join(ATTRIBUTES)}, not {name!r}")
    if name not in dataset.attrs:
        raise ResultError(f"this dataset has no {name!r}: it was not written by landscape")
    try:
        value = json.loads(dataset.attrs[name])
    except (TypeError, ValueError) as error:
        raise ResultError(f"the attribute {name!r} of this dataset is not JSON: it is damaged") from error
    if not isinstance(value, ATTRIBUTES[name]):
        raise ResultError(
            f"the attribute {name!r} of this dataset is a {type(value).__name__}: it is damaged"
        )
    return value


def plain(value: Any) -> Any:
    """NumPy scalars and arrays, paths and tuples as what JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


_INCIDENTAL = (
    *("micro_batch", "layout", "attention", "device", "options.directions"),
    *("options.assumed_filters", "options.disputed_filters"),  # names that only one network may have
)


def incidental(entry: str) -> bool:
    """Whether an entry of the protocol may differ without the numbers meaning anything else.

    The micro-batch and the kernel of attention follow from the machine, the network and the analysis; what
    random directions are made of, two networks cannot share.

    Args:
        entry: Its name, nested ones joined by dots, as `differences` gives it.
    """
    return any(entry == each or entry.startswith(f"{each}.") for each in _INCIDENTAL)


def differences(first: dict[str, Any], second: dict[str, Any], prefix: str = "") -> list[str]:
    """Names of the entries in which two protocols differ, nested ones joined by dots."""
    found = []
    for key in sorted(set(first) | set(second)):
        a, b = first.get(key), second.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{key}.")
        elif json.dumps(a, default=plain) != json.dumps(b, default=plain):
            found.append(f"{prefix}{key}")
    return found
