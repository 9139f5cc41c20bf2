"""What is read from results, each number in one place: for tables, verdicts, correlations and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from landscape.comparison.seeds import members
from landscape.debiasing import debiased
from landscape.results import KINDS, at_centre, attribute
from landscape.results.estimate import Estimate, indexed
from landscape.results.reading import ENDS, ERROR, LOG, RATIO, Read, Reading, per_item, stored
from landscape.results.smoothing import smoothing_ratios

Kinds = Mapping[str, xr.Dataset]
"""Name of the result → dataset, of one network."""


def largest_eigenvalue(spectrum: xr.Dataset) -> Estimate | None:
    """The mean over mini-batches of the largest eigenvalue of each, which are the items.

    Of several seeds (coordinate `seed`) it is the mean of their means, with the error over seeds. None if no
    mini-batch has a finite value.
    """
    values = spectrum["eigenvalue"].transpose("batch", "rank").values.astype(float)
    largest = np.where(np.isfinite(values), values, -np.inf).max(axis=1)
    finite = np.isfinite(largest)
    means = largest[finite]
    if "seed" in spectrum.coords:
        seeds = spectrum["seed"].values[finite].astype(str)
        means = np.array([means[seeds == seed].mean() for seed in dict.fromkeys(seeds)])
    if not means.size:
        return None
    error = float(means.std(ddof=1) / np.sqrt(means.size)) if means.size > 1 else math.nan
    return Estimate(float(means.mean()), error, _numbered(spectrum["eigenvalue"].max("rank").values))


def positive_eigenvalue(spectrum: xr.Dataset) -> Estimate | None:
    """The stored mean of positive eigenvalues (APE), or that of the items, whose spread is the ratio's.

    Where each mini-batch has one eigenvalue, and it is positive, the items are the eigenvalues themselves.
    """
    values = spectrum["eigenvalue"].transpose("batch", "rank").values.astype(float)
    sums, counts = np.where(values > 0, values, 0.0).sum(1), (values > 0).sum(1)
    items = np.full(len(values), np.nan)
    if counts.sum():
        mean = sums.sum() / counts.sum()
        items = mean + (sums - mean * counts) / counts.mean()
    found = stored("ape")(spectrum) or Estimate(float(items.mean()))
    return replace(found, items=_numbered(items))


def top_eigenvalue(eigenvalues: xr.Dataset) -> Estimate | None:
    """The largest of the eigenvalues over all samples; None if none is finite."""
    values = eigenvalues["eigenvalue"].values.astype(float)
    return Estimate(float(np.nanmax(values))) if np.isfinite(values).any() else None


def centre_nll(surface: xr.Dataset) -> Estimate | None:
    """At the trained weights, with its error over samples; None without such a point, or where not finite."""
    point = at_centre(surface)
    if point is None or ("done" in point and not bool(point["done"])) or not np.isfinite(point["nll"]):
        return None
    error = float(point["standard_error"]) if "standard_error" in point else math.nan
    return Estimate(float(point["nll"]), error)


def mean_nll(dataset: xr.Dataset) -> Estimate | None:
    """Of an evaluation, its samples being the items, or of an ensemble of one size."""
    name = "mean_nll" if "mean_nll" in dataset else "nll"
    return per_item("nll", "sample", name)(dataset) if "sample" in dataset.dims else stored(name)(dataset)


def debiased_error(dataset: xr.Dataset) -> Estimate | None:
    """Debiased ECE with its interval, as stored or from the bins of confidence; None without either.

    From the bins, of one network: those of several seeds hold the predictions of all of them.
    """
    found = stored("ece_debiased")(dataset)
    if not all(f"ece_debiased{end}" in dataset for end in ("", "_low", "_high")):
        if "bin_count" not in dataset or members(dataset):
            return None
        bins = (dataset[f"bin_{name}"].values for name in ("count", "confidence", "accuracy"))
        value, low, high = map(float, debiased(*bins))
        found = Estimate(value, low=low, high=high)
    return found if found and math.isfinite(found.value) and found.interval else None


def train_nll(kinds: Kinds) -> Estimate | None:
    """NLL on training images: of an evaluation there, else of the surface at the trained weights."""
    if "evaluation-train" in kinds:
        return mean_nll(kinds["evaluation-train"])
    surface = kinds.get("surface")
    if surface is None or (attribute(surface, "protocol").get("data") or {}).get("split") != "train":
        return None
    return centre_nll(surface)


def largest_ensemble(kinds: Kinds) -> xr.Dataset | None:
    """Of the results of a network the ensemble of the most predictions; None without one."""
    ensembles = [dataset for dataset in kinds.values() if dataset.attrs.get("kind") == "ensemble"]
    return max(ensembles, key=lambda dataset: dataset.sizes["size"], default=None)


def _rise(dataset: xr.Dataset, radius: float = 0.2) -> Estimate | None:
    """Rise of the NLL along each direction."""
    if radius not in dataset["radius"].values:
        return None
    return per_item("rise", "repeat")(dataset.sel(radius=radius))


def _last(name: str, *, blocks: bool = False) -> Read:
    """Of the last layer, or of the last that is neither the stem nor a smoothing layer."""

    def read(dataset: xr.Dataset) -> Estimate | None:
        kept = dataset["kind"].values.astype(str) == "block" if blocks else slice(None)
        values, errors = (
            dataset[each].values.astype(float)[kept] for each in (name, f"{name}_standard_error")
        )
        return Estimate(float(values[-1]), float(errors[-1])) if len(values) else None

    return read


def _stage_ends(name: str) -> Read:
    """The mean over what enters each next stage, the last map of a stage after its smoothing layer.

    Its standard error is at most the mean of theirs: the maps of one image vary together.
    """

    def read(dataset: xr.Dataset) -> Estimate | None:
        if name not in dataset:
            return None
        maps, stages = dataset["kind"].values.astype(str) != "subsampling", dataset["stage"].values
        last = [
            np.flatnonzero(maps & (stages == stage))[-1] for stage in np.unique(stages[maps]) if stage > 0
        ]
        means, errors = (dataset[each].values[last] for each in (name, f"{name}_standard_error"))
        return Estimate(float(means.mean()), float(errors.mean()))

    return read


def _mean_variance(features: xr.Dataset) -> Estimate | None:
    values = features["spatial_variance"].values.astype(float)
    return Estimate(float(values.mean())) if values.size else None


def smoothing_ratio(features: xr.Dataset) -> Estimate | None:
    """Geometric mean, over smoothing layers, of the spatial variance after one over that before it."""
    ratios = smoothing_ratios(features)[1]
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    return Estimate(float(np.exp(np.log(ratios).mean()))) if ratios.size else None


def _numbered(values: np.ndarray):
    return indexed(values, np.arange(len(values)))


Words = dict[str, Any]
"""Verdicts on a lower and on a higher value, and the block of a reading."""

RESCALINGS = ("filter_scale", "relu_rescale", "fold_batchnorm")
"""Changes that move whatever is measured per unit of raw weights."""

_FLATTER: Words = {"lower": "flatter", "higher": "sharper", "block": "landscape"}
_BETTER: Words = {"lower": "better", "higher": "worse", "block": "predictions"}
_WORSE: Words = {"lower": "worse", "higher": "better", "block": "predictions"}
_STEADIER: Words = {"lower": "steadier", "higher": "less steady"}
_SMOOTHER: Words = {"lower": "smoother", "higher": "rougher", "block": "feature maps"}
_SPREAD: Words = _STEADIER | {"block": "spread of predictions"}

_OWN: tuple[Reading, ...] = (
    # The landscape. The compared eigenvalue is that of each mini-batch.
    Reading("mean positive eigenvalue (APE)", "ape", "spectrum", positive_eigenvalue, items="mini-batches",
        tabled=ERROR, heading="APE", meaning="mean of the positive mini-batch eigenvalues"),
    Reading("share of negative eigenvalues (NEP)", "nep", "spectrum", stored("nep"), items="mini-batches",
        tabled=ERROR, percent=True, heading="NEP", meaning="share of negative mini-batch eigenvalues"),
    Reading("largest Hessian eigenvalue", "batch_max_eigenvalue", "spectrum", largest_eigenvalue,
        items="mini-batches", **_FLATTER, moves=RESCALINGS, audited="largest_eigenvalue", tabled=ERROR,
        heading="Batch λ\N{NO-BREAK SPACE}max",
        meaning="mean over mini-batches of the largest Hessian eigenvalue of each"),
    Reading("curvature along random directions", "curvature", "flatness", per_item("curvature", "repeat"),
        unit="nats", items="directions", scale=RATIO, **_FLATTER),
    Reading("rise of the NLL at radius 0.2", "rise", "flatness", _rise,
        unit="nats", items="directions", **_FLATTER),
    Reading("largest eigenvalue over all samples", "largest_eigenvalue", "eigenvalues", top_eigenvalue,
        tabled=(), heading="λ\N{NO-BREAK SPACE}max", meaning="largest Hessian eigenvalue over all samples"),
    Reading("NLL at the centre of the surface", "centre_nll", "surface", centre_nll, unit="nats",
        tabled=(), heading="NLL at centre",
        meaning="NLL of the trained weights on the samples of the surface"),
    # Predictions.
    Reading("NLL", "nll", "evaluation", mean_nll, unit="nats", **_BETTER,
        tabled=ERROR, heading="NLL", meaning="mean negative log-likelihood"),
    Reading("debiased calibration error", "ece_debiased", "evaluation", debiased_error,
        tabled=ENDS, percent=True, heading="ECE debiased",
        meaning="ECE without the part that noise alone gives it, with its 95 % interval; it may come out "
        "below zero where predictions are calibrated"),
    Reading("accuracy", "accuracy", "evaluation", per_item("correct", "sample", "accuracy"), **_WORSE,
        tabled=ERROR, percent=True, heading="Accuracy", meaning="share of samples classified correctly"),
    Reading("calibration error", "ece", "evaluation", stored("ece"), **_BETTER,
        tabled=(), percent=True, heading="ECE", meaning="expected calibration error"),
    Reading("Brier score", "brier", "evaluation", stored("brier"),
        tabled=ERROR, heading="Brier", meaning="mean squared error of the predicted probabilities"),
    Reading("top-5 accuracy", "top5", "evaluation", stored("top5"),
        tabled=(), percent=True, heading="Top\N{NON-BREAKING HYPHEN}5",
        meaning="share of samples whose class is among the five most likely"),
    Reading("variance of predictions", "prediction_variance", "ensemble", stored("prediction_variance"),
        **_SPREAD),
    Reading("variance of the NLL", "nll_variance", "ensemble", stored("nll_variance"), unit="nat²",
        items="passes", scale=RATIO, **_SPREAD),
    # Feature maps. Those compared are at the ends of stages; high frequencies are Δ log amplitude at the
    # highest frequency.
    Reading("spatial variance", "spatial_variance", "features", _stage_ends("spatial_variance"), **_SMOOTHER),
    Reading("high frequencies", "high_frequencies", "features", _stage_ends("high_frequency"),
        unit="log amplitude", scale=LOG, **_SMOOTHER),
    Reading("model variance", "model_variance", "features", _stage_ends("model_variance"),
        **_STEADIER, block="feature maps"),
    Reading("spatial variance of the last layer", "last_spatial_variance", "features",
        _last("spatial_variance"),
        tabled=ERROR, heading="Last variance",
        meaning="spatial variance of the feature maps of the last layer"),
    Reading("mean spatial variance", "mean_spatial_variance", "features", _mean_variance, tabled=()),
    Reading("high frequencies of the last block", "high_frequency", "features",
        _last("high_frequency", blocks=True), unit="log amplitude", scale=LOG, tabled=ERROR,
        heading="High frequency", meaning="Δ log amplitude of the last block at its highest frequency"),
    Reading("smoothing ratio", "smoothing_ratio", "features", smoothing_ratio, tabled=()),
)  # fmt: skip

READINGS = (*_OWN, *(reading for kind in KINDS.values() for reading in kind.readings))
"""Everything that tables, verdicts and correlations read; those compared are in the order of the chain of
reasons read backwards: landscape, predictions, feature maps, then those of the records of further kinds."""

QUANTITIES: tuple[Reading, ...] = tuple(reading for reading in READINGS if reading.compared)
"""Those on which verdicts are given."""

LINKED: tuple[Reading, ...] = tuple(reading for reading in QUANTITIES if reading.block != "sharpness")
"""Those of the chain of reasons and of correlations: measures of sharpness have a figure of their own."""

BY_NAME: dict[str, Reading] = {reading.name: reading for reading in READINGS}
APE = "mean positive eigenvalue (APE)"
"""Not compared: of one eigenvalue a mini-batch, all positive, it is the largest one again."""
