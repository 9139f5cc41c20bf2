"""Recipes of loss surfaces: planes and lines, once, along many directions, or under many dropout masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape import surface as planes
from landscape.analyses import checks, surface_checks, surface_extras
from landscape.analyses.stamping import stamped
from landscape.errors import LandscapeError
from landscape.filters import assumptions, roles
from landscape.objective import Objective
from landscape.surface import Directions, Mesh, Norm
from landscape.work import Item, Progress, Runner, in_memory, silent


def surface(
    objective: Objective,
    *,
    span: float = 1.0,
    rise: float = 0.0,
    steps: int = 21,
    axes: int = 2,
    norm: Norm = "filter",
    orthogonal: bool = False,
    include_1d: bool = False,
    repeats: int = 1,
    masks: int = 1,
    tolerance: float = 0.0,
    curvature: bool = False,
    tune: bool = False,
    directions: Directions | None = None,
    marks: Mapping[str, Sequence[float]] | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """The loss around the trained weights, see `landscape.surface.surface`, with roughness and trust report.

    Args:
        objective: The loss.
        span: Half the side, in units of the directions; around marks, the margin as a share of their extent.
        rise: Finds the span instead, where the loss has risen by this factor; 0 takes `span`.
        steps: Points a side, odd.
        axes: 1 for a line, 2 for a plane.
        norm: Of random directions.
        orthogonal: Whether the second direction is made orthogonal to the first.
        include_1d: Whether biases and BatchNorm move too.
        repeats: Independent random directions or pairs; more than one adds a dimension `repeat`.
        masks: Draws of the dropout masks on the same directions; more than one adds a dimension `mask`.
        tolerance: Share of its value that the standard error of a point may reach, see
            `landscape.surface.plane.surface`; 0 takes every sample.
        curvature: Whether to find the Hessian's largest and smallest eigenvalue at each point.
        tune: Whether a short measurement chooses the micro-batch.
        directions: Given ones instead of random ones.
        marks: Points by name, with their coordinates, that the grid is laid around.
        progress: Shows the points.
        run: Runs them; in memory by default.

    Raises:
        LandscapeError: If the directions cannot be drawn, or options contradict each other.
    """
    _check(objective, repeats, masks, axes, curvature, tolerance, given=directions is not None)
    run = run or in_memory(progress)
    choices: dict[str, Any] = {"norm": norm, "orthogonal": orthogonal, "include_1d": include_1d}

    def drawn(repeat: int) -> Directions:
        return directions or planes.random(
            objective, seed=objective.seed, count=axes, repeat=repeat, **choices
        )

    first = drawn(0)
    if rise:
        span = planes.find_span(objective, first, rise=rise)
    grid = _grid(first, span, steps, marks)
    if tune:  # last, so that nothing is left behind by what is refused
        objective = planes.tuned(objective, run)
    mesh = Mesh(objective, first, grid)
    options = {
        "norm": first.norm,
        "span": span,
        "steps": steps,
        "direction_seed": first.seed,
        "tolerance": tolerance,
        "repeats": repeats,
        "masks": masks,
        "curvature": curvature,
        "directions": first.describe(),
        "marks": {name: list(place) for name, place in (marks or {}).items()},
    }

    def measured(repeat: int, mask: int) -> xr.Dataset:
        return planes.surface(
            objective.replace(seed=objective.seed + mask) if mask else objective,
            drawn(repeat) if repeat else first,
            mesh.axes,
            tolerance=tolerance,
            seed=objective.seed,
            run=_labelled(run, repeat + mask) if repeats * masks > 1 else run,
        )

    def measure() -> xr.Dataset:
        parts = [measured(repeat, mask) for repeat in range(repeats) for mask in range(masks)]
        whole = xr.concat(parts, "repeat" if repeats > 1 else "mask") if len(parts) > 1 else parts[0]
        if bool(whole.done.all()) and masks == 1:
            whole = whole.merge(planes.roughness(whole))
        if curvature:
            whole = whole.merge(surface_extras.curvature(objective, mesh, run))
        if objective.forward.precision != "full":
            whole = whole.merge(surface_extras.precision_error(objective, mesh, run))
        return whole.assign(planes.as_arrays(first) | _marked(marks))

    # The order of the samples, and so their masks, is that of the points with a tolerance.
    judged = planes.shuffled(objective, objective.seed) if tolerance else objective
    return stamped(
        "surface", objective, options, measure, lambda found: surface_checks.trust(judged, mesh, found)
    )


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
        lambda found: [checks.finite("losses", found.loss.values), surface_checks.directions_enough(found)],
    )


def _check(
    objective: Objective,
    repeats: int,
    masks: int,
    axes: int,
    curvature: bool,
    tolerance: float,
    *,
    given: bool,
) -> None:
    """Refuse what cannot be."""
    if repeats < 1 or masks < 1 or axes not in (1, 2):
        raise LandscapeError(
            f"choose 1 or more repeats and masks and 1 or 2 axes, got {repeats}, {masks} and {axes}"
        )
    if not 0 <= tolerance < 1:
        raise LandscapeError(f"the tolerance is a share of the loss from 0 to below 1, got {tolerance}")
    if given and repeats > 1:
        raise LandscapeError("directions that are given can be measured once; leave out --repeats")
    if repeats > 1 and masks > 1:
        raise LandscapeError("masks are compared on the same directions; choose --repeats or --masks")
    if masks > 1 and (objective.dropout == "off" or not objective.stochastic()):
        raise LandscapeError(
            "without dropout all masks are the same; add --dropout fresh or fixed, for a network that has it"
        )
    if curvature and repeats * masks > 1:
        raise LandscapeError("the curvature of each point is measured on one surface; leave out --repeats")
    modes = objective.forward
    if curvature and (modes.precision != "full" or modes.batch_norm == "recalibrate"):
        raise LandscapeError(
            "the curvature of each point needs full precision, and BatchNorm in eval or batch mode"
        )


def _grid(
    directions: Directions, span: float, steps: int, marks: Mapping[str, Sequence[float]] | None
) -> Sequence[np.ndarray]:
    if marks:
        return planes.covering(np.array(list(marks.values()), float), steps, margin=span)
    return (planes.axis(span, steps),) * len(directions.vectors)


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
