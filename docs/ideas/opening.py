"""The picture that opens the README: three loss surfaces, and what may be said of their difference.

All of it comes from the measured results that ship: the surfaces are those of seed 0, the changes beneath
them are over three seeds, with the corrected verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.ideas.paper import BLUE, GREY, WIDTH
from landscape.comparison import Verdict, verdicts
from landscape.comparison.conditional import alike, usual
from landscape.comparison.identity import record_of
from landscape.comparison.verdicts import SAME

NETWORKS = {"mlp": "MLP head", "gap": "global average pooling", "gap-blur": "global average pooling + blur"}
FACTORS = ("global average pooling", "blur")
QUANTITIES = {
    "spatial variance": "feature maps: variance",
    "largest Hessian eigenvalue": "landscape: largest eigenvalue",
    "rise of the NLL at radius 0.2": "landscape: rise of the loss",
    "NLL": "predictions: test NLL",
    "accuracy": "predictions: accuracy",
}

Results = Mapping[str, Mapping[str, xr.Dataset]]


def changes(family: Results) -> dict[tuple[str, str], Verdict]:
    """Verdicts by factor and quantity, of the networks without MC dropout, over their seeds."""
    plain = {name: kinds for name, kinds in alike(family).items() if not record_of(kinds).get("surgery")}
    found = {}
    for each in verdicts(usual(plain)):
        if not any(name.startswith("mcd") for name in each.pair.variant):
            found[each.pair.factor, each.quantity.name] = each
    return found


def picture(family: Results) -> Figure:
    """Three surfaces on one scale; beneath them, the change from each to the next with its verdict."""
    figure = Figure(figsize=(WIDTH, 3.95), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.42, 1])
    _planes(top, {name: family[f"{name}-seed0"]["surface"] for name in NETWORKS})
    found = changes(family)
    reach = max(abs(100 * end) for each in _shown(found) for end in each) * 1.05
    for axis, factor in zip(bottom.subplots(1, 2, sharey=True), FACTORS, strict=True):
        _verdicts(axis, [found[factor, name] for name in QUANTITIES], reach)
        axis.set_title(
            f"{'adding blur' if factor == 'blur' else 'from the MLP head to pooling'}: change in %"
        )
    return figure


def _planes(figure: Figure, stored: Mapping[str, xr.Dataset]) -> None:
    axes = figure.subplots(1, 3, sharey=True)
    values = [stored[name]["nll"].values for name in NETWORKS]
    levels = np.geomspace(min(map(np.min, values)), max(map(np.max, values)), 15)
    for axis, nll, (name, title) in zip(axes, values, NETWORKS.items(), strict=True):
        x, y = stored[name]["x"], stored[name]["y"]
        shown = axis.contourf(x, y, nll, levels=levels, cmap="viridis", norm=matplotlib.colors.LogNorm())
        axis.contour(x, y, nll, levels=levels, colors="black", linewidths=0.3)
        axis.plot(0, 0, "+", color="white", markersize=7)
        axis.set(
            title=title, aspect="equal", xlabel="filter norms", xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5]
        )
    bar = figure.colorbar(shown, ax=axes, aspect=22, pad=0.02)
    ticks = levels[::3]
    bar.set_ticks(ticks, labels=[f"{tick:.2g}" for tick in ticks])
    bar.minorticks_off()
    bar.set_label("training NLL")


def _shown(found: Mapping[tuple[str, str], Verdict]) -> list[tuple[float, float]]:
    chosen = [found[factor, name].change for factor in FACTORS for name in QUANTITIES]
    return [(each.low / abs(each.baseline), each.high / abs(each.baseline)) for each in chosen]


def _verdicts(axis: Axes, shown: list[Verdict], reach: float) -> None:
    axis.axvline(0, color=GREY, linewidth=0.6)
    for row, each in enumerate(shown):
        change, size = each.change, 100 / abs(each.change.baseline)
        open_ = each.verdict == SAME
        bars = [[(change.value - change.low) * size], [(change.high - change.value) * size]]
        look = {"color": GREY if open_ else BLUE, "markerfacecolor": "white" if open_ else BLUE}
        axis.errorbar(change.value * size, row, xerr=bars, fmt="o", markersize=4, linewidth=1.1, **look)
        word = "not significant" if open_ else each.verdict
        axis.annotate(word, (1.02, row), xycoords=("axes fraction", "data"), va="center", color=look["color"])
    axis.set_yticks(range(len(shown)), labels=[QUANTITIES[each.quantity.name] for each in shown])
    axis.set(xlim=(-reach, reach), ylim=(len(shown) - 0.5, -0.5))
