"""Model and data uncertainty of feature maps by depth (Park & Kim 2022a, Fig. 5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.inputs import Datasets, named
from landscape.figures.style.depth import depth_panels, lines

PANELS = {
    "model_deviation": "model uncertainty (std)",
    "spatial_deviation": "data uncertainty (std)",
}
"""Variable of each panel and its label."""


def uncertainty(
    datasets: Datasets,
    *,
    width: float | None = None,
    looks: Mapping[str, style.Look] | None = None,
) -> Figure:
    """Standard deviation over dropout draws, and over the points of a map, by depth; bands of ± two errors.

    A network without several draws has no curve in the panel of the model.

    Args:
        datasets: Results of kind `features` by network name, or a single one.
        width: Width in inches; by default two ICML columns. Panels are stacked in less than five inches.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    features = named(datasets, "features")
    chosen = style.looks_for(list(features), looks)
    total = width or style.TWO_COLUMN
    with style.context():
        figure, axes = depth_panels(features, len(PANELS), looks=chosen, width=total)
        for axis, (variable, label) in zip(axes, PANELS.items(), strict=True):
            lines(axis, features, variable, looks=chosen, error=f"{variable}_standard_error", band=True)
            axis.set_ylabel(label)
            axis.set_ylim(bottom=-0.02 * axis.get_ylim()[1])  # zero, of deterministic networks, is seen
    return figure


def is_uncertain(dataset: xr.Dataset) -> bool:
    """Whether a result of kind `features` tells the uncertainty of the model."""
    return "model_deviation" in dataset and bool(np.isfinite(dataset["model_deviation"].values).any())
