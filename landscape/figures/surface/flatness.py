"""Rise of the loss along random directions through the weights (Li et al. 2018, section 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.captions import joined, over, sizes
from landscape.figures.registry import Datasets, Looks, figure
from landscape.figures.style import curves
from landscape.figures.style.reductions import option
from landscape.figures.surface.words import NORMS


def _caption(results: Datasets) -> str:
    norms = dict.fromkeys(str(option(dataset, "norm")) for dataset in results.values())
    how = "; ".join(NORMS.get(norm, "their normalisation is not recorded") for norm in norms)
    broken = [
        f"{int(dataset['not_finite'][-1])} of {dataset.sizes['repeat']} in {name}"
        for name, dataset in results.items()
        if "not_finite" in dataset and dataset["not_finite"][-1]
    ]
    return joined(
        f"Rise of the NLL from θ to θ ± r·d, mean of both signs, along {sizes(results, 'repeat')} random "
        f"directions d: {how}. Thin lines are single directions, thick ones their mean, bars 95 % intervals "
        f"of the mean over {over(results, 'directions')}.",
        f"Not finite at the largest radius: {', '.join(broken)}; their mean is not drawn." if broken else "",
    )


@figure(
    kind="flatness",
    title="Rise of the loss",
    description="Rise of the loss along random directions against the radius, one line per network",
    caption=_caption,
    width=style.by_count,
    order=13,
)
def flatness(networks: Datasets, *, width: float, log: bool | None = None, looks: Looks) -> Figure:
    """Rise of the NLL against the radius: a thin line per direction, their mean with its interval.

    Args:
        networks: Results of kind `flatness` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force a logarithmic or linear axis; by default it follows from the range of the means.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    figure, (axis,) = curves.panels(1, width=width, entries=len(networks), height=2.1)
    means = {name: curves.column(dataset, "rise_mean", "radius") for name, dataset in networks.items()}
    thin: dict[str, Any] = {"linewidth": 0.35, "alpha": 2 * curves.opacity(len(networks))}
    for name, dataset in networks.items():
        look, radius = looks[name], dataset["radius"].values.astype(float)
        directions = dataset["rise"].transpose("radius", "repeat").values.astype(float)
        axis.plot(radius, directions, color=look.colour, **thin, label="_direction")
        ends = dataset["rise_interval"].transpose("quantile", "radius").values.astype(float)
        curves.with_bars(axis, radius, means[name], np.abs(ends - means[name]), look, label=name, zorder=3)
    taken = curves.logarithmic(axis, means.values(), log)
    axis.set_ylabel("rise of the NLL" + (" (log)" if taken else ""))
    units = dict.fromkeys(str(d["radius"].attrs.get("units", "filter norms")) for d in networks.values())
    radii = np.unique(np.concatenate([dataset["radius"].values for dataset in networks.values()]))
    axis.set(xlabel=f"radius ({' / '.join(units)})", xlim=(0, None), xticks=radii)
    curves.legend(figure, looks, width)
    return figure
