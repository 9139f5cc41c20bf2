"""The loss over lines and planes through weight space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import Parameters, shifted
from landscape.progress import Progress, silent
from landscape.surface.directions import Directions
from landscape.surface.grid import axis, coarse_to_fine
from landscape.surface.points import point
from landscape.work import Item, Runner, in_memory

ANCHORS = 25
"""Points, at most, that every sample is evaluated at for the others to lean on."""

_QUANTITIES = {
    "nll": {"long_name": "negative log-likelihood", "units": "nats"},
    "standard_error": {"long_name": "standard error of the NLL over samples", "units": "nats"},
    "sampling_error": {"long_name": "error of the NLL from leaving samples out", "units": "nats"},
    "l2": {"long_name": "½ · weight decay · ‖w‖²", "units": "nats"},
    "accuracy": {"long_name": "accuracy"},
    "ece": {"long_name": "expected calibration error, 10 bins"},
}


def plane(
    objective: Objective,
    directions: Sequence[Parameters] | Directions,
    *,
    span: float = 1.0,
    steps: int = 21,
    progress: Progress = silent,
    **options: Any,
) -> xr.Dataset:
    """The loss on a square grid around the trained weights (Li et al. 2018, section 4), or on a line.

    Args:
        objective: The loss; its own parameters are the centre.
        directions: δ and η, or δ alone.
        span: Half the side, in units of the directions.
        steps: Points a side, odd so that the centre is one of them.
        progress: Shows the points.
        **options: As in `surface`.

    Raises:
        LandscapeError: If the grid has no centre, or the span is not positive and finite.
    """
    if not isinstance(directions, Directions):
        directions = Directions(tuple(directions), units="filter norms")
    coordinates = axis(span, steps)
    grid = (coordinates,) * len(directions.vectors)
    return surface(
        objective, directions, grid, run=options.pop("run", None) or in_memory(progress), **options
    )


def surface(
    objective: Objective,
    directions: Directions,
    grid: Sequence[np.ndarray],
    *,
    tolerance: float = 0.0,
    anchors: bool = True,
    seed: int = 0,
    run: Runner | None = None,
) -> xr.Dataset:
    """The loss at origin + x·δ (+ y·η) for every point of a grid, from coarse to fine.

    With `fresh` dropout every point has masks of its own, numbered by the point, so that any point can be
    computed again on its own.

    Args:
        objective: The loss.
        directions: One or two, and where they start.
        grid: Coordinates along x, and along y for a plane.
        tolerance: Share of its value that the error of a point may reach; samples are then taken from one
            random order until it is. 0 takes every sample everywhere.
        anchors: Whether points with a tolerance lean on evaluated neighbours, see `landscape.surface.points`.
        seed: Of that random order.
        run: Runs the points; in memory by default.

    Returns:
        Dimensions (`y`,) `x`: `nll` (nats) with its `standard_error` and `sampling_error`, `l2`, `accuracy`,
        `ece`, `samples`, `done`; and ‖δ‖ (‖η‖) as `x_norm` (`y_norm`). Values that are not finite are kept as
        measured; points that a stopped run has not reached are NaN and not `done`.

    Raises:
        LandscapeError: If the tolerance is negative, or directions and grid do not match.
    """
    if not 0 <= tolerance < 1:
        raise LandscapeError(f"the tolerance is a share of the loss from 0 to below 1, got {tolerance}")
    if len(grid) != len(directions.vectors):
        raise LandscapeError(
            f"{len(directions.vectors)} directions need as many axes of the grid, got {len(grid)}"
        )
    if tolerance:
        order = np.random.default_rng(seed).permutation(len(objective.samples))
        objective = objective.selected(order)
    points = _Points(objective, directions, [np.asarray(each, float) for each in grid], tolerance)
    run = run or in_memory()
    lean = points.anchors(ANCHORS) if tolerance and anchors else 0
    first = run(lean, points.anchor, "anchors") if lean else []
    points.known = {points.order[i]: item["losses"] for i, item in enumerate(first) if item}
    rest = run(len(points.order) - lean, lambda index: points.compute(lean + index), "surface")
    return points.dataset([*first, *rest])


@dataclass
class _Points:
    """The grid's points as work items, in the order of `order`."""

    objective: Objective
    directions: Directions
    grid: list[np.ndarray]
    tolerance: float

    def __post_init__(self) -> None:
        self.shape = tuple(len(each) for each in reversed(self.grid))
        self.order = coarse_to_fine(self.shape)
        self.known: dict[tuple[int, ...], np.ndarray] = {}

    def anchors(self, most: int) -> int:
        """How many points from the beginning of the order to evaluate on every sample."""
        return min(most, len(self.order))

    def anchor(self, index: int) -> Item:
        return self._at(self.order[index], 0.0, None)

    def compute(self, index: int) -> Item:
        place = self.order[index]
        item = self._at(place, self.tolerance, self._neighbour(place))
        return {name: value for name, value in item.items() if name != "losses"}

    def _at(self, place: tuple[int, ...], tolerance: float, anchor: Tensor | None) -> Item:
        steps = [
            (float(coordinates[i]), vector)
            for coordinates, i, vector in zip(
                self.grid, reversed(place), self.directions.vectors, strict=True
            )
        ]
        theta = shifted(self._origin(), *steps)
        draw = 1 + int(np.ravel_multi_index(place, self.shape))
        return point(self.objective, theta, draw=draw, tolerance=tolerance, anchor=anchor)

    def _origin(self) -> Mapping[str, Tensor]:
        origin = self.directions.origin
        return self.objective.parameters if origin is None else {**self.objective.parameters, **origin}

    def _neighbour(self, place: tuple[int, ...]) -> Tensor | None:
        """The losses of the nearest anchor."""
        if not self.known:
            return None
        nearest = min(
            self.known, key=lambda other: sum((a - b) ** 2 for a, b in zip(place, other, strict=True))
        )
        return torch.from_numpy(self.known[nearest])

    def dataset(self, items: Sequence[Item | None]) -> xr.Dataset:
        """The items on the grid; one that is None has not been computed."""
        table = {name: np.full(self.shape, np.nan) for name in _QUANTITIES}
        samples, done = np.zeros(self.shape, int), np.zeros(self.shape, bool)
        for place, item in self._present(items):
            for name in table:
                table[name][place] = item[name]
            samples[place], done[place] = item["samples"], True
        axes = ("x", "y")[: len(self.grid)]
        dims = axes[::-1]
        lengths = zip(axes, self.directions.lengths, ("‖δ‖", "‖η‖"), strict=False)
        units = {"units": self.directions.units}
        return xr.Dataset(
            {name: (dims, table[name], attrs) for name, attrs in _QUANTITIES.items()}
            | {"samples": (dims, samples), "done": (dims, done)}
            | {f"{name}_norm": ((), length, {"long_name": text}) for name, length, text in lengths},
            coords={
                name: (name, each, {"long_name": label, **units})
                for name, each, label in zip(axes, self.grid, self.directions.labels, strict=False)
            },
        )

    def _present(self, items: Sequence[Item | None]) -> Iterator[tuple[tuple[int, ...], Item]]:
        for place, item in zip(self.order, items, strict=True):
            if item is not None:
                yield place, item
