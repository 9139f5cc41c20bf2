"""Changes that are not those of one factor between two networks: dropout, masks, depth, ensembles, noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import xarray as xr

from landscape.comparison.conditions import require_alike
from landscape.comparison.identity import Results, groups, identity, record_of
from landscape.comparison.intervals import Change, over_seeds, paired, unpaired
from landscape.comparison.naming import common_name
from landscape.comparison.pairs import Pair, comparable, pairs
from landscape.comparison.quantities import largest_ensemble, sharpest
from landscape.results import attribute

Effect = tuple[str, Change]
"""Which networks, and what changed."""

Measured = Callable[[Results, bool], Iterator[Effect]]
"""Of results, and whether different protocols may be mixed; raises `ResultError` if they are and may not."""

_LOW = 0.3
"""Frequency, in π, under which MC dropout is said to leave feature maps alone (Park & Kim 2022a)."""


def of_dropout(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Mean largest eigenvalue of a network with MC dropout over that of the same without."""
    kind = "spectrum"
    every = _groups(results, kind)
    known = {identity(record_of(results[names[0]])): names for names in every}
    for names in every:
        record = record_of(results[names[0]])
        plain = {**record, "config": {**record["config"], "dropout": 0.0}}
        others = known.get(identity(plain), ())
        pair = comparable(Pair("MC dropout", others, names), results, kind)
        if not record["config"].get("dropout") or pair is None:
            continue
        sides = _sides(pair, results, kind, mix)
        values = [[sharpest(each)[1] for each in side] for side in sides]
        means = [[float(each.mean()) for each in side] for side in values]
        if min(map(len, means)) > 1:
            yield " → ".join(pair.labels), over_seeds(*means)
        elif len(values[0][0]) == len(values[1][0]):
            yield " → ".join(pair.labels), paired(values[0][0], values[1][0], over="mini-batches")


