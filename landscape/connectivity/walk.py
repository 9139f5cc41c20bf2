"""Losses of every sample along a path, on one split and on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from landscape.connectivity.paths import Path
from landscape.connectivity.permuting import Copy
from landscape.connectivity.repair import Spread, placed, repaired, statistics_at
from landscape.errors import LandscapeError
from landscape.forward.contexts import batch_norms
from landscape.objective import Objective
from landscape.work import Item, Runner, in_memory

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, eq=False)
class Track:
    """Where paths are walked.

    Attributes:
        sides: The objectives whose losses are measured, of the same network over one split each.
        calibration: The one over whose samples statistics are estimated.
    """

    sides: tuple[Objective, ...]
    calibration: Objective

    @classmethod
    def of(cls, objective: Objective, opposite: Objective | None = None) -> Track:
        """Statistics over the training split where there is one, as the test images are not the network's."""
        sides = (objective,) if opposite is None else (objective, opposite)
        training = next((side for side in sides if side.samples.split == "train"), objective)
        return cls(sides, training)

    def passes(self, *, repair: bool = False) -> int:
        """Images that pass forward at every point."""
        count = len(self.calibration.samples)
        extra = count * (bool(batch_norms(self.calibration.network.module)) or repair)
        return sum(len(side.samples) for side in self.sides) + extra

    def at(self, path: Path, t: float, ends: tuple[dict[str, Spread], ...] = ()) -> Item:
        """Losses, and whether classes are right, of every sample of each side: `losses0`, `right0`, ….

        BatchNorm's statistics are estimated anew at every point, ends included, so that points differ in
        their weights alone.
        """
        theta = path.at(t)
        if ends:
            theta = repaired(self.calibration, theta, ends, t)
        buffers = statistics_at(self.calibration, theta)
        item: Item = {}
        for i, side in enumerate(self.sides):
            losses, right = placed(side, buffers).sample_losses(theta)
            item[f"losses{i}"] = losses.numpy()
            if right is not None:
                item[f"right{i}"] = right.numpy()
        return item


@dataclass(frozen=True, eq=False)
class Walk:
    """A path that was measured.

    Attributes:
        name: `linear`, `aligned`, `bezier` or `polygon`.
        path: Its points.
        t: Where, shape (point,).
        losses: For each side, shape (point, sample).
        right: For each side whether classes are right, shape (point, sample); empty without classes.
        passes: Images that passed forward.
        steps: Steps that trained it.
    """

    name: str
    path: Path
    t: np.ndarray
    losses: tuple[np.ndarray, ...]
    right: tuple[np.ndarray, ...] = ()
    passes: int = 0
    steps: int = 0
    training: np.ndarray = field(default_factory=lambda: np.empty(0))


def walked(
    track: Track,
    path: Path,
    t: np.ndarray,
    name: str,
    *,
    label: str,
    ends: tuple[dict[str, Spread], ...] = (),
    run: Runner | None = None,
    **more: object,
) -> Walk:
    """Measure a path.

    Args:
        track: What is measured.
        path: Where.
        t: At which points.
        name: Of the path.
        label: Of the work, for who runs it.
        ends: What REPAIR aims at; empty without it.
        run: Runs the points; in memory by default.
        **more: Fields of `Walk`.
    """
    items = (run or in_memory())(len(t), lambda index: track.at(path, float(t[index]), ends), label)
    sides = range(len(track.sides))
    losses = tuple(np.stack([item[f"losses{i}"] for item in items]) for i in sides)
    right = tuple(np.stack([item[f"right{i}"] for item in items]) for i in sides if f"right{i}" in items[0])
    passes = len(t) * track.passes(repair=bool(ends))
    return Walk(name, path, t, losses, right if len(right) == len(losses) else (), passes, **more)  # type: ignore[arg-type]


def require_one_architecture(objectives: Sequence[Objective]) -> None:
    """See that networks differ in parameters and buffers alone.

    Raises:
        LandscapeError: If their architectures, shapes of parameters or normalisations differ.
    """
    first = objectives[0]
    for other in objectives[1:]:
        pair = f"{first.network.name} and {other.network.name}"
        words = [each.network.architecture + each.network.surgery for each in (first, other)]
        shapes = [{k: tuple(v.shape) for k, v in each.parameters.items()} for each in (first, other)]
        if shapes[0] != shapes[1] or (all(words) and words[0] != words[1]):
            raise LandscapeError(
                f"{pair} have different architectures "
                f"({' and '.join(each or 'unknown' for each in words)}); a path "
                "runs between networks of one architecture"
            )
        scales = [each.network.normalisation for each in (first, other)]
        if scales[0] != scales[1]:
            raise LandscapeError(
                f"{pair} take images with different normalisations, so no path joins them; give both one "
                "with --mean and --std"
            )


def require_alike(objectives: Sequence[Objective]) -> None:
    """See that networks can be connected.

    Raises:
        LandscapeError: If their architectures, parameters, constants or samples differ.
    """
    require_one_architecture(objectives)
    first = objectives[0]
    for other in objectives[1:]:
        pair = f"{first.network.name} and {other.network.name}"
        a, b = (Copy.of(each).buffers for each in (first, other))
        unlike = [
            name
            for name, value in a.items()
            if name.rpartition(".")[2] not in _STATISTICS
            and not (name in b and value.shape == b[name].shape and bool((value == b[name]).all()))
        ]
        if unlike:
            raise LandscapeError(
                f"{pair} hold different constants in {', '.join(unlike[:3])}, which no path could "
                "change; connect "
                "networks that differ in parameters and in BatchNorm's statistics alone"
            )
        if other.samples is not first.samples and (
            other.samples.describe()["content_sha256"] != first.samples.describe()["content_sha256"]
        ):
            raise LandscapeError(
                f"{pair} are measured on other samples; build their objectives over the same ones"
            )
