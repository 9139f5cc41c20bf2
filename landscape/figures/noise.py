"""Accuracy under noise of one frequency (Park & Kim 2022a, Fig. 6c; 2022b, Fig. 2b)."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.curves import column, curve, legend, opacity, panels, staggered
from landscape.figures.fourier import frequency_axis
from landscape.figures.inputs import Datasets, named
from landscape.figures.reductions import scalar


def noise(
    datasets: Datasets,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Accuracy and its drop against the frequency of the noise, bands of ± two standard errors.

    A short line at the left edge is the accuracy without noise.

    Args:
        datasets: Results of kind `noise` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    found = named(datasets, "noise")
    chosen = style.looks_for(list(found), looks)
    total = width or style.TWO_COLUMN
    highest = 1.0
    with style.context():
        figure, axes = panels(2, width=total, entries=len(found))
        for axis, variable in zip(axes, ("accuracy", "accuracy_drop"), strict=True):
            for row, (name, dataset) in enumerate(found.items()):
                x = column(dataset, "frequency_pi", "frequency")
                values, error = (
                    column(dataset, key, "frequency", 100) for key in (variable, f"{variable}_standard_error")
                )
                curve(
                    axis,
                    x,
                    values,
                    error,
                    chosen[name],
                    name=name,
                    marks=staggered(x.size, row),
                    band=opacity(len(found)),
                )
                highest = max(highest, 1.02 * x.max(initial=0.0))
        for name, dataset in found.items():
            clean = scalar(dataset, "clean_accuracy")
            if clean is not None:
                axes[0].plot(
                    [0.0, 0.025],
                    [100 * clean] * 2,
                    color=chosen[name].colour,
                    linewidth=1.6,
                    transform=axes[0].get_yaxis_transform(),
                    label="_clean",
                )
        axes[1].axhline(0, color="0.6", linewidth=0.6, zorder=0, label="_zero")
        axes[0].set_ylabel("accuracy (%)")
        axes[1].set_ylabel("accuracy drop (% points)")
        frequency_axis(axes[0], highest)
        for axis in axes[1:] if total < 5 else axes:
            axis.set_xlabel("frequency of the noise (units of π)")
        legend(figure, chosen, total)
    return figure
