"""Changes that are not those of one factor between two networks: dropout, masks, depth, ensembles, noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import xarray as xr

from landscape.comparison.intervals import Change, over_seeds, paired, unpaired
from landscape.comparison.naming import common_name
from landscape.comparison.pairs import Pair, Results, identity, pairs, record_of
from landscape.comparison.quantities import sharpest
from landscape.results import attribute

Effect = tuple[str, Change]
"""Which networks, and what changed."""

_LOW = 0.3
"""Frequency, in π, under which MC dropout is said to leave feature maps alone (Park & Kim 2022a)."""


def of_dropout(results: Results) -> Iterator[Effect]:
    """Mean largest eigenvalue of a network with MC dropout over that of the same without."""
    groups = _groups(results, "spectrum")
    for names in groups.values():
        record = record_of(results[names[0]])
        plain = {**record, "config": {**record["config"], "dropout": 0.0}}
        others = groups.get(identity(plain), [])
        if record["config"].get("dropout") and others:
            sides = [[sharpest(results[name]["spectrum"])[1] for name in side] for side in (others, names)]
            labels = Pair("MC dropout", tuple(others), tuple(names)).labels
            yield " → ".join(labels), _between(sides[0], sides[1], "mini-batches")


def of_masks(results: Results) -> Iterator[Effect]:
    """Log amplitude over 0.3π at the ends of stages with dropout masks on, over that with them off."""
    for names in _groups(results, "features-off", "features").values():
        rises = [
            _amplitude(results[name]["features"]) - _amplitude(results[name]["features-off"])
            for name in names
        ]
        yield common_name(names), _alone(rises)


def of_few_smoothed(results: Results) -> Iterator[Effect]:
    """NLL of the mean of two predictions with blur, over that of the largest ensemble without."""
    for pair in _blurred(results, "ensemble-n50"):
        first, second = (results[side[0]]["ensemble-n50"] for side in pair)
        many, few = first.isel(size=-1), second.sel(size=2)
        yield f"{pair[0][0]}, {int(many['size'])} → {pair[1][0]}, 2", _apart(many, few, "nll")


def within_stages(name: str) -> Callable[[Results], Iterator[Effect]]:
    """The last block of a stage over its first, mean over stages; networks without smoothing and dropout."""

    def read(results: Results) -> Iterator[Effect]:
        for names in _groups(results, "features").values():
            config = record_of(results[names[0]])["config"]
            if not (config.get("smoothing") or config.get("dropout")):
                yield common_name(names), _alone([_growth(results[each]["features"], name) for each in names])

    return read


def of_frequency(results: Results) -> Iterator[Effect]:
    """Drop of accuracy under noise of the highest frequency over that of the lowest."""
    for names in _groups(results, "noise").values():
        noise = results[names[0]]["noise"]
        yield names[0], _apart(noise.isel(frequency=0), noise.isel(frequency=-1), "accuracy_drop")


def of_smoothed_noise(results: Results) -> Iterator[Effect]:
    """Drop of accuracy with blur over that without, at the highest frequency of noise."""
    for before, after in _blurred(results, "noise"):
        first, second = (results[side[0]]["noise"].isel(frequency=-1) for side in (before, after))
        yield f"{before[0]} → {after[0]}", _apart(first, second, "accuracy_drop")


def of_smoothed_corruption(results: Results) -> Iterator[Effect]:
    """Mean error over corruptions and severities with blur over that without."""
    for before, after in _blurred(results, "robustness"):
        first, second = (results[side[0]]["robustness"] for side in (before, after))
        yield f"{before[0]} → {after[0]}", _apart(first, second, "mean_error")


def _groups(results: Results, *needed: str) -> dict[str, list[str]]:
    """Names of the seeds of each configuration that have these results."""
    groups: dict[str, list[str]] = {}
    for name, kinds in results.items():
        if kinds and all(each in kinds for each in needed) and record_of(kinds).get("config"):
            groups.setdefault(identity(record_of(kinds)), []).append(name)
    return groups


def _blurred(results: Results, kind: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Networks without and with blur, those that have a result of this kind."""
    for pair in pairs({name: kinds for name, kinds in results.items() if kind in kinds}):
        if pair.factor == "blur":
            yield pair.baseline, pair.variant


def _between(before: Sequence[np.ndarray], after: Sequence[np.ndarray], items: str) -> Change:
    """Over seeds, or of single networks over what both were measured on."""
    if min(len(before), len(after)) > 1:
        return over_seeds([float(each.mean()) for each in before], [float(each.mean()) for each in after])
    return paired(before[0], after[0], over=items)


def _alone(changes: Sequence[float]) -> Change:
    """Over seeds, of a change within each network."""
    values = np.asarray(changes, float)
    return paired(np.zeros_like(values), values, over="seeds")


def _apart(first: xr.Dataset, second: xr.Dataset, name: str) -> Change:
    """Of a mean that two results hold beside its standard error over samples."""
    errors = float(first[f"{name}_standard_error"]), float(second[f"{name}_standard_error"])
    count = int(attribute(first, "protocol")["data"]["samples"])
    return unpaired(float(first[name]), float(second[name]), errors, over="samples", count=count)


def _amplitude(dataset: xr.Dataset) -> float:
    """Mean log amplitude over 0.3π of the last map of each stage."""
    frequency = dataset["frequency_pi"].values
    amplitude = np.where(frequency > _LOW, dataset["log_amplitude"].values, np.nan)
    return float(np.mean([np.nanmean(amplitude[layer]) for layer in (rows[-1] for rows in _stages(dataset))]))


def _growth(dataset: xr.Dataset, name: str) -> float:
    """Last block less first block of each stage, mean over stages."""
    values = dataset[name].values
    stages = [rows for rows in _stages(dataset) if len(rows) > 1]
    return float(np.mean([values[rows[-1]] - values[rows[0]] for rows in stages]))


def _stages(dataset: xr.Dataset) -> list[np.ndarray]:
    """Rows of the blocks of each stage."""
    kinds, stages = dataset["kind"].values.astype(str), dataset["stage"].values
    return [np.flatnonzero((kinds == "block") & (stages == stage)) for stage in np.unique(stages[stages > 0])]
