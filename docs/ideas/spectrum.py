"""The largest Hessian eigenvalue, mini-batch by mini-batch, as the shipped family has it."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.ideas.paper import BLUE, GREEN, GREY, WIDTH, letter

NETWORKS = {"gap": BLUE, "gap-blur": GREEN}
SEEDS = range(3)
SIZES = {"16": "spectrum-batch16", "64": "spectrum", "256": "spectrum-whole"}
"""Images per mini-batch, and the result that has them."""

Results = Mapping[str, Mapping[str, xr.Dataset]]


def picture(family: Results) -> Figure:
    """One dot for each mini-batch, with means and intervals; and the same for other sizes of mini-batches."""
    figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
    strips, sizes = figure.subplots(1, 2, width_ratios=[1.5, 1])
    rows = [(name, seed) for name in NETWORKS for seed in SEEDS]
    for row, (name, seed) in enumerate(rows):
        _strip(strips, family[f"{name}-seed{seed}"]["spectrum"], row, NETWORKS[name])
    strips.set_yticks(range(len(rows)), labels=[f"{name}, seed {seed}" for name, seed in rows])
    strips.invert_yaxis()
    strips.set(xlabel="largest eigenvalue λ of a mini-batch of 64 images", xlim=(0, None))
    _sizes(sizes, family)
    letter([strips, sizes], ["eight mini-batches, three seeds", "other sizes of mini-batches (gap)"])
    return figure


def _strip(axis: Axes, spectrum: xr.Dataset, row: int, colour: str) -> None:
    values = spectrum["eigenvalue"].values.ravel()
    axis.plot(values, [row] * len(values), "o", color=colour, alpha=0.45, markersize=4, markeredgewidth=0)
    mean, low, high = (float(spectrum[name]) for name in ("ape", "ape_low", "ape_high"))
    bars = [[mean - low], [high - mean]]
    axis.errorbar(mean, row, xerr=bars, fmt="D", color="black", markersize=3.5, capsize=2, linewidth=0.8)


def _sizes(axis: Axes, family: Results) -> None:
    for seed in SEEDS:
        means = []
        for place, kind in enumerate(SIZES.values()):
            values = family[f"gap-seed{seed}"][kind]["eigenvalue"].values.ravel()
            shift = place + 0.12 * (seed - 1)
            axis.plot(
                [shift] * len(values), values, "o", color=BLUE, alpha=0.35, markersize=3.5, markeredgewidth=0
            )
            means.append((shift, values.mean()))
        axis.plot(*zip(*means, strict=True), color=GREY, linewidth=0.8, marker="D", markersize=3)
    axis.set_xticks(range(len(SIZES)), labels=[f"{size} images" for size in SIZES])
    axis.set(ylabel="largest eigenvalue λ", ylim=(0, None))
