"""What every saved result carries: kind, network, protocol, provenance and checks, as JSON attributes."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import DISTRIBUTION, NewerResultError, ResultError, printable
from landscape.results.kinds import KINDS

FORMAT = 2
"""Format of results in files, their ``format_version``; 1, of version 0.1, which names none, is read too."""

ATTRIBUTES = {"network": dict, "protocol": dict, "provenance": dict, "checks": list}
"""JSON attributes of every result, and what they decode to."""

PACKAGES = ("landscape", "torch", "numpy", "scipy", "xarray")

ARITHMETIC = 2
"""Raised when the same run gives other numbers than before: finished items of before are then not its own."""


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
    stamped = dataset.assign_attrs(kind=kind, **encoded)
    return stamped.assign_attrs(condition=condition(stamped))


_NAMES_BEFORE = re.compile(
    "(?:spectrum|flatness)-(test|off)|spectrum-(augmented|batch16|whole|filter)|features-(off)|ensemble-(n[0-9]+)"
)
"""What results of version 0.1 were called that were measured otherwise than usual."""


def condition(dataset: xr.Dataset, name: str = "") -> str:
    """What a result was measured under that others of its kind were not, in one word; empty for the usual.

    It is stored as the attribute `condition`. Version 0.1 did not store it: then it is told by the result's
    name, and by what the result holds: `sequence` is a surface under several dropout masks, `train` an
    evaluation of training images, `equal` frequency noise of equal power in every ring, and `n5` the
    robustness of the mean of five passes.

    Args:
        dataset: The result.
        name: What it is called among the results of its network.
    """
    if "condition" in dataset.attrs:
        return str(dataset.attrs["condition"])
    if named := _NAMES_BEFORE.fullmatch(name):
        return str(named[named.lastindex or 0])
    kind, protocol = dataset.attrs.get("kind"), attribute(dataset, "protocol")
    mode = str(protocol.get("dropout"))
    told = {
        "surface": "sequence" if "mask" in dataset.dims else "",
        "evaluation": "train" if (protocol.get("data") or {}).get("split") == "train" else "",
        "noise": "equal" if str(dataset.attrs.get("equal_power")) == "True" else "",
        "robustness": f"n{mode.partition(':')[2]}" if mode.startswith("ensemble:") else "",
    }
    return told.get(str(kind), "")


def attribute(dataset: xr.Dataset, name: str) -> Any:
    """One of the JSON attributes of a result: `network`, `protocol`, `provenance` or `checks`.

    Raises:
        ResultError: If the dataset does not carry it, or it is damaged.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> protocol = ls.results.attribute(ls.analyses.evaluation(objective), "protocol")
        >>> protocol["batch_norm"], protocol["dropout"], protocol["data"]["samples"]
        ('eval', 'off', 60)
    """
    if name not in ATTRIBUTES:
        raise ResultError(f"results have the attributes {', '.join(ATTRIBUTES)}, not {name!r}")
    if name not in dataset.attrs:
        raise ResultError(f"this dataset has no {name!r}: it was not written by landscape")
    try:
        value = _whole_letters(json.loads(dataset.attrs[name]), dataset.attrs[name])
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultError(f"the attribute {name!r} of this dataset is not JSON: it is damaged") from error
    if not isinstance(value, ATTRIBUTES[name]):
        raise ResultError(
            f"the attribute {name!r} of this dataset is a {type(value).__name__}: it is damaged"
        )
    return value


def _whole_letters(value: Any, text: str) -> Any:
    """The value with U+FFFD for halves of letters (lone surrogates), which no file and no figure can hold."""
    if not re.search(r"\\u[dD][89a-fA-F]", text):
        return value
    halves = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(halves.decode("utf-16", "replace"))


def require_format(attributes: Mapping[str, Any], place: object) -> None:
    """Refuse a result in the format of a newer version.

    Args:
        attributes: Of the result.
        place: Where it is, for the message.

    Raises:
        ResultError: If its ``format_version`` is higher than `FORMAT`, or no number.
    """
    found = attributes.get("format_version", attributes.get("landscape_schema", 1))
    if type(found) is not int and not isinstance(found, np.integer):
        raise ResultError(
            f"{place} is damaged: its format_version is {printable(repr(found), 60)}, no number"
        )
    if found > FORMAT:
        raise NewerResultError(
            f"{place} has format {found} of a newer version of landscape, and this one reads formats up to "
            f"{FORMAT}: install a newer one with `pip install --upgrade landscape`"
        )


def check_records(dataset: xr.Dataset, place: object) -> None:
    """Refuse a result whose attributes are not of the form that everything here relies on.

    Raises:
        ResultError: If one is not; the message names it.
    """
    network, protocol, provenance, checks = (attribute(dataset, name) for name in ATTRIBUTES)
    words = (str, type(None))
    found = {
        "network": all(isinstance(network.get(name), words) for name in _WORDS),
        "protocol": all(isinstance(protocol.get(name) or {}, dict) for name in ("data", "options")),
        "provenance": all(isinstance(provenance.get(name) or {}, dict) for name in ("versions", "imported")),
        "checks": all(isinstance(check, dict) and _is_check(check) for check in checks),
    }
    wrong = [name for name, right in found.items() if not right]
    if wrong:
        raise ResultError(
            f"{place} is damaged: its {wrong[0]!r} is not of the form that results have; copy or measure it "
            "again"
        )


_WORDS = ("name", "path", "sha256", "architecture")


def _is_check(check: Mapping[str, Any]) -> bool:
    kinds = {"name": str, "passed": bool, "message": str}
    return all(isinstance(check.get(name), kind) for name, kind in kinds.items())


def plain(value: Any) -> Any:
    """NumPy scalars and arrays, paths and tuples as what JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return str(value)


_INCIDENTAL = (
    *("micro_batch", "layout", "attention", "device", "origins", "options.directions", "ranks"),
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


def installed_version(package: str) -> str | None:
    """Version of an installed package; None for one that is not (a checkout on the path)."""
    try:
        return version(DISTRIBUTION if package == "landscape" else package)
    except PackageNotFoundError:
        return None


def arithmetic() -> dict[str, Any]:
    """What the numbers of a run depend on beside the run: our arithmetic, and the version of PyTorch."""
    return {"arithmetic": ARITHMETIC, "torch": installed_version("torch")}


def provenance(seconds: float) -> dict[str, Any]:
    """Versions of what computed a result, when, and how long it took.

    Args:
        seconds: Wall-clock time of the computation.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(max(seconds, 0.0), 3),  # clocks can be set back
        "versions": {package: installed_version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
