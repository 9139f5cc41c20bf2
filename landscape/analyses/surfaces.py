"""Recipes of loss surfaces: planes and lines, once, along many directions, or under many dropout masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from landscape import surface as planes
from landscape.analyses import surface_checks
from landscape.analyses.stamping import stamped
from landscape.errors import ArgumentError, LandscapeError
from landscape.filters import assumptions, roles
from landscape.objective import Objective
from landscape.results.checks import finite
from landscape.surface import Directions, Mesh, Norm
from landscape.work import Item, Progress, Runner, in_memory, silent


@dataclass(frozen=True)
class Layout:
    """Which points of a surface are measured, along which directions, and what of them.

    Attributes:
        span: Half the side, in units of the directions; around marks, the margin as a share of their extent.
        rise: Finds the span instead, where the loss has risen by this factor; 0 takes `span`.
        steps: Points per side, odd.
        axes: 1 for a line, 2 for a plane.
        norm: Norm of random directions.
        orthogonal: Whether the second direction is made orthogonal to the first.
        include_1d: Whether biases and BatchNorm move too.
        repeats: Independent random directions or pairs; more than one adds a dimension `repeat`.
        masks: Dropout masks on the same directions; more than one adds a dimension `mask`.
        tolerance: Share of its value that the standard error of a point may reach, see
            `landscape.surface.plane.surface`; 0 takes every sample.
        curvature: Whether to find the Hessian's largest and smallest eigenvalue at each point.
        tune: Whether a short measurement chooses the micro-batch.
        directions: Given ones instead of random ones.
        marks: Points by name, with their coordinates, that the grid is laid around.
    """

    span: float = 1.0
    rise: float = 0.0
    steps: int = 21
    axes: int = 2
    norm: Norm = "filter"
    orthogonal: bool = False
    include_1d: bool = False
    repeats: int = 1
    masks: int = 1
    tolerance: float = 0.0
    curvature: bool = False
    tune: bool = False
    directions: Directions | None = None
    marks: Mapping[str, Sequence[float]] | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.masks < 1 or self.axes not in (1, 2):
            raise ArgumentError(
                f"choose 1 or more repeats and masks and 1 or 2 axes, got {self.repeats}, {self.masks} and "
                f"{self.axes}"
            )
        if not 0 <= self.tolerance < 1:
            raise LandscapeError(
                f"the tolerance is a share of the loss from 0 to below 1, got {self.tolerance}"
            )
        if self.directions is not None and self.repeats > 1:
            raise LandscapeError("directions that are given can be measured once; leave out --repeats")
        if self.repeats > 1 and self.masks > 1:
            raise ArgumentError("masks are compared on the same directions; choose --repeats or --masks")
        if self.curvature and self.repeats * self.masks > 1:
            raise LandscapeError(
                "the curvature of each point is measured on one surface; leave out --repeats"
            )

    def require(self, objective: Objective) -> None:
        """Refuse what an objective cannot give."""
        if self.masks > 1 and (objective.dropout == "off" or not objective.stochastic()):
            raise LandscapeError(
                "without dropout all masks are the same; add --dropout fresh or fixed, for a network that "
                "has it"
            )
        modes = objective.modes
        if self.curvature and (modes.precision != "full" or modes.batch_norm == "recalibrate"):
            raise LandscapeError(
                "the curvature of each point needs full precision, and BatchNorm in eval or batch mode"
            )

    def drawn(self, objective: Objective, repeat: int) -> Directions:
        """The directions of one repeat."""
        return self.directions or planes.random(
            objective,
            seed=objective.seed,
            count=self.axes,
            repeat=repeat,
            norm=self.norm,
            orthogonal=self.orthogonal,
            include_1d=self.include_1d,
        )

    def grid(self, directions: Directions, span: float) -> Sequence[np.ndarray]:
        """The coordinates along each axis."""
        if self.marks:
            return planes.covering(np.array(list(self.marks.values()), float), self.steps, margin=span)
        return (planes.axis(span, self.steps),) * len(directions.vectors)

    def record(self, directions: Directions, span: float) -> dict[str, Any]:
        """What a result says of its layout."""
        asked = ("steps", "tolerance", "repeats", "masks", "curvature")
        return {
            **{name: getattr(self, name) for name in asked},
            **{"norm": directions.norm, "span": span, "direction_seed": directions.seed},
            "directions": directions.describe(),
            "marks": {name: list(place) for name, place in (self.marks or {}).items()},
        }


def surface(
    objective: Objective, *, progress: Progress = silent, run: Runner | None = None, **options: Any
) -> xr.Dataset:
    """The loss around the trained weights, see `landscape.surface.surface`, with roughness and trust report.

    Args:
        objective: The loss.
        progress: Shows the points.
        run: Runs them; in memory by default.
        **options: Fields of `Layout`, such as `span` and `steps`.

    Raises:
        LandscapeError: If the directions cannot be drawn, or options contradict each other.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> surface = ls.analyses.surface(objective, span=0.5, steps=3)
        >>> surface.attrs["kind"], surface.nll.shape
        ('surface', (3, 3))
        >>> [check["name"] for check in ls.results.attribute(surface, "checks")][:3]
        ['deterministic', 'movement', 'finite']
    """
    layout = Layout(**options)
    layout.require(objective)
    run = run or in_memory(progress)
    first = layout.drawn(objective, 0)
    span = planes.find_span(objective, first, rise=layout.rise) if layout.rise else layout.span
    grid = layout.grid(first, span)
    if layout.tune:  # last, so that nothing is left behind by what is refused
        objective = planes.tuned(objective, run)
    mesh = Mesh(objective, first, grid)
    # The order of the samples, and so their masks, is that of the points with a tolerance.
    judged = planes.shuffled(objective, objective.seed) if layout.tolerance else objective
    return stamped(
        "surface",
        objective,
        layout.record(first, span),
        lambda: _measured(objective, layout, mesh, run),
        lambda found: surface_checks.trust(judged, mesh, found),
    )


def _measured(objective: Objective, layout: Layout, mesh: Mesh, run: Runner) -> xr.Dataset:
    """All surfaces of a layout as one dataset, and what is measured beside the loss."""
    several = layout.repeats * layout.masks > 1

    def one(repeat: int, mask: int) -> xr.Dataset:
        return planes.surface(
            objective.replace(seed=objective.seed + mask) if mask else objective,
            layout.drawn(objective, repeat) if repeat else mesh.directions,
            mesh.axes,
            tolerance=layout.tolerance,
            seed=objective.seed,
            run=_labelled(run, repeat + mask) if several else run,
        )

    parts = [one(repeat, mask) for repeat in range(layout.repeats) for mask in range(layout.masks)]
    whole = xr.concat(parts, "repeat" if layout.repeats > 1 else "mask") if several else parts[0]
    if bool(whole.done.all()) and layout.masks == 1:
        whole = whole.merge(planes.roughness(whole))
    if layout.curvature:
        whole = whole.merge(surface_checks.curvature(objective, mesh, run))
    if objective.modes.precision != "full":
        whole = whole.merge(surface_checks.precision_error(objective, mesh, run))
    return whole.assign(planes.as_arrays(mesh.directions) | _marked(layout.marks))


def flatness(
    objective: Objective,
    *,
    radii: Sequence[float] = (0.1, 0.2, 0.5),
    repeats: int = 10,
    norm: Norm = "filter",
    rise: float = 1.0,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Loss rise, curvature and sharpness along many directions, see `landscape.surface.flatness`."""
    options: dict[str, Any] = {
        "radii": list(radii),
        "repeats": repeats,
        "norm": norm,
        "rise": rise,
        "seed": objective.seed,
    }
    assumed = assumptions(roles(objective.network.module), objective.free) if norm == "filter" else {}
    return stamped(
        "flatness",
        objective,
        options | assumed,
        lambda: planes.flatness(objective, run=run or in_memory(progress), **options),
        lambda found: [finite("losses", found.loss.values), surface_checks.directions_enough(found)],
    )


def _marked(marks: Mapping[str, Sequence[float]] | None) -> dict[str, xr.DataArray]:
    """The points that the grid is laid around, for figures."""
    if not marks:
        return {}
    table = np.array(list(marks.values()), float)
    names = {"marked": np.array(list(marks), dtype=object)}
    return {
        f"marked_{axis}": xr.DataArray(column, dims="marked", coords=names)
        for axis, column in zip("xy", table.T, strict=False)
    }


def _labelled(run: Runner, index: int) -> Runner:
    """The runner, with the items of one of several surfaces kept apart."""

    def labelled(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
        return run(count, compute, f"{label} {index + 1}")

    return labelled
