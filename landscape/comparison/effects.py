"""Changes that are not those of one factor between two networks: dropout, masks, depth, ensembles, noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape.comparison.changes import Change, within
from landscape.comparison.identity import Results, common_name, groups, identity, record_of
from landscape.comparison.pairs import Pair, comparable, pairs, require_alike
from landscape.comparison.readings import BY_NAME, largest_ensemble
from landscape.comparison.verdicts import change_between
from landscape.results.reading import LOG, Reading, stored

Effect = tuple[str, Change]
"""Which networks, and what changed."""

Measured = Callable[[Results, bool], Iterator[Effect]]
"""Of results, and whether different protocols may be mixed; raises `ResultError` if they are and may not."""

_LOW = 0.3
"""Frequency, in π, under which MC dropout is said to leave feature maps alone (Park & Kim 2022a)."""


def _unread(dataset: xr.Dataset) -> None:
    """Computed here, not read from one result."""


_MORE = "amplitude over 0.3π against under it"

OWN = {
    each.name: each
    for each in (
        Reading("amplitude over 0.3π", "log_amplitude_over", "features", _unread, scale=LOG),
        Reading(_MORE, "log_amplitude_gain", "features", _unread, scale=LOG),
        Reading("drop of accuracy", "accuracy_drop", "noise", stored("accuracy_drop"), percent=True),
        Reading("error", "mean_error", "robustness", stored("mean_error"), percent=True),
    )
}
"""Quantities that no verdict is given on."""


def of_dropout(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Mean largest eigenvalue of a network with MC dropout over that of the same without."""
    eigenvalue = BY_NAME["largest Hessian eigenvalue"]
    every = groups_with(results, "spectrum")
    known = {identity(record_of(results[names[0]])): names for names in every}
    for names in every:
        record = record_of(results[names[0]])
        without = identity({**record, "config": {**record["config"], "dropout": 0.0}})
        pair = comparable(Pair("MC dropout", known.get(without, ()), names), results, "spectrum")
        if record["config"].get("dropout") and pair is not None:
            change = change_between(eigenvalue, *_sides(pair, results, "spectrum", mix))
            if change is not None:
                yield " → ".join(pair.labels), change


def of_masks(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Log amplitude over 0.3π at the ends of stages with dropout masks on, over that with them off."""
    for names, rises in _risen(results, mix):
        yield common_name(names), within([high for high, _ in rises])


def of_high_masks(results: Results, mix: bool = False) -> Iterator[Effect]:
    """That rise over 0.3π less the rise under it."""
    for names, rises in _risen(results, mix):
        yield common_name(names), within([high - low for high, low in rises])


def of_averages(results: Results, factor: str, name: str, mix: bool = False) -> Iterator[Effect]:
    """What a factor changes in the mean prediction of MC dropout, that of the largest ensembles measured.

    Args:
        results: What was measured.
        factor: As in `Pair`.
        name: Variable of the ensembles, such as `nll`.
        mix: Whether ensembles of different protocols may be compared.
    """
    ensembles = {
        network: {"ensemble": found}
        for network, kinds in results.items()
        if (found := largest_ensemble(kinds)) is not None
    }
    sizes = {network: kinds["ensemble"].sizes["size"] for network, kinds in ensembles.items()}
    for pair in pairs(ensembles):
        if pair.factor != factor:
            continue
        size = min(max(sizes[network] for network in side) for side in (pair.baseline, pair.variant))
        fitting = {network: kinds for network, kinds in ensembles.items() if sizes[network] == size}
        chosen = comparable(pair, fitting, "ensemble")
        if chosen is not None:
            sides = _sides(chosen, fitting, "ensemble", mix)
            where = f"{' → '.join(chosen.labels)}, mean of {size} passes"
            yield from effect(where, name, *([each.isel(size=-1) for each in side] for side in sides))


def of_few_smoothed(results: Results, mix: bool = False) -> Iterator[Effect]:
    """NLL of the mean of five predictions with blur, over that of fifty without."""
    for pair, first, second in _blurred(results, "ensemble-n50", mix):
        many, few = [each.sel(size=50) for each in first], [each.sel(size=5) for each in second]
        yield from effect(f"{pair.labels[0]}, 50 → {pair.labels[1]}, 5", "nll", many, few)


def within_stages(name: str) -> Measured:
    """The last block of a stage over its first, mean over stages; networks without smoothing and dropout."""

    def read(results: Results, mix: bool = False) -> Iterator[Effect]:
        for names in groups_with(results, "features"):
            config = record_of(results[names[0]])["config"]
            if config.get("smoothing") or config.get("dropout") or has_attention(config):
                continue
            found = [results[each]["features"] for each in names]
            require_alike("features", names, found, mix)
            growth = [_growth(each, name) for each in found]
            if all(map(math.isfinite, growth)):
                yield common_name(names), within(growth)

    return read


def of_frequency(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Drop of accuracy under noise of the highest frequency over that of the lowest.

    At equal power where that was measured: of the papers' noise, rings of high frequency hold more.
    """
    for names in groups_with(results):
        kinds = results[names[0]]
        if has_attention(record_of(kinds)["config"]):
            continue
        noise = kinds.get("noise-equal", kinds.get("noise"))
        if noise is not None:
            equal = ", equal power" if str(noise.attrs.get("equal_power")) == "True" else ""
            ends = ([noise.isel(frequency=place)] for place in (0, -1))
            yield from effect(f"{names[0]}{equal}", "accuracy_drop", *ends)


def of_smoothed_noise(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Drop of accuracy with blur over that without, at the highest frequency of noise."""
    for pair, *sides in _blurred(results, "noise", mix):
        highest = ([each.isel(frequency=-1) for each in side] for side in sides)
        yield from effect(" → ".join(pair.labels), "accuracy_drop", *highest)


def of_smoothed_corruption(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Mean error over corruptions and severities with blur over that without."""
    for pair, *sides in _blurred(results, "robustness", mix):
        yield from effect(" → ".join(pair.labels), "mean_error", *sides)


def effect(
    where: str, name: str, first: Sequence[xr.Dataset], second: Sequence[xr.Dataset]
) -> Iterator[Effect]:
    """Of a stored mean, over seeds, or of single networks over samples; nothing where it is not known."""
    change = change_between(Reading(name, name, "", stored(name)), first, second)
    if change is not None:
        yield where, change


def has_attention(config: Mapping[str, Any]) -> bool:
    """Whether a network of the zoo has attention somewhere."""
    return bool(config.get("attend")) or config.get("architecture") == "vit"


def groups_with(results: Results, *needed: str) -> list[tuple[str, ...]]:
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
    require_alike(kind, pair.labels, [*first, *second], mix)
    return first, second


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
    for names in groups_with(results, "features-off", "features"):
        sides = [[results[name][kind] for name in names] for kind in ("features", "features-off")]
        for side in sides:
            require_alike("features", names, side, mix)
        amplitudes = ([_amplitudes(each) for each in side] for side in sides)
        yield names, [(on[0] - off[0], on[1] - off[1]) for on, off in zip(*amplitudes, strict=True)]


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
