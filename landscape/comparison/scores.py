"""The numbers of a network that tables hold: likelihood, accuracy and calibration, each with its error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr

from landscape.comparison.seeds import members
from landscape.debiasing import debiased
from landscape.results import at_centre, attribute

Kinds = Mapping[str, xr.Dataset]
"""Name of the result → dataset, of one network."""


@dataclass(frozen=True)
class Number:
    """A number of a table.

    Attributes:
        value: As it is printed, shares in per cent.
        error: Its standard error in the same unit; None if it is not known.
        ends: Of its 95 % interval, where that is not ± two standard errors.
    """

    value: float
    error: float | None = None
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class Scores:
    """How well a network predicts.

    Attributes:
        averaged: How many predictions were averaged.
        nll: In nats.
        accuracy: In per cent.
        ece: In per cent.
        debiased: The same without the part that noise alone gives it; None if that is not known.
        samples: How many, and of what; empty if that is not recorded.
        over: What the standard errors are over, such as `samples` or `3 seeds`.
    """

    averaged: int
    nll: Number
    accuracy: Number
    ece: Number
    debiased: Number | None
    samples: str
    over: str


def scores(kinds: Kinds) -> Scores | None:
    """Of the largest ensemble there is, else of the evaluation; None without either."""
    if "ensemble" in kinds:
        dataset = kinds["ensemble"].isel(size=-1)
        averaged, names = int(dataset["size"]), ("nll", "accuracy", "ece")
    elif "evaluation" in kinds:
        dataset = kinds["evaluation"]
        mode = str(attribute(dataset, "protocol").get("dropout"))
        averaged = int(mode.partition(":")[2] or 1)
        names = ("mean_nll", "accuracy", "ece")
    else:
        return None
    nll, accuracy, ece = (
        number(dataset, name, factor) for name, factor in zip(names, (1, 100, 100), strict=True)
    )
    seeds = members(dataset)
    over = f"{len(seeds)} seeds" if seeds else "samples"
    value, low, high = debiased_ece(dataset)
    debiased = None
    if value is not None and low is not None and high is not None:
        debiased = Number(100 * value, ends=(100 * low, 100 * high))
    return Scores(averaged, nll, accuracy, ece, debiased, _samples(dataset), over)


def debiased_ece(dataset: xr.Dataset) -> tuple[float, float, float] | tuple[None, None, None]:
    """Debiased ECE and the ends of its interval, as stored or from the bins of confidence; else None.

    From the bins, of one network: those of several seeds hold the predictions of all of them.
    """
    names = [f"ece_debiased{end}" for end in ("", "_low", "_high")]
    if all(name in dataset for name in names):
        found = [float(dataset[name]) for name in names]
    elif "bin_count" in dataset and not members(dataset):
        binned = debiased(*(dataset[f"bin_{name}"].values for name in ("count", "confidence", "accuracy")))
        found = list(map(float, binned))
    else:
        return None, None, None
    return (found[0], found[1], found[2]) if all(map(math.isfinite, found)) else (None, None, None)


def train_nll(kinds: Kinds) -> Number | None:
    """NLL on training images: of an evaluation there, else of the surface at the trained weights."""
    if "evaluation-train" in kinds:
        return number(kinds["evaluation-train"], "mean_nll")
    surface = kinds.get("surface")
    if surface is None or (attribute(surface, "protocol").get("data") or {}).get("split") != "train":
        return None
    centre = at_centre(surface)
    if centre is None:
        return None
    error = float(centre["standard_error"]) if "standard_error" in centre else math.nan
    return Number(float(centre["nll"]), error if math.isfinite(error) else None)


def number(dataset: xr.Dataset, name: str, factor: float = 1.0) -> Number:
    """A stored number times a factor, with its standard error where one is known."""
    error = float(dataset.get(f"{name}_standard_error", math.nan))
    return Number(factor * float(dataset[name]), factor * error if math.isfinite(error) else None)


def _samples(dataset: xr.Dataset) -> str:
    data = attribute(dataset, "protocol").get("data") or {}
    if not data.get("samples"):
        return ""
    return " ".join(f"{data['samples']:,} {data.get('split') or ''} samples of {data.get('source')}".split())