def of_masks(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Log amplitude over 0.3π at the ends of stages with dropout masks on, over that with them off."""
    for names, rises in _risen(results, mix):
        yield common_name(names), _alone([high for high, _ in rises])


def of_high_masks(results: Results, mix: bool = False) -> Iterator[Effect]:
    """That rise over 0.3π less the rise under it."""
    for names, rises in _risen(results, mix):
        yield common_name(names), _alone([high - low for high, low in rises])


def of_averages(results: Results, factor: str, name: str, mix: bool = False) -> Iterator[Effect]:
    """What a factor changes in the mean prediction of MC dropout, that of the largest ensembles measured.

    Args:
        results: What was measured.
        factor: As in `Pair`.
        name: Variable of the ensembles, such as `nll`.
        mix: Whether ensembles of different protocols may be compared.
    """
    largest = {name: largest_ensemble(kinds) for name, kinds in results.items()}
    ensembles = {name: {"ensemble": each} for name, each in largest.items() if each is not None}
    for pair in pairs(ensembles):
        if pair.factor != factor:
            continue
        sizes = {name: ensembles[name]["ensemble"].sizes["size"] for name in (*pair.baseline, *pair.variant)}
        size = min(max(sizes[name] for name in side) for side in (pair.baseline, pair.variant))
        fitting = {name: each for name, each in ensembles.items() if sizes.get(name) == size}
        chosen = comparable(pair, fitting, "ensemble")
        if chosen is not None:
            first, second = (
                [each.isel(size=-1) for each in side] for side in _sides(chosen, fitting, "ensemble", mix)
            )
            where = f"{' → '.join(chosen.labels)}, mean of {size} passes"
            yield where, _between(first, second, name)


def of_few_smoothed(results: Results, mix: bool = False) -> Iterator[Effect]:
    """NLL of the mean of five predictions with blur, over that of fifty without."""
    for pair, first, second in _blurred(results, "ensemble-n50", mix):
        many, few = [each.sel(size=50) for each in first], [each.sel(size=5) for each in second]
        yield f"{pair.labels[0]}, 50 → {pair.labels[1]}, 5", _between(many, few, "nll")


def within_stages(name: str) -> Measured:
    """The last block of a stage over its first, mean over stages; networks without smoothing and dropout."""

    def read(results: Results, mix: bool = False) -> Iterator[Effect]:
        for names in _groups(results, "features"):
            config = record_of(results[names[0]])["config"]
            if config.get("smoothing") or config.get("dropout"):
                continue
            found = [results[each]["features"] for each in names]
            _require("features", names, found, mix)
            growth = [_growth(each, name) for each in found]
            if all(map(math.isfinite, growth)):
                yield common_name(names), _alone(growth)

    return read


def of_frequency(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Drop of accuracy under noise of the highest frequency over that of the lowest.

    At equal power where that was measured: of the papers' noise, rings of high frequency hold more.
    """
    for names in _groups(results):
        kinds = results[names[0]]
        noise = kinds.get("noise-equal", kinds.get("noise"))
        if noise is not None:
            equal = ", equal power" if str(noise.attrs.get("equal_power")) == "True" else ""
            drop = _apart(noise.isel(frequency=0), noise.isel(frequency=-1), "accuracy_drop")
            yield f"{names[0]}{equal}", drop


def of_smoothed_noise(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Drop of accuracy with blur over that without, at the highest frequency of noise."""
    for pair, *sides in _blurred(results, "noise", mix):
        first, second = ([each.isel(frequency=-1) for each in side] for side in sides)
        yield " → ".join(pair.labels), _between(first, second, "accuracy_drop")


def of_smoothed_corruption(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Mean error over corruptions and severities with blur over that without."""
    for pair, first, second in _blurred(results, "robustness", mix):
        yield " → ".join(pair.labels), _between(first, second, "mean_error")


def _groups(results: Results, *needed: str) -> list[tuple[str, ...]]:
    """Names of the seeds of each configuration that have these results."""
    return groups(
        {
            name: kinds
            for name, kinds in results.items()
            if kinds and all(each in kinds for each in needed) and record_of(kinds).get("config")
        }
    )


def _sides(pair: Pair, results: Results, kind: str, mix: bool) -> tuple[list[xr.Dataset], list[xr.Dataset]]:
    """The results of baseline and variant."""
    first, second = ([results[name][kind] for name in side] for side in (pair.baseline, pair.variant))
    _require(kind, pair.labels, [*first, *second], mix)
    return first, second


def _require(kind: str, labels: Sequence[str], datasets: Sequence[xr.Dataset], mix: bool) -> None:
    if not mix:
        require_alike(kind, labels, datasets)


def _blurred(
    results: Results, kind: str, mix: bool
) -> Iterator[tuple[Pair, list[xr.Dataset], list[xr.Dataset]]]:
    """Networks without and with blur, those that have a result of this kind, and the results."""
    for pair in pairs({name: kinds for name, kinds in results.items() if kind in kinds}):
        chosen = comparable(pair, results, kind) if pair.factor == "blur" else None
        if chosen is not None:
            yield chosen, *_sides(chosen, results, kind, mix)


def _risen(results: Results, mix: bool) -> Iterator[tuple[tuple[str, ...], list[tuple[float, float]]]]:
    """By how much masks raise the log amplitude over 0.3π and under it, of each seed."""
    for names in _groups(results, "features-off", "features"):
        sides = [[results[name][kind] for name in names] for kind in ("features", "features-off")]
        for side in sides:
            _require("features", names, side, mix)
        yield (
            names,
            [
                (on[0] - off[0], on[1] - off[1])
                for on, off in zip(*([_amplitudes(each) for each in side] for side in sides), strict=True)
            ],
        )


def _alone(changes: Sequence[float]) -> Change:
    """Over seeds, of a change within each network."""
    values = np.asarray(changes, float)
    return paired(np.zeros_like(values), values, over="seeds")


def _between(first: Sequence[xr.Dataset], second: Sequence[xr.Dataset], name: str) -> Change:
    """Of a mean, over seeds, or of single networks over samples."""
    if min(len(first), len(second)) > 1:
        return over_seeds(*([float(each[name]) for each in side] for side in (first, second)))
    return _apart(first[0], second[0], name)


def _apart(first: xr.Dataset, second: xr.Dataset, name: str) -> Change:
    """Of a mean that two results hold beside its standard error over samples."""
    errors = float(first[f"{name}_standard_error"]), float(second[f"{name}_standard_error"])
    count = int(attribute(first, "protocol")["data"]["samples"])
    return unpaired(float(first[name]), float(second[name]), errors, over="samples", count=count)


def _amplitudes(dataset: xr.Dataset) -> tuple[float, float]:
    """Mean log amplitude over 0.3π, and under it, of the last map of each stage."""
    frequency, amplitude = dataset["frequency_pi"].values, dataset["log_amplitude"].values
    ends = [rows[-1] for rows in _stages(dataset)]
    parts = (np.where(wanted, amplitude, np.nan) for wanted in (frequency > _LOW, frequency <= _LOW))
    high, low = (float(np.mean([np.nanmean(part[layer]) for layer in ends])) for part in parts)
    return high, low


def _growth(dataset: xr.Dataset, name: str) -> float:
    """Last block less first block of each stage, mean over stages; NaN without a stage of two blocks."""
    values = dataset[name].values
    stages = [rows for rows in _stages(dataset) if len(rows) > 1]
    return float(np.mean([values[rows[-1]] - values[rows[0]] for rows in stages])) if stages else math.nan


def _stages(dataset: xr.Dataset) -> list[np.ndarray]:
    """Rows of the blocks of each stage."""
    kinds, stages = dataset["kind"].values.astype(str), dataset["stage"].values
    return [np.flatnonzero((kinds == "block") & (stages == stage)) for stage in np.unique(stages[stages > 0])]
