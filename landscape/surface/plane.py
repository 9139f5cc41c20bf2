"""The loss over lines and planes through weight space."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.allocation import memory_kept
from landscape.concurrent import Compute, Items
from landscape.errors import LandscapeError
from landscape.losses import Columns, Gathered
from landscape.objective import Objective
from landscape.parameters import Parameters
from landscape.surface.directions import Directions
from landscape.surface.grid import Mesh, Place, axis
from landscape.surface.moved import apart
from landscape.tasks import LONG_NAMES
from landscape.work import Item, Progress, Runner, in_memory, silent

LEAST = 200
"""Samples before an error estimate from a part of them is trusted."""

WITHIN = 4.0
"""Stated errors, each one standard error, that make the 95 % interval of a point from a part of the samples.

Points of a surface share the order of their samples and are off together, and sampling stops where the error
happens to look small. In the simulation of `benchmarks/tolerance.py`, at least 95 % of the points lie within
so many errors in at least 95 % of runs; within two, in 56 to 71 % of them.
"""


def point(
    objective: Objective,
    theta: Mapping[str, Tensor],
    *,
    draw: int,
    tolerance: float = 0.0,
    anchors: Tensor | None = None,
) -> Item:
    """Loss and scores at some parameters.

    With a tolerance, samples are taken in their order until the standard error from leaving out the rest is
    at most that share of the loss. With anchors, points where the losses of all samples are known, the
    estimate is a regression on these: losses at different points of a surface are strongly correlated, so
    that fewer samples do (Cochran 1977, *Sampling Techniques*, chapter 7).

    Args:
        objective: The loss; its samples in random order where a tolerance is given.
        theta: Where.
        draw: Which dropout masks, with `fresh` dropout.
        tolerance: 0 takes every sample.
        anchors: Losses of every sample at other points, float64, shape (anchor, sample).

    Returns:
        Scalars `nll`, `standard_error` (of the samples as a draw from all images there could be),
        `sampling_error` (one standard error of leaving samples out, 0 where none is left out; the 95 %
        interval is ± `WITHIN` of it), `l2`, `samples`; the task's scores, of classes `accuracy` and
        `ece`; and `losses`, those of the samples used.
    """
    objective, theta = apart(objective, theta)
    total = len(objective.samples)
    found = Gathered(total)
    value = error = math.nan
    for part in objective.scores(theta, draw=draw):
        found.add({"losses": part.losses, **part.columns})
        if not tolerance:
            continue
        losses = found.columns()["losses"]
        value, error = estimate(losses, total, anchors)
        enough = len(losses) >= LEAST and error <= tolerance * abs(value)
        if enough or not math.isfinite(value):
            break  # one loss that is not finite makes the mean so
    return _item(objective, found.columns(), objective.l2(theta), (value, error) if tolerance else None)


def estimate(losses: Tensor, total: int, anchors: Tensor | None = None) -> tuple[float, float]:
    """Mean over all samples from the first ones, and its standard error with finite-population correction.

    Args:
        losses: Of the first n samples, shape (n,).
        total: Samples in all.
        anchors: Losses of all samples at other points, shape (anchor, total), for the regression estimator;
            an anchor with a loss that is not finite is left out.
    """
    count, value = len(losses), float(losses.mean())
    if count == total:
        return value, 0.0
    deviations = losses - value
    freedom = count - 1
    if anchors is not None and math.isfinite(value):
        usable = anchors[torch.isfinite(anchors).all(1)]
        means = usable[:, :count].mean(1)
        beside = (usable[:, :count] - means[:, None]).T
        # Anchors may be almost the same: the least squares solution of least norm, and its rank.
        fit = torch.linalg.lstsq(beside, deviations[:, None], driver="gelsd")
        slopes = fit.solution[:, 0]
        value += float((usable.mean(1) - means) @ slopes)
        deviations = deviations - beside @ slopes
        freedom -= int(fit.rank)
    if freedom < 1:
        return value, math.nan
    spread = float(deviations.square().sum()) / freedom
    return value, math.sqrt(spread / count * (1 - count / total))


def _item(objective: Objective, columns: Columns, l2: float, estimated: tuple[float, float] | None) -> Item:
    losses = columns.pop("losses")
    count, total = len(losses), len(objective.samples)
    value, error = estimated if estimated and count < total else (float(losses.mean()), 0.0)
    return {
        "nll": np.array(value),
        "standard_error": np.array(float(losses.std()) / math.sqrt(count) if count > 1 else math.nan),
        "sampling_error": np.array(error),
        "l2": np.array(l2),
        "samples": np.array(count),
        "losses": losses.numpy(),
        **{name: np.array(value) for name, value in objective.task.summary(columns).items()},
    }


ANCHORS = 9
"""Points, at most, that every sample is evaluated at for the others to lean on: the coarsest 3×3 grid."""

SHARE = 16
"""One point of so many, at most, is such an anchor: they cost far more than the others."""

_QUANTITIES = {
    "nll": {"long_name": "negative log-likelihood", "units": "nats"},
    "standard_error": {"long_name": "standard error of the NLL over samples", "units": "nats"},
    "sampling_error": {
        "long_name": "standard error of the NLL from leaving samples out",
        "units": "nats",
        "errors_in_95_interval": WITHIN,
    },
    "l2": {"long_name": "½ · weight decay · ‖w‖²", "units": "nats"},
} | {name: {"long_name": long_name} for name, long_name in LONG_NAMES.items()}


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
        steps: Points per side, odd so that the centre is one of them.
        progress: Shows the points.
        **options: As in `surface`.

    Raises:
        LandscapeError: If the grid has no centre, or the span is not positive and finite.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> directions = ls.surface.random_directions(objective, seed=0)
        >>> grid = ls.surface.plane(objective, directions, span=0.5, steps=3)
        >>> grid.nll.dims, grid.nll.shape
        (('y', 'x'), (3, 3))
        >>> abs(float(grid.nll.sel(x=0, y=0)) - objective.value().nll) < 1e-5
        True
    """
    if not isinstance(directions, Directions):
        directions = Directions(tuple(directions), units="filter norms")
    coordinates = axis(span, steps)
    grid = (coordinates,) * len(directions.vectors)
    return surface(
        objective, directions, grid, run=options.pop("run", None) or in_memory(progress), **options
    )


