"""Recipe of connectivity: paths between networks, the barriers on them, and how alike the networks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from landscape import connectivity as between
from landscape import surface as planes
from landscape.analyses import connections, likeness
from landscape.analyses.stamping import stamped
from landscape.connectivity.matching import Matching
from landscape.connectivity.paths import Path
from landscape.connectivity.walk import Track, Walk, require_alike, walked
from landscape.errors import ArgumentError
from landscape.objective import Objective
from landscape.work import Item, Progress, Runner, in_memory, silent

CURVES = ("none", "bezier", "polygon")


@dataclass(frozen=True)
class Options:
    """What is measured between networks.

    Attributes:
        points: Of each path, both ends included.
        align: Whether to align the second network modulo permutation, and measure the line to the copy.
        matching: Units are matched by `weights` or `activations`.
        repair: Whether means and spreads of units are put right on the aligned line (REPAIR).
        curve: A trained curve, `bezier` or `polygon`; `none` trains none.
        curve_steps: Steps of SGD that train it.
        curve_rate: Peak learning rate.
        plane: Points per side of a plane through the first two networks and the bend or the copy; 0 is none.
        mixup: Whether outputs and layers are compared on mixed images.
    """

    points: int = 11
    align: bool = False
    matching: str = "weights"
    repair: bool = False
    curve: str = "none"
    curve_steps: int = 300
    curve_rate: float = 0.02
    plane: int = 0
    mixup: bool = False

    def __post_init__(self) -> None:
        between.spaced(self.points)
        for name, choices in (("curve", CURVES), ("matching", ("weights", "activations"))):
            if getattr(self, name) not in choices:
                raise ArgumentError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}")
        if self.repair and not self.align:
            raise ArgumentError("REPAIR puts the aligned line right; add --align, or leave out --repair")
        if self.plane and not (self.align or self.curve != "none"):
            raise ArgumentError(
                "a plane takes a third point beside the two networks; add --curve, through its bend, "
                "or --align"
            )


def connect(
    objective: Objective,
    *,
    others: Sequence[Objective] = (),
    opposite: Objective | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
    **options: Any,
) -> xr.Dataset:
    """Paths between every two networks, barriers on them, and how alike the networks are.

    Args:
        objective: The first network.
        others: One or more networks of its architecture, over the same samples.
        opposite: The first network over another split, which all paths are measured on as well.
        progress: Shows the points, and the steps of curves.
        run: Runs the work: alignments, points, parts of trainings; in memory by default.
        **options: Fields of `Options`.

    Returns:
        Dimensions `pair`, `path` and `side` (a split): `barrier`, `mc`, each with its `_standard_error`,
        `_resolution` and `_at`; along `t` as well `nll`, `accuracy` and `rise`, what the loss lies above the
        chord, with their `_standard_error`; by `pair` and `path` `distance` of the ends and `length`; by
        `pair` `cka`, `disagreement` and, by `layer`, `layer_cka`. With a plane, `plane_nll` (`py`, `px`) and
        where the paths lie on it.

    Raises:
        LandscapeError: If the networks do not fit each other, or cannot be aligned.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> def objective():
        ...     layers = torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
        ...     return ls.Objective(torch.nn.Sequential(*layers), samples)
        >>> found = ls.analyses.connect(objective(), others=[objective()], points=3, align=True)
        >>> found.barrier.dims, found.path.values.tolist()
        (('pair', 'path', 'side'), ['linear', 'aligned'])
    """
    chosen = Options(**options)
    if not others:
        raise ArgumentError("a path runs between two networks or more; give others beside the first")
    objectives = [objective, *others]
    require_alike(objectives)
    work = _Work(objectives, Track.of(objective, opposite), chosen, run or in_memory(progress), progress)
    stated = {**vars(chosen), "seed": objective.seed, "networks": list(map(_record, objectives))}
    return stamped(
        "connect", objective, stated, work.measured, lambda found: connections.checks(found, work.notes)
    )


def _record(objective: Objective) -> dict[str, Any]:
    return {"name": objective.network.name, "sha256": objective.network.sha256}


@dataclass
class _Work:
    """The work of one measurement."""

    objectives: Sequence[Objective]
    track: Track
    options: Options
    run: Runner
    progress: Progress

    def __post_init__(self) -> None:
        self.found = between.symmetry(self.objectives[0]) if self.options.align else None
        self.copies = [between.Copy.of(each) for each in self.objectives]
        self.notes: dict[str, Any] = {"unsettled": [], "found": self.found}

    def measured(self) -> xr.Dataset:
        """Everything, as one dataset."""
        names = connections.labels([each.network.name for each in self.objectives])
        pairs = list(combinations(range(len(names)), 2))
        walks = [self.walks(i, j) for i, j in pairs]
        dataset = connections.along(
            [(names[i], names[j]) for i, j in pairs],
            walks,
            [side.samples.split or "samples" for side in self.track.sides],
            likelihood=self.objectives[0].task.likelihood,
        )
        dataset = dataset.merge(likeness.measured(self.objectives, pairs, self.options.mixup, self.run))
        if self.options.plane:
            dataset = dataset.merge(self.plane(walks[0]))
        return dataset.assign_coords(network=np.array(names, dtype=object))

    def walks(self, i: int, j: int) -> list[Walk]:
        """The paths between two networks."""
        a, b = self.copies[i].parameters, self.copies[j].parameters
        t = between.spaced(self.options.points)
        where = f"{i + 1} to {j + 1}"
        found = [walked(self.track, Path("linear", (a, b)), t, "linear", label=f"line {where}", run=self.run)]
        if self.found is not None:
            found.append(self.aligned(self.found, i, j, t, where))
        if self.options.curve != "none":
            found.append(self.curve(a, b, t, where))
        return found

    def aligned(self, units: between.Symmetry, i: int, j: int, t: np.ndarray, where: str) -> Walk:
        """The line to the aligned copy."""
        first, second = self.copies[i], self.copies[j]

        def compute(_: int) -> Item:
            match = self.match(units, first, second)
            return {"source": match.source, "settled": np.array(match.settled)}

        (item,) = self.run(1, compute, f"alignment {where}")
        if not item["settled"]:
            self.notes["unsettled"].append(where)
        copy = second.permuted(units, item["source"])
        path = Path("linear", (first.parameters, copy.parameters))
        ends = between.aligned_ends(self.track.calibration, first, copy) if self.options.repair else ()
        return walked(self.track, path, t, "aligned", label=f"aligned line {where}", ends=ends, run=self.run)

    def match(self, units: between.Symmetry, first: between.Copy, second: between.Copy) -> Matching:
        """Units of one network with those of another; by weights from several starts, one by activations."""
        few = self.track.calibration.selected(np.arange(min(256, len(self.track.calibration.samples))))
        source = between.by_activations(few, first, second, units, progress=self.progress)
        if self.options.matching == "activations":
            return Matching(source, float("nan"), 1, True)
        parts = first.parameters, second.parameters
        return between.by_weights(*parts, units, starts=[source], seed=self.objectives[0].seed)

    def curve(self, a: dict, b: dict, t: np.ndarray, where: str) -> Walk:
        """A trained curve."""
        chosen, training = self.options, self.track.calibration
        recipe = between.CurveRecipe(
            steps=chosen.curve_steps,
            learning_rate=chosen.curve_rate,
            batch_size=min(128, len(training.samples)),
            seed=self.objectives[0].seed,
        )
        label = f"{chosen.curve} {where}"
        given: dict[str, Any] = {"label": label, "progress": self.progress, "run": self.run}
        path, losses = between.trained(training, (a, b), chosen.curve, recipe, **given)  # type: ignore[arg-type]
        more = {"label": f"{label} points", "run": self.run, "steps": recipe.steps, "training": losses}
        return walked(self.track, path, t, chosen.curve, **more)  # type: ignore[arg-type]

    def plane(self, walks: Sequence[Walk]) -> xr.Dataset:
        """The loss on a plane through the first two networks and the bend, or the copy of the second."""
        a, b = walks[0].path.points
        third = walks[-1].path.points[1]
        directions, marks = planes.triangle(a, b, third)
        grid = planes.covering(marks, self.options.plane | 1, margin=0.25)
        mode = replace_mode(self.track.calibration)
        surface = planes.surface(mode, directions, grid, run=self.run)
        kept = surface[[name for name in ("nll", "accuracy", "standard_error") if name in surface]]
        renamed = kept.rename({**{name: f"plane_{name}" for name in kept.data_vars}, "x": "px", "y": "py"})
        return renamed.merge(connections.on_plane(walks, directions, marks))


def replace_mode(objective: Objective) -> Objective:
    """The objective with BatchNorm's statistics estimated anew at every point."""
    return objective.replace(batch_norm="recalibrate")
