"""What of a plane cannot be filled: cells that are not finite, hatched, and not computed, dotted round."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from landscape.figures.surface.grids import Cells

NOT_FINITE = "not finite"
NOT_DONE = "not computed"


def mark_open(axis: Axes, grid: Cells, whole: Cells) -> None:
    """Hatch and outline the cells that contours leave open, beneath them.

    A contour plot stops at the last finite neighbour, so the hatching reaches that far; the outline goes
    round the cells themselves, on white.

    Args:
        axis: Where the plane is drawn.
        grid: The grid that is drawn.
        whole: The whole grid; what the other does not reach of it is not computed either.
    """
    broken, undone = grid.done & ~np.isfinite(grid.values), ~grid.done
    if broken.any():
        patch = PathPatch(
            _rectangles(grid, broken, reach=1.0),
            facecolor="white",
            edgecolor="0.55",
            hatch="///////",
            linewidth=0,
            zorder=0.5,
            label=NOT_FINITE,
        )
        axis.add_patch(patch)
    if undone.any():
        axis.add_patch(PathPatch(_rectangles(grid, undone), facecolor="white", linewidth=0, zorder=0.6))
    segments = list(borders(grid, undone))
    if np.ptp(grid.x) < np.ptp(whole.x) or np.ptp(grid.y) < np.ptp(whole.y):
        segments += list(_frame(grid))
    if segments:
        axis.add_collection(
            LineCollection(
                segments,
                colors="0.25",
                linewidths=0.7,
                linestyles=[(0, (1, 1.5))],
                zorder=1.5,
                label=NOT_DONE,
            )
        )


def edges(along: np.ndarray, reach: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Where each cell begins and ends, kept within the grid.

    Args:
        along: Coordinates of the points, shape (N,).
        reach: How far a cell reaches towards its neighbours, as a share of the way.

    Returns:
        Two arrays of shape (N,).
    """
    before, after = (np.concatenate(pair) for pair in ((along[:1], along[:-1]), (along[1:], along[-1:])))
    return along + reach * (before - along), along + reach * (after - along)


def _frame(grid: Cells) -> np.ndarray:
    """The four sides of a grid, shape (4, 2, 2)."""
    left, right, bottom, top = grid.x.min(), grid.x.max(), grid.y.min(), grid.y.max()
    corners = np.array([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)])
    return np.stack([corners[:-1], corners[1:]], axis=1)


def _rectangles(grid: Cells, mask: np.ndarray, reach: float = 0.5) -> Path:
    """One path around every cell of a mask; where they overlap, it is filled once."""
    (left, right), (bottom, top) = (edges(along, reach) for along in (grid.x, grid.y))
    corners = [
        [(left[i], bottom[j]), (right[i], bottom[j]), (right[i], top[j]), (left[i], top[j]), (0.0, 0.0)]
        for j, i in zip(*np.nonzero(mask), strict=True)
    ]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(np.concatenate(corners), codes * len(corners))


def borders(grid: Cells, mask: np.ndarray) -> np.ndarray:
    """The sides between cells of a mask and others, or the end of the grid.

    Args:
        grid: The grid.
        mask: Shape (Y, X).

    Returns:
        Segments from point to point, shape (N, 2, 2).
    """
    (left, right), (bottom, top) = edges(grid.x), edges(grid.y)
    around = np.pad(mask, 1)
    found = []
    for (dj, di), ends in {
        (-1, 0): lambda j, i: ((left[i], bottom[j]), (right[i], bottom[j])),
        (1, 0): lambda j, i: ((left[i], top[j]), (right[i], top[j])),
        (0, -1): lambda j, i: ((left[i], bottom[j]), (left[i], top[j])),
        (0, 1): lambda j, i: ((right[i], bottom[j]), (right[i], top[j])),
    }.items():
        beside = around[1 + dj : around.shape[0] - 1 + dj, 1 + di : around.shape[1] - 1 + di]
        found += [ends(j, i) for j, i in zip(*np.nonzero(mask & ~beside), strict=True)]
    return np.array(found, dtype=float).reshape(-1, 2, 2)
