"""Changes from convolutions to attention, and across the parts of networks that have attention."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import xarray as xr

from landscape.comparison import changes
from landscape.comparison.effects import Effect, Measured, effect, groups_with, has_attention
from landscape.comparison.identity import Results, common_name, record_of, trained
from landscape.comparison.pairs import Pair, comparable, require_alike
from landscape.comparison.readings import BY_NAME
from landscape.comparison.verdicts import change_between
from landscape.results import attribute
from landscape.results.estimate import Estimate, indexed
from landscape.results.reading import LOG, Reading

Step = tuple[int, int]
"""Rows of two layers, the second behind the first."""


def _negative(spectrum: xr.Dataset) -> Estimate | None:
    """The share of negative eigenvalues of each mini-batch, which are the items."""
    values = spectrum["eigenvalue"].transpose("batch", "rank").values.astype(float)
    shares = (values < 0).mean(axis=1)
    return Estimate(float(shares.mean()), items=indexed(shares, np.arange(len(shares))))


def _unread(dataset: xr.Dataset) -> None:
    """Computed here, not read from one result."""


VARIANCE, FREQUENCIES = "spatial variance across a block", "high frequencies across a block"
NEGATIVE = "negative eigenvalues of a mini-batch"
OWN = {
    each.name: each
    for each in (
        Reading(NEGATIVE, "negative_share", "spectrum", _negative, items="mini-batches", percent=True),
        Reading(VARIANCE, "variance_step", "features", _unread, scale=LOG),
        Reading(FREQUENCIES, "high_frequency_step", "features", _unread, scale=LOG),
    )
}
"""Quantities that no verdict is given on."""

_VARIABLES = {VARIANCE: "spatial_variance", FREQUENCIES: "high_frequency"}


def between(quantity: str, *, alternating: bool | None = None) -> Measured:
    """What a quantity is with attention over what it is with convolutions alone, of networks trained alike.

    Args:
        quantity: Name of a reading.
        alternating: Only networks whose stages end with attention, or only transformers; by default both.
    """
    reading = OWN.get(quantity) or BY_NAME[quantity]

    def read(results: Results, mix: bool = False) -> Iterator[Effect]:
        for pair in _pairs(results, reading.kind, alternating):
            sides = _sides(pair, results, reading.kind, mix)
            change = change_between(reading, *sides)
            if change is not None:
                yield " → ".join(pair.labels), change

    return read


def of_high_frequency_noise(results: Results, mix: bool = False) -> Iterator[Effect]:
    """Drop of accuracy under noise of the highest frequency, with attention over that with convolutions."""
    for kind in ("noise", "noise-equal"):
        for pair in _pairs(results, kind):
            highest = (
                [each.isel(frequency=-1) for each in side] for side in _sides(pair, results, kind, mix)
            )
            equal = ", equal power" if kind == "noise-equal" else ""
            yield from effect(f"{' → '.join(pair.labels)}{equal}", "accuracy_drop", *highest)


def across(quantity: str, half: str) -> Measured:
    """What attention, or the MLP, adds to the stream of a transformer, the mean over its blocks.

    Of the feature maps that the norms in front of the halves read (results `features-stream`); attention at
    the ends of stages is measured across its block, as it stands in the place of a block of convolutions.

    Args:
        quantity: `VARIANCE` or `FREQUENCIES`; changes are of logarithms.
        half: `attention` or `mlp`.
    """

    def read(results: Results, mix: bool = False) -> Iterator[Effect]:
        found = [("features-stream", _halves)] + [("features", _last_blocks)] * (half == "attention")
        for kind, steps_of in found:
            for names in groups_with(results, kind):
                datasets = [results[name][kind] for name in names]
                require_alike(kind, names, datasets, mix)
                each = [_mean_step(dataset, quantity, steps_of(dataset, half)) for dataset in datasets]
                if all(math.isfinite(value) for value, _ in each):
                    yield f"{common_name(names)}, {half}", _over(each, datasets)

    return read


def _over(each: Sequence[tuple[float, float]], datasets: Sequence[xr.Dataset]) -> changes.Change:
    """Over seeds, or of a single network over its samples."""
    if len(each) > 1:
        return changes.within([value for value, _ in each])
    (value, error), count = each[0], int(attribute(datasets[0], "protocol")["data"]["samples"])
    return changes.unpaired(0.0, value, (0.0, error), over="samples", count=count)


def _pairs(results: Results, kind: str, alternating: bool | None = None) -> Iterator[Pair]:
    """Plain convolutions as the baseline of every network with attention that was trained by one recipe."""
    every = [(names, record_of(results[names[0]])) for names in groups_with(results, kind)]
    for names, record in every:
        config = record["config"]
        if not has_attention(config) or (
            alternating is not None and bool(config.get("attend")) != alternating
        ):
            continue
        for others, other in every:
            plain = not (has_attention(other["config"]) or other["config"].get("smoothing"))
            if plain and trained(other) == trained(record) != {}:
                pair = comparable(Pair("attention", others, names), results, kind)
                if pair is not None:
                    yield pair


def _sides(pair: Pair, results: Results, kind: str, mix: bool) -> tuple[list[xr.Dataset], list[xr.Dataset]]:
    first, second = ([results[name][kind] for name in side] for side in (pair.baseline, pair.variant))
    require_alike(kind, pair.labels, [*first, *second], mix)
    return first, second


def _halves(dataset: xr.Dataset, half: str) -> list[Step]:
    """From what the norm in front of a half reads to what the next norm reads."""
    names = dataset["layer"].values.astype(str)
    ending = "norm1" if half == "attention" else "norm2"
    return [(place, place + 1) for place, name in enumerate(names[:-1]) if name.endswith(ending)]


def _last_blocks(dataset: xr.Dataset, half: str) -> list[Step]:
    """From the block before to a block of attention, within a stage and between maps of one size."""
    names, kinds = dataset["layer"].values.astype(str), dataset["kind"].values.astype(str)
    inner, mlps = names[kinds == "attention"], names[kinds == "mlp"]
    if not len(inner):
        return []
    stages, heights = dataset["stage"].values, dataset["height"].values
    blocks = np.flatnonzero(kinds == "block")
    found = []
    for before, row in pairwise(blocks):
        holds = [any(name.startswith(f"{names[row]}.") for name in parts) for parts in (inner, mlps)]
        alike = stages[before] == stages[row] and heights[before] == heights[row]
        if holds == [True, False] and alike:
            found.append((int(before), int(row)))
    return found


def _mean_step(dataset: xr.Dataset, quantity: str, steps: Sequence[Step]) -> tuple[float, float]:
    """Mean change of the logarithm over steps, and its standard error, at most the mean of theirs."""
    each = [_step(dataset, _VARIABLES[quantity], *step, logs=quantity == VARIANCE) for step in steps]
    if not each:
        return math.nan, math.nan
    value, error = np.mean(each, axis=0)
    return float(value), float(error)


def _step(dataset: xr.Dataset, name: str, before: int, after: int, *, logs: bool) -> tuple[float, float]:
    """Change of a mean over samples from one layer to another, of its logarithm if asked for.

    Neighbours have a paired error; others are taken as independent, which is too wide.
    """
    first, second = (float(dataset[name].values[row]) for row in (before, after))
    errors = [float(dataset[f"{name}_standard_error"].values[row]) for row in (before, after)]
    own = float(dataset[f"{name}_change_standard_error"].values[after])
    shared = (sum(each**2 for each in errors) - own**2) / 2 if after == before + 1 else 0.0
    scales = (first, second) if logs else (1.0, 1.0)
    if logs and min(scales) <= 0:
        return math.nan, math.nan
    parts = [error / scale for error, scale in zip(errors, scales, strict=True)]
    variance = sum(each**2 for each in parts) - 2 * shared / (scales[0] * scales[1])
    value = math.log(second / first) if logs else second - first
    return value, math.sqrt(max(variance, 0.0))
