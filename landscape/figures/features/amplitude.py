"""Log amplitude of the maps that leave each stage (Park & Kim 2022a, Fig. 6b and D.2)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.features.fourier import DIAGONAL, RINGS, frequency_axis
from landscape.figures.features.fourier import curve as spectrum
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.curves import (
    NARROW,
    curve,
    label_tiles,
    legend,
    legend_rows,
    opacity,
    staggered,
    tiles,
)


def amplitude(
    datasets: Datasets,
    *,
    width: float | None = None,
    radial: bool = False,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Log amplitude against frequency at the end of each stage, one panel a stage, one curve a network.

    Bands are ± two standard errors over samples, where these are known.

    Args:
        datasets: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns.
        radial: Whether amplitudes are averaged over rings, instead of taken along the diagonal.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    features = named(datasets, "features")
    chosen = style.looks_for(list(features), looks)
    stages = sorted({stage for dataset in features.values() for stage in stage_ends(dataset)})
    total = width or style.TWO_COLUMN
    with style.context():
        extra = 0.3 + 0.14 * legend_rows(len(features), total)
        figure, axes, across = tiles(
            len(stages), width=total, row=1.4 if total < NARROW else 1.75, extra=extra
        )
        highest = 1.0
        for axis, stage in zip(axes, stages, strict=True):
            highest = max(highest, stage_curves(axis, features, stage, looks=chosen, radial=radial))
            axis.set_title(f"end of stage {stage}")
        frequency_axis(axes[0], highest, step=0.5 if total / across < 2 else 0.25)
        label_tiles(axes, across, "frequency (units of π)", "log amplitude")
        legend(figure, chosen, total)
    return figure


def stage_curves(
    axis: Axes,
    features: Mapping[str, xr.Dataset],
    stage: int,
    *,
    looks: Mapping[str, style.Look],
    radial: bool = False,
) -> float:
    """One curve a network that has the stage: log amplitude at its end against frequency, with its band.

    Args:
        axis: Where to draw.
        features: Results of kind `features` by network name.
        stage: Which stage.
        looks: Looks by name.
        radial: Whether amplitudes are averaged over rings.

    Returns:
        The highest frequency, in units of π.
    """
    variable, over = ("radial_log_amplitude", RINGS) if radial else ("log_amplitude", DIAGONAL)
    ends = {name: stage_ends(dataset) for name, dataset in features.items()}
    drawn = {name: dataset for name, dataset in features.items() if stage in ends[name]}
    highest = 0.0
    for row, (name, dataset) in enumerate(drawn.items()):
        x, values = spectrum(dataset, ends[name][stage], variable, over)
        error = spectrum(dataset, ends[name][stage], f"{variable}_standard_error", over)[1]
        curve(
            axis,
            x,
            values,
            error if error.size == x.size else np.full(x.size, np.nan),
            looks[name],
            name=name,
            marks=staggered(x.size, row),
            band=opacity(len(features)),
        )
        highest = max(highest, x.max(initial=0.0))
    return highest


def stage_ends(dataset: xr.Dataset) -> dict[int, int]:
    """Index of the last layer of each stage that does not subsample itself, smoothing layers included.

    The part in front of the first stage is left out, unless there is nothing else.
    """
    stages = dataset["stage"].values.astype(int)
    kept = dataset["kind"].values.astype(str) != "subsampling"
    found = {
        int(stage): int(np.flatnonzero((stages == stage) & kept)[-1]) for stage in np.unique(stages[kept])
    }
    return {stage: layer for stage, layer in found.items() if stage > 0} or found
