"""Accuracy under noise of one frequency (Park & Kim 2022a, Fig. 6; 2022b, Fig. 2b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import over, paired, scalar, values, with_notes
from landscape.figures.features.spectra import frequency_axis, stage_curves
from landscape.figures.registry import Datasets, Looks, figure, named
from landscape.figures.style import curves
from landscape.figures.style.groups import panels

LABEL = "frequency of the noise (units of π)"
VARIABLES = {"accuracy": "accuracy (%)", "accuracy_drop": "accuracy drop (% points)"}
"""What can be drawn of noise, and its label."""
EXAMPLE = 0.55
"""Frequency of the ring whose mask is shown, in units of π."""


def _caption(results: Datasets, *, quantities: Sequence[str] = tuple(VARIABLES)) -> str:
    attrs = [dataset.attrs for dataset in results.values()]
    equal = "Noise of every ring has the same power." if values(attrs, "equal_power") == "True" else ""
    bands = f"ands are ± two standard errors over {over(results)}"
    clean = f"B{bands}; a short line at the left edge is the accuracy without noise."
    if "accuracy_drop" in quantities:
        marked = ", marked at the left edge," if "accuracy" in quantities else ""
        differences = paired(results, ", those of the drop over paired")
        clean = f"The drop is the accuracy without noise{marked} minus that with it; b{bands}{differences}."
    return with_notes(
        f"Accuracy on images plus {values(attrs, 'noise')} noise of standard deviation "
        f"{values(attrs, 'strength')} before it is restricted to a square ring of frequencies, of width "
        f"{values(attrs, 'width_pi')}π around the frequency shown (Park & Kim 2022a, Fig. 6; 2022b, Fig. 2). "
        f"{clean}",
        equal,
    )


@figure(kind="noise", title="Noise by frequency", caption=_caption, order=36)
def noise(
    networks: Datasets, *, quantities: Sequence[str] = tuple(VARIABLES), width: float, looks: Looks
) -> Figure:
    """Accuracy and its drop against the frequency of noise added to the images.

    Bands are ± two standard errors. A short line at the left edge is the accuracy without noise.

    Args:
        networks: Results of kind `noise` by network name, or a single one.
        quantities: `accuracy` and `accuracy_drop`, or one of them; a panel each.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind, or a quantity is unknown.
    """
    if not quantities or not set(quantities) <= set(VARIABLES):
        raise ResultError(
            f"cannot draw {', '.join(quantities) or 'nothing'}; there are {', '.join(VARIABLES)}"
        )
    page = panels(len(quantities), looks, width=width, x=LABEL)
    highest = max(
        noise_curves(axis, group.of(networks), quantity, looks=looks)
        for group in page.groups
        for axis, quantity in zip(group.axes, quantities, strict=True)
    )
    for index, quantity in enumerate(quantities):
        page.label(index, VARIABLES[quantity])
    frequency_axis(page.axes[0], highest)
    return page.figure


def noise_curves(axis: Axes, networks: Datasets, quantity: str, *, looks: Looks) -> float:
    """One curve per network with its band; of the accuracy also a short line at its value without noise.

    Args:
        axis: Where to draw.
        networks: Results of kind `noise` by network name.
        quantity: One of `VARIABLES`.
        looks: Looks by name.

    Returns:
        The right end of the axis, just beyond the highest frequency, in units of π.
    """
    drawn = {
        name: (
            curves.column(dataset, "frequency_pi", "frequency"),
            *curves.measured(dataset, quantity, "frequency", 100),
        )
        for name, dataset in networks.items()
    }
    curves.of_networks(axis, drawn, looks, count=len(networks))
    if quantity == "accuracy":
        _clean(axis, networks, looks)
    else:
        axis.axhline(0, color="0.6", linewidth=0.6, zorder=0, label="_zero")
    return max(1.0, *(1.02 * x.max(initial=0.0) for x, _, _ in drawn.values()))


def _clean(axis: Axes, networks: Datasets, looks: Looks) -> None:
    """A short line at the left edge for the accuracy without noise."""
    edge: dict[str, Any] = {"linewidth": 1.6, "transform": axis.get_yaxis_transform(), "label": "_clean"}
    for name, dataset in networks.items():
        clean = scalar(dataset, "clean_accuracy")
        if clean is not None:
            axis.plot([0.0, 0.025], [100 * clean] * 2, color=looks[name].colour, **edge)


def frequencies(
    features: xr.Dataset | Datasets | None,
    noises: xr.Dataset | Datasets | None,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Mask of one ring; log amplitude at the end of stage 1; accuracy against the frequency of the noise.

    Args:
        features: Results of kind `features` by network name; None leaves their panel out.
        noises: Results of kind `noise` by network name; None leaves their panel out, and the mask.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If there is neither, or a result is of another kind.
    """
    spectra = named(features, "features") if features else {}
    drops = named(noises, "noise") if noises else {}
    if not spectra and not drops:
        raise ResultError("nothing to draw: expected results of kind 'features' or 'noise', received none")
    chosen = style.looks_for(spectra | drops, looks)
    total = width or style.TWO_COLUMN
    with style.context():
        figure, axes = _unequal_panels(bool(spectra) + 2 * bool(drops), total, len(chosen), mask=bool(drops))
        if drops:
            widths = {float(dataset.attrs.get("width_pi", 0.1)) for dataset in drops.values()}
            draw_mask(axes.pop(0), max(widths))
        if spectra:
            axis = axes.pop(0)
            frequency_axis(axis, max(1.0, stage_curves(axis, spectra, 1, looks=chosen)))
            axis.set(xlabel="frequency (units of π)", ylabel="log amplitude", title="end of stage 1")
        if drops:
            axis = axes.pop(0)
            frequency_axis(axis, noise_curves(axis, drops, "accuracy", looks=chosen))
            axis.set(xlabel=LABEL, ylabel=VARIABLES["accuracy"], title="noise of one frequency")
        curves.legend(figure, chosen, total)
    return figure


def draw_mask(axis: Axes, width: float, centre: float = EXAMPLE) -> None:
    """The square ring of frequencies that noise is restricted to, white on black.

    Args:
        axis: Where to draw.
        width: Of the ring, in units of π.
        centre: Its frequency, in units of π.
    """
    axis.set_facecolor("black")
    for half, colour in ((centre + width / 2, "white"), (centre - width / 2, "black")):
        axis.add_patch(Rectangle((-half, -half), 2 * half, 2 * half, color=colour, linewidth=0))
    ticks = np.array([-1, 0, 1])
    axis.set(xlim=(-1, 1), ylim=(-1, 1), xticks=ticks, yticks=ticks, title=f"mask at {centre:g}π")
    axis.set(xlabel="frequency (units of π)", ylabel="frequency (units of π)")
    axis.set_box_aspect(1)


def _unequal_panels(count: int, width: float, entries: int, *, mask: bool) -> tuple[Figure, list[Axes]]:
    """Panels of their own axes, stacked if narrow; side by side, the mask is narrower."""
    stacked = width < style.NARROW
    height = (1.9 * count if stacked else 1.9) + 0.15 + 0.14 * curves.legend_rows(entries, width)
    figure = Figure(figsize=(width, height), layout="constrained")
    if stacked:
        return figure, style.grid(figure, count, 1)
    ratios = [0.75 if mask and not index else 1.0 for index in range(count)]
    return figure, style.grid(figure, count, count, width_ratios=ratios)
