"""Why directions are scaled to the filters: one function, two sets of weights."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.ideas.paper import BLUE, ORANGE, WIDTH, letter

BEST = np.array([0.8, 0.6])
"""Where the loss is lowest, up to its length."""
DIRECTION = np.array([-0.6, 0.8])
SCALES = {"θ": 1.0, "3θ": 3.0}
REACH = 0.9


def loss(weights: np.ndarray) -> np.ndarray:
    """A loss that depends on the direction of the weights alone, as behind BatchNorm; shape (..., 2)."""
    return 1 - weights @ BEST / np.linalg.norm(weights, axis=-1)


def picture() -> Figure:
    """The loss over two weights, along one raw direction, and along the same one filter-normalised."""
    figure = Figure(figsize=(WIDTH, 2.25), layout="constrained")
    plane, raw, normalised = figure.subplots(1, 3)
    _plane(plane)
    along = np.linspace(-REACH, REACH, 201)
    for (name, scale), colour in zip(SCALES.items(), (BLUE, ORANGE), strict=True):
        centre = scale * BEST
        length = np.linalg.norm(centre) / np.linalg.norm(DIRECTION)
        raw.plot(along, loss(centre + along[:, None] * DIRECTION), color=colour, label=f"around {name}")
        dash = {"linestyle": (0, (4, 3)) if scale > 1 else "-", "linewidth": 2.2 if scale == 1 else 1.2}
        normalised.plot(along, loss(centre + along[:, None] * length * DIRECTION), color=colour, **dash)
    raw.set(xlabel="x, in units of the random numbers", ylabel="loss")
    normalised.set(xlabel="x, in filter norms", ylim=raw.get_ylim())
    raw.legend(loc="upper center")
    letter([plane, raw, normalised], ["one loss, two weights", "raw direction", "filter-normalised"])
    return figure


def _plane(axis: Axes) -> None:
    grid = np.stack(np.meshgrid(np.linspace(-0.6, 3.6, 241), np.linspace(-0.6, 3.6, 241)), axis=-1)
    axis.contourf(
        grid[..., 0], grid[..., 1], loss(grid), levels=2 * np.linspace(0, 1, 17) ** 2, cmap="Greys", alpha=0.7
    )
    for (name, scale), colour in zip(SCALES.items(), (BLUE, ORANGE), strict=True):
        centre = scale * BEST
        for length, dash in ((REACH, "-"), (REACH * scale, (0, (2, 1.5)))):
            ends = centre + np.array([[-1.0], [1.0]]) * length * DIRECTION
            axis.plot(*ends.T, color=colour, linestyle=dash, linewidth=1.4)
        axis.plot(*centre, "o", color=colour, markeredgecolor="white", markersize=5)
        axis.annotate(name, centre, (5, -8), textcoords="offset points", color=colour, weight="bold")
    axis.set(
        xlabel="first weight", ylabel="second weight", xlim=(-0.6, 3.6), ylim=(-0.6, 3.6), aspect="equal"
    )
