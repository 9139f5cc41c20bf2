"""Rank correlation between the links of the chain, across networks."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.registry import VERDICTS, figure
from landscape.numbers import written

_SMALL = 0.05


def caption(dataset: xr.Dataset) -> str:
    """Of the figure."""
    counts = dataset["networks"].values
    most = sorted({int(count) for count in counts[np.isfinite(dataset["correlation"].values)]})
    span = f"{most[0]}" if len(most) == 1 else f"{most[0]} to {most[-1]}"
    seeds = dataset.attrs.get("seeds")
    each = f", each the mean over {seeds} seeds" if seeds else ""
    return (
        f"Spearman's rank correlation between the mean quantities of {span} networks{each}; bold where the "
        "p-value by permutation of the networks is under 0.05, without correction for the number of pairs. "
        "The networks are few and related: a correlation here shows no cause."
    )


@figure(
    kind=VERDICTS, title="Links of the chain", caption=caption, width=lambda found: style.ONE_COLUMN, order=52
)
def correlations(dataset: xr.Dataset, *, width: float) -> Figure:
    """Rank correlations between quantities, across networks.

    Spearman's ρ between quantities, lower triangle; bold where its p-value by permutation is under 0.05.

    Args:
        dataset: Of `landscape.comparison.correlations`.
        width: Width in inches; by default one ICML column.
    """
    dataset = _correlated(dataset)
    names = [str(name) for name in dataset["quantity_a"].values]
    narrow = width < style.NARROW
    figure = Figure(figsize=(width, width * 0.92), layout="constrained")
    axis = figure.subplots()
    scale = Normalize(-1, 1)
    colours = ScalarMappable(scale, "RdBu_r")
    values, below = dataset["correlation"].values, np.tri(len(names), k=-1, dtype=bool)
    shown = np.where(below, values, np.nan)[1:, :-1]
    axis.imshow(shown, cmap=colours.cmap, norm=scale, aspect="auto")
    letters: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6 if narrow else 7}
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            weight = "bold" if dataset["p_value"].values[row + 1, column] < _SMALL else "normal"
            colour = "white" if abs(value) > 0.75 else "black"
            text = _signed(value, 1 if narrow else 2)
            axis.text(column, row, text, **letters, weight=weight, color=colour)
    # Names in two lines need room beside them.
    labels = [textwrap.fill(name, 18 if width / len(names) > 0.4 else 40) for name in names]
    axis.set_xticks(range(len(names) - 1), labels=labels[:-1], rotation=90, fontsize=6)
    axis.set_yticks(range(len(names) - 1), labels=labels[1:], fontsize=6)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    style.colour_bar(figure, colours, "rank correlation ρ", ax=axis, aspect=30, pad=0.02, shrink=0.9)
    return figure


def _correlated(dataset: xr.Dataset) -> xr.Dataset:
    """Without quantities that too few networks have for a correlation with any other."""
    values = dataset["correlation"].values
    kept = np.flatnonzero((np.isfinite(values) & ~np.eye(len(values), dtype=bool)).any(1))
    return dataset.isel(quantity_a=kept, quantity_b=kept)


def _signed(value: float, digits: int) -> str:
    """With a true minus, and no sign before zero."""
    text = written(value, f"+.{digits}f")
    return text if float(f"{value:.{digits}f}") else text[1:]