@memory_kept()
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
        tolerance: Share of its value that the standard error of a point may reach; samples are then taken
            from one random order until it is. 0 takes every sample everywhere.
        anchors: Whether points with a tolerance lean on a few that are evaluated whole, see `point`.
        seed: Random seed of that random order.
        run: Runs the points; in memory by default.

    Returns:
        Dimensions (`y`,) `x`: `nll` (nats) with its `standard_error` and `sampling_error`, `l2`, `samples`,
        `done`; the scores of the task, of classes `accuracy` and `ece`; and ‖δ‖ (‖η‖) as `x_norm` (`y_norm`).
        Values that are not finite are kept as measured; points that a stopped run has not reached are NaN and
        not `done`.

    Raises:
        LandscapeError: If the tolerance is negative, or directions and grid do not match.
    """
    if not 0 <= tolerance < 1:
        raise LandscapeError(f"the tolerance is a share of the loss from 0 to below 1, got {tolerance}")
    if tolerance:
        objective = shuffled(objective, seed)
    points = _Points(objective, Mesh(objective, directions, grid), tolerance)
    run = run or in_memory()
    lean = points.anchors() if tolerance and anchors else 0
    first = run(lean, points.items(points.anchor, lean), "anchors") if lean else []
    if any(first):
        points.known = torch.stack([torch.from_numpy(item["losses"]) for item in first if item])
    points.begin = lean
    rest = len(points.order) - lean
    return points.dataset([*first, *run(rest, points.items(points.compute, rest), "surface")])


def shuffled(objective: Objective, seed: int) -> Objective:
    """The objective with its samples in the random order that points with a tolerance take them in."""
    return objective.selected(np.random.default_rng(seed).permutation(len(objective.samples)))


@dataclass
class _Points:
    """The grid's points as work items, in the order of `order`."""

    objective: Objective
    mesh: Mesh
    tolerance: float
    known: Tensor | None = None
    begin: int = 0

    def __post_init__(self) -> None:
        self.order = self.mesh.order

    def items(self, compute: Compute, count: int) -> Items:
        """What computes them; a point takes its weights, and maps some hundred times as large as inputs."""
        self.objective.checked("value")
        inputs = self.objective.samples.numbers() * self.objective.micro_batch
        weights = sum(value.numel() for value in self.objective.parameters.values())
        memory = (200 * inputs + weights) * self.objective.dtype.itemsize
        return Items(self.objective, compute, count=count, memory=memory)

    def anchors(self) -> int:
        """How many points from the beginning of the order to evaluate on every sample."""
        return min(ANCHORS, 1 + len(self.order) // SHARE)

    def anchor(self, objective: Objective, index: int, steps: Progress) -> Item:
        place = self.order[index]
        return point(objective, self.mesh.weights(place), draw=self.mesh.draw(place))

    def compute(self, objective: Objective, index: int, steps: Progress) -> Item:
        place = self.order[self.begin + index]
        theta, draw = self.mesh.weights(place), self.mesh.draw(place)
        item = point(objective, theta, draw=draw, tolerance=self.tolerance, anchors=self.known)
        return {name: value for name, value in item.items() if name != "losses"}

    def dataset(self, items: Sequence[Item | None]) -> xr.Dataset:
        """The items on the grid; one that is None has not been computed."""
        mesh = self.mesh
        present = list(self._present(items))
        measured = present[0][1] if present else _QUANTITIES
        named = {name: attrs for name, attrs in _QUANTITIES.items() if name in measured}
        if not self.objective.task.likelihood:
            named["nll"] = {"long_name": "loss"}
        table = {name: np.full(mesh.shape, np.nan) for name in named}
        samples, done = np.zeros(mesh.shape, int), np.zeros(mesh.shape, bool)
        for place, item in present:
            for name in table:
                table[name][place] = item[name]
            samples[place], done[place] = item["samples"], True
        directions, axes = mesh.directions, mesh.dims[::-1]
        lengths = zip(axes, directions.lengths, ("‖δ‖", "‖η‖"), strict=False)
        units = {"units": directions.units}
        return xr.Dataset(
            {name: (mesh.dims, table[name], attrs) for name, attrs in named.items()}
            | {"samples": (mesh.dims, samples), "done": (mesh.dims, done)}
            | {f"{name}_norm": ((), length, {"long_name": text}) for name, length, text in lengths},
            coords={
                name: (name, each, {"long_name": label, **units})
                for name, each, label in zip(axes, mesh.axes, directions.labels, strict=False)
            },
        )

    def _present(self, items: Sequence[Item | None]) -> Iterator[tuple[Place, Item]]:
        for place, item in zip(self.order, items, strict=True):
            if item is not None:
                yield place, item
