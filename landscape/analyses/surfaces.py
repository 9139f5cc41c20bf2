"""Recipes of loss surfaces: planes and lines, once or along many directions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from landscape import surface
from landscape.analyses import checks
from landscape.analyses.stamping import stamped
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.progress import Progress, silent
from landscape.results import Check
from landscape.surface import Directions, Norm
from landscape.work import Item, Runner, in_memory


def plane(
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
    tolerance: float = 0.0,
    directions: Directions | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """The loss around the trained weights, see `landscape.surface.surface`.

    Args:
        objective: The loss.
        span: Half the side, in units of the directions.
        rise: Finds the span instead, where the loss has risen by this factor; 0 takes `span`.
        steps: Points a side, odd.
        axes: 1 for a line, 2 for a plane.
        norm: Of random directions.
        orthogonal: Whether the second direction is made orthogonal to the first.
        include_1d: Whether biases and BatchNorm move too.
        repeats: Independent random directions or pairs; more than one adds a dimension `repeat`.
        tolerance: Share of its value that the error of a point may reach; 0 takes every sample.
        directions: Given ones instead of random ones.
        progress: Shows the points.
        run: Runs them; in memory by default.

    Raises:
        LandscapeError: If the directions cannot be drawn, or repeats are asked for with given ones.
    """
    if directions is not None and repeats > 1:
        raise LandscapeError("directions that are given can be measured once; leave out --repeats")
    if repeats < 1 or axes not in (1, 2):
        raise LandscapeError(f"choose 1 or more repeats and 1 or 2 axes, got {repeats} and {axes}")

    def drawn(repeat: int) -> Directions:
        return directions or surface.random(
            objective, norm=norm, seed=objective.seed, count=axes, repeat=repeat, **choices
        )

    choices = {"orthogonal": orthogonal, "include_1d": include_1d}
    first = drawn(0)
    if rise:
        span = surface.find_span(objective, first, rise=rise)
    options = {
        "norm": first.norm,
        "span": span,
        "steps": steps,
        "direction_seed": first.seed,
        "tolerance": tolerance,
        "repeats": repeats,
        "directions": first.describe(),
    }
    grid = (surface.axis(span, steps),) * len(first.vectors)
    run = run or in_memory(progress)

    def measured(repeat: int) -> xr.Dataset:
        return surface.surface(
            objective,
            drawn(repeat) if repeat else first,
            grid,
            tolerance=tolerance,
            seed=objective.seed,
            run=_labelled(run, repeat) if repeats > 1 else run,
        )

    def measure() -> xr.Dataset:
        parts = [measured(repeat) for repeat in range(repeats)]
        whole = xr.concat(parts, "repeat") if repeats > 1 else parts[0]
        return whole.assign(surface.as_arrays(first))

    def judge(dataset: xr.Dataset) -> list[Check]:
        found = [_center(objective, first, dataset), checks.finite("surface", dataset.nll.values)]
        return [*found, *_completeness(dataset), _sampling(dataset)]

    return stamped("surface", objective, options, measure, judge)


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
    return stamped(
        "flatness",
        objective,
        options,
        lambda: surface.flatness(objective, run=run or in_memory(progress), **options),
        lambda dataset: [checks.finite("losses", dataset.loss.values), _directions_enough(dataset)],
    )


def _directions_enough(dataset: xr.Dataset) -> Check:
    low, high = (float(end) for end in dataset.curvature_interval.values)
    mean, repeats = float(dataset.curvature_mean), dataset.sizes["repeat"]
    text = f"Over {repeats} directions the curvature is {mean:.4g}, 95 % interval {low:.4g} to {high:.4g}."
    if math.isfinite(high - low) and high - low <= abs(mean):
        return Check("directions", True, text)
    return Check("directions", False, f"{text} That is wider than the value; take more directions.")


def _labelled(run: Runner, repeat: int) -> Runner:
    """The runner, with the items of a repeat kept apart."""

    def labelled(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
        return run(count, compute, f"{label} {repeat + 1}")

    return labelled


def _middle(dataset: xr.Dataset) -> xr.Dataset:
    """The centre of the (first) grid."""
    one = dataset.isel(repeat=0) if "repeat" in dataset.dims else dataset
    return one.isel({name: one.sizes[name] // 2 for name in ("y", "x") if name in one.dims})


def _center(objective: Objective, directions: Directions, dataset: xr.Dataset) -> Check:
    """The grid's middle point against an evaluation of its own, in other micro-batches."""
    middle = _middle(dataset)
    measured, error = float(middle.nll), float(middle.sampling_error)
    sizes = [dataset.sizes[name] for name in ("y", "x") if name in dataset.dims]
    draw = 1 + math.prod(sizes) // 2
    other = objective.subset(0, len(objective.samples))
    other.micro_batch = max(1, min(objective.micro_batch, len(objective.samples)) // 2)
    if objective.forward.batch_norm != "eval":
        other.micro_batch = objective.micro_batch  # on which batch statistics depend
    expected = other.value(objective.parameters | (directions.origin or {}), draw=draw).nll
    room = 1e-5 * abs(expected) + 1e-7 + 4 * error
    same = measured == expected or abs(measured - expected) <= room
    text = f"The surface's centre is {measured:.6f}, the evaluated loss {expected:.6f}."
    if same:
        return Check("centre", True, text)
    return Check(
        "centre",
        False,
        f"{text} They should agree: evaluation is not deterministic, or depends on the micro-batch (a "
        "BatchNorm that does not follow eval mode).",
    )


def _completeness(dataset: xr.Dataset) -> list[Check]:
    missing = int((~dataset.done.values).sum())
    if not missing:
        return []
    text = f"{missing} of {dataset.done.size} points are not computed; run the same command again."
    return [Check("complete", False, text)]


def _sampling(dataset: xr.Dataset) -> Check:
    middle = _middle(dataset)
    value, error, samples = float(middle.nll), float(middle.standard_error), int(middle.samples)
    text = f"{samples} samples give the centre's NLL as {value:.4f} ± {error:.4f} (one standard error)."
    if math.isfinite(error) and error <= 0.5 * abs(value):
        return Check("sampling", True, text)
    return Check("sampling", False, f"{text} That is more than half of it; take more --samples.")
