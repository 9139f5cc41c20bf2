"""Every analysis of several networks under one protocol; what is already there is not computed again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from landscape.analyses.recipes import recipe
from landscape.analyses.settings import Settings
from landscape.analyses.stamping import protocol
from landscape.errors import LandscapeError, ResultError
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import attribute, differences, load, save
from landscape.work import Progress, silent

Results = dict[str, dict[str, xr.Dataset]]
"""Network name → name of the result, its kind by default → dataset."""


@dataclass(frozen=True)
class Measurement:
    """One analysis of the comparison.

    Attributes:
        kind: Kind of result.
        settings: Its protocol.
        options: Options of its recipe.
        stochastic: Whether it says anything of networks with MC dropout alone; others are passed over.
        name: What the result is called where several of one kind are measured; its kind by default.
    """

    kind: str
    settings: Settings
    options: Mapping[str, Any] = field(default_factory=dict)
    stochastic: bool = False
    name: str = ""

    @property
    def label(self) -> str:
        """Its name among the results of a network."""
        return self.name or self.kind


def plan(
    settings: Settings,
    *,
    predictions: int = 0,
    maps: int = 256,
    batch_size: int = 128,
    batches: int = 0,
    span: float = 1.0,
    steps: int = 21,
    directions: int = 10,
    draws: int = 4,
    passes: int = 10,
) -> list[Measurement]:
    """What a comparison measures, from one protocol.

    The loss surface and the Hessian spectrum use the settings' own split, as in the papers the training set;
    predictions and feature maps use the test set.

    Args:
        settings: The common protocol; its samples are the surface's.
        predictions: Test images for the predictions; 0 takes all.
        maps: Test images for the feature maps.
        batch_size: Samples a mini-batch of the Hessian spectrum.
        batches: Mini-batches of the spectrum; 0 takes all that the surface's samples give.
        span: Half the side of the surface, in filter norms.
        steps: Points a side of the surface.
        directions: Random directions that the flatness is measured along.
        draws: Passes under fresh dropout masks for the model's variance.
        passes: Predictions of MC dropout whose spread is measured, on as many test images as the surface's.
    """
    # Numbers that were asked for are kept or refused; only the surface's usual number may shrink.
    test = dataclasses.replace(settings, split="test", augment=None, at_most=False)
    fresh = dataclasses.replace(test, dropout="fresh")
    whole = settings
    if batches:
        whole = dataclasses.replace(settings, samples=batch_size * batches, at_most=False)
    return [
        Measurement("evaluation", dataclasses.replace(test, samples=predictions)),
        Measurement("ensemble", dataclasses.replace(fresh, at_most=True), {"passes": passes}, True),
        Measurement("features", dataclasses.replace(fresh, samples=maps), {"draws": draws}),
        Measurement("spectrum", whole, {"batch_size": batch_size, "k": 1}),
        Measurement("surface", settings, {"span": span, "steps": steps}),
        Measurement("flatness", settings, {"repeats": directions, "radii": [0.1, 0.2]}),
    ]


def compare(
    networks: Sequence[Network],
    measurements: Sequence[Measurement],
    folder: str | Path,
    *,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> Results:
    """Measure each network in the same way and keep every dataset under ``FOLDER/datasets``.

    A result that is there already, of the same file under the same protocol, is read instead of computed, so
    that a comparison that was stopped goes on where it was.

    Args:
        networks: With names that differ.
        measurements: What to measure.
        folder: Where to.
        progress: Shows the work of each measurement.
        say: Receives a line before each measurement.

    Raises:
        LandscapeError: If two networks share a name.
    """
    names = [network.name for network in networks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LandscapeError(f"two networks are called {twice[0]!r}; rename a file, names label the figures")
    loaded = {m.label: m.settings.load_samples() for m in measurements}
    results: Results = {}
    for position, network in enumerate(networks, 1):
        for measurement in measurements:
            label = measurement.label
            objective = measurement.settings.objective(network, loaded[label])
            if measurement.stochastic and not objective.stochastic():
                continue
            say(f"[{position}/{len(networks)}] {network.name}: {label}")
            path = Path(folder) / "datasets" / network.name / f"{label}.zarr"
            results.setdefault(network.name, {})[label] = _measured(objective, measurement, path, progress)
    return results


def _measured(objective: Objective, measurement: Measurement, path: Path, progress: Progress) -> xr.Dataset:
    run = recipe(measurement.kind)
    stored = kept_result(path)
    if stored is not None and _matches(stored, objective, measurement):
        return stored
    dataset = run(objective, progress=progress, **measurement.options)
    save(dataset, path)
    return dataset


def kept_result(path: Path) -> xr.Dataset | None:
    """What lies there; None if nothing does, or it is damaged: measure it (again)."""
    try:
        return load(path)
    except ResultError:
        return None


def _matches(stored: xr.Dataset, objective: Objective, measurement: Measurement) -> bool:
    """Whether a stored result is of this file under this protocol."""
    before = attribute(stored, "protocol")
    # The recipe fills in its own defaults: only what was asked for here is compared.
    options = {key: before["options"].get(key) for key in measurement.options}
    now = protocol(objective, dict(measurement.options))
    then, network = attribute(stored, "network"), objective.network
    same_file = then["sha256"] == network.sha256 is not None
    # Smoothing that was put in changes the architecture, not the file.
    same = same_file and then["architecture"] == network.architecture
    return same and not differences({**before, "options": options}, now)
