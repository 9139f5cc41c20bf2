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
from landscape.numbers import plain_number


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


@figure(kind="flatness", title="Rise of the loss", caption=_caption, width=style.by_count, order=13)
def flatness(networks: Datasets, *, width: float, log: bool | None = None, looks: Looks) -> Figure:
    """Rise of the loss along random directions against the radius, one line per network.

    Rise of the NLL by radius: a thin line per direction, their mean with its interval, side by side.

    Args:
        networks: Results of kind `flatness` by network name, or a single one.
        width: Width in inches; by default one ICML column for one network, two for several.
        log: Force a logarithmic or linear axis; by default it follows from the range.
        looks: Looks by name, to keep colours the same across figures; by default by order.

    Raises:
        ResultError: If a result is of another kind.
    """
    figure, (axis,) = curves.panels(1, width=width, entries=len(networks), height=2.1)
    radii = np.unique(np.concatenate([dataset["radius"].values for dataset in networks.values()]))
    thin: dict[str, Any] = {"linewidth": 0.35, "alpha": 0.5}
    for row, (name, dataset) in enumerate(networks.items()):
        place = np.searchsorted(radii, dataset["radius"].values) + 0.5 * ((row + 0.5) / len(networks) - 0.5)
        directions = dataset["rise"].transpose("radius", "repeat").values.astype(float)
        axis.plot(place, directions, color=looks[name].colour, **thin, label="_direction")
        mean = curves.column(dataset, "rise_mean", "radius")
        ends = dataset["rise_interval"].transpose("quantile", "radius").values.astype(float)
        curves.with_bars(axis, place, mean, np.abs(ends - mean), looks[name], label=name, zorder=3)
    taken = curves.logarithmic(axis, [dataset["rise"].values for dataset in networks.values()], log)
    axis.set_ylabel("rise of the NLL (nats" + (", log)" if taken else ")"))
    units = dict.fromkeys(str(d["radius"].attrs.get("units", "filter norms")) for d in networks.values())
    axis.set(xlabel=f"radius ({' / '.join(units)})", xlim=(-0.5, len(radii) - 0.5))
    axis.set_xticks(range(len(radii)), labels=[plain_number(radius) for radius in radii])
    curves.legend(figure, looks, width)
    return figure
