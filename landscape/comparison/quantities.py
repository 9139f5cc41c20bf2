"""What networks are compared by: one number for each item that two networks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

Values = tuple[np.ndarray, np.ndarray]
"""Labels of the items, and one value for each."""

ERROR = "standard_error"
"""Label of the only item where a dataset holds a mean and its error: the values are those two."""


@dataclass(frozen=True)
class Quantity:
    """A number that a factor may change.

    Attributes:
        name: What it is, in words.
        kind: Kind of result it is read from.
        unit: Of the number.
        items: What the values are one for each of.
        lower: Verdict if the variant's is lower.
        higher: Verdict if it is higher.
        read: Labels and values from a dataset; None if the dataset does not hold them.
    """

    name: str
    kind: str
    unit: str
    items: str
    lower: str
    higher: str
    read: Callable[[xr.Dataset], Values | None]


def sharpest(dataset: xr.Dataset) -> Values:
    """The largest eigenvalue of each mini-batch of a spectrum."""
    values = dataset["eigenvalue"].max("rank")
    return np.arange(values.size), values.values.astype(float)


def positive(dataset: xr.Dataset) -> Values:
    """One value for each mini-batch whose mean is the APE, and whose spread is that of a ratio estimator.

    Where each mini-batch has one eigenvalue, and it is positive, the values are the eigenvalues themselves.
    """
    values = dataset["eigenvalue"].transpose("batch", "rank").values.astype(float)
    sums, counts = np.where(values > 0, values, 0.0).sum(1), (values > 0).sum(1)
    if not counts.sum():
        return np.arange(len(values)), np.full(len(values), np.nan)
    mean = sums.sum() / counts.sum()
    return np.arange(len(values)), mean + (sums - mean * counts) / counts.mean()


def largest_ensemble(kinds: Mapping[str, xr.Dataset]) -> xr.Dataset | None:
    """Of the results of a network the ensemble of the most predictions; None without one."""
    ensembles = [each for each in kinds.values() if each.attrs.get("kind") == "ensemble"]
    return max(ensembles, key=lambda each: each.sizes["size"], default=None)


def _rise(dataset: xr.Dataset, radius: float = 0.2) -> Values | None:
    """Rise of the NLL along each direction."""
    if radius not in dataset["radius"].values:
        return None
    values = dataset["rise"].sel(radius=radius).values
    return np.arange(len(values)), values


def _curvature(dataset: xr.Dataset) -> Values:
    values = dataset["curvature"].values
    return np.arange(len(values)), values


def _mean(name: str) -> Callable[[xr.Dataset], Values | None]:
    """A mean that stands beside its standard error; for several ensemble sizes, that of one prediction."""

    def read(dataset: xr.Dataset) -> Values | None:
        if name not in dataset:
            return None
        numbers = [dataset[each].values.ravel()[0] for each in (name, f"{name}_standard_error")]
        return np.array([ERROR]), np.array(numbers, float)

    return read


def _sample(name: str) -> Callable[[xr.Dataset], Values]:
    def read(dataset: xr.Dataset) -> Values:
        return dataset["sample"].values, dataset[name].values.astype(float)

    return read


def _stage_ends(name: str) -> Callable[[xr.Dataset], Values | None]:
    """The mean over what enters each next stage, the last map of a stage after its smoothing layer.

    Its standard error is at most the mean of theirs: the maps of one image vary together.
    """

    def read(dataset: xr.Dataset) -> Values | None:
        if name not in dataset:
            return None
        maps, stages = dataset["kind"].values.astype(str) != "subsampling", dataset["stage"].values
        last = [
            np.flatnonzero(maps & (stages == stage))[-1] for stage in np.unique(stages[maps]) if stage > 0
        ]
        means, errors = (dataset[each].values[last] for each in (name, f"{name}_standard_error"))
        return np.array([ERROR]), np.array([means.mean(), errors.mean()], float)

    return read


_FLAT, _ROUGH, _STEADY = ("flatter", "sharper"), ("smoother", "rougher"), ("steadier", "less steady")

QUANTITIES: tuple[Quantity, ...] = (
    Quantity("largest Hessian eigenvalue", "spectrum", "", "mini-batches", *_FLAT, sharpest),
    Quantity("curvature along random directions", "flatness", "nats", "directions", *_FLAT, _curvature),
    Quantity("rise of the NLL at radius 0.2", "flatness", "nats", "directions", *_FLAT, _rise),
    Quantity("NLL", "evaluation", "nats", "samples", "better", "worse", _sample("nll")),
    Quantity("accuracy", "evaluation", "", "samples", "worse", "better", _sample("correct")),
    Quantity("calibration error", "evaluation", "", "samples", "better", "worse", _mean("ece")),
    Quantity("variance of predictions", "ensemble", "", "samples", *_STEADY, _mean("prediction_variance")),
    Quantity("variance of the NLL", "ensemble", "nat²", "passes", *_STEADY, _mean("nll_variance")),
    Quantity("spatial variance", "features", "", "samples", *_ROUGH, _stage_ends("spatial_variance")),
    Quantity("high frequencies", "features", "nats", "samples", *_ROUGH, _stage_ends("high_frequency")),
    Quantity("model variance", "features", "", "samples", *_STEADY, _stage_ends("model_variance")),
)
"""In the order of the chain of reasons read backwards: landscape, predictions, feature maps.

The eigenvalue is that of each mini-batch; feature maps are those at the ends of stages, and their high
frequencies Δ log amplitude at the highest frequency.
"""

APE = Quantity("mean positive eigenvalue (APE)", "spectrum", "", "mini-batches", *_FLAT, positive)
"""Not one of the chain: of one eigenvalue a mini-batch, all positive, it is the largest one again."""
