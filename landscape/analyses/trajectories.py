"""The path of a training run: its checkpoints, their principal plane, and how it looks from its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landscape import surface
from landscape.analyses import checks
from landscape.analyses.compare import kept_result
from landscape.analyses.settings import Settings
from landscape.analyses.stamping import protocol, stamped
from landscape.connectivity.walk import require_one_architecture
from landscape.errors import ArgumentError
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import Check, attribute, differences, save
from landscape.results.checks import finite
from landscape.work import Progress, silent

_IN_PLANE = 0.5
"""Share of its distance from the end that every checkpoint must have in the plane."""


def trajectory(
    objectives: Sequence[Objective], *, centred: bool = False, progress: Progress = silent
) -> xr.Dataset:
    """Checkpoints of one training run, on their principal plane and in polar coordinates.

    The axes are the principal components around the last checkpoint (Li et al. 2018, section 7.2), the polar
    coordinates those of Park & Kim (ICLR 2022, Fig. 1). Each checkpoint's own loss is measured as well, with
    its own BatchNorm statistics.

    Args:
        objectives: One for each checkpoint, at least three, in the order of training, under one protocol.
        centred: Whether the components are about the checkpoints' mean, as in loss-landscape's code.
        progress: Counts the checkpoints.

    Returns:
        Dimension `checkpoint`: `x`, `y`, `off_plane` and `distance` (‖Δw‖), `radius`, `angle`, `nll`,
        `accuracy` and `name`; dimension `axis`: `explained_variance`; and the directions, so that a surface
        can be measured on the same plane.

    Raises:
        LandscapeError: If there are fewer than three, they do not fit each other, or span no plane.
    """
    if len(objectives) < 3:
        raise ArgumentError(f"a trajectory needs at least three checkpoints, got {len(objectives)}")
    require_one_architecture(objectives)
    last = objectives[-1]
    points = [objective.free for objective in objectives]
    directions, _ = surface.principal(points, centred=centred)
    options: dict[str, Any] = {
        "centred": centred,
        "directions": directions.describe(),
        "checkpoints": [_record(objective) for objective in objectives],
    }

    def measure() -> xr.Dataset:
        found = xr.merge([surface.project(points, directions), surface.polar(points)])
        losses, correct = zip(
            *(each.sample_losses() for each in progress(objectives, "trajectory", len(objectives))),
            strict=True,
        )
        nll = np.array([float(each.mean()) for each in losses])
        classes = {}
        if all(each is not None for each in correct):
            accuracy = np.array([float(each.double().mean()) for each in correct])
            classes = {"accuracy": ("checkpoint", accuracy, {"long_name": "accuracy"})}
        names = np.array([objective.network.name for objective in objectives], dtype=object)
        return found.assign(
            {
                "nll": ("checkpoint", nll, {"long_name": "negative log-likelihood", "units": "nats"}),
                **classes,
                "name": ("checkpoint", names),
                **surface.as_arrays(directions),
            }
        )

    return stamped("trajectory", last, options, measure, _checks)


def _record(objective: Objective) -> dict[str, Any]:
    network = objective.network
    return {"name": network.name, "sha256": network.sha256}


def _checks(dataset: xr.Dataset) -> list[Check]:
    return [finite("trajectory", dataset.x.values), _plane(dataset)]


def _plane(dataset: xr.Dataset) -> Check:
    """Whether at least half of every checkpoint's distance from the end lies in the plane.

    The share of the squared distances alone would hardly ever fail: it is that of the farthest checkpoints,
    and high for a random walk, too (compare Antognini & Sohl-Dickstein, NeurIPS 2018).
    """
    away = dataset.distance.values > 0
    beside = dataset.off_plane.values[away] / dataset.distance.values[away]
    shares = np.sqrt(np.clip(1 - beside**2, 0, 1))
    worst = int(shares.argmin())
    name, share = str(dataset["name"].values[away][worst]), float(shares[worst])
    explained = float(dataset.explained_variance.sum())
    text = f"The plane holds {100 * explained:.3g} % of the squared distances from the last checkpoint, and "
    text += f"at worst, of {name}, {100 * share:.3g} % of the distance."
    remedy = "It lies mostly off the plane: the loss beneath it is that of other weights."
    return checks.judged("plane", share >= _IN_PLANE, text, remedy)


def kept_checkpoints(folder: str | Path, name: str) -> list[Path]:
    """Checkpoints of a training in their order, as `landscape.train.train` keeps them; the last is the end.

    Args:
        folder: Where they lie.
        name: Of the network; its end is ``NAME.safetensors``, the others are ``NAME-epoch001.safetensors`` …

    Returns:
        Empty if too few were kept for a path.
    """
    end = Path(folder) / f"{name}.safetensors"
    on_the_way = sorted(Path(folder).glob(f"{name}-epoch[0-9][0-9][0-9].safetensors"))
    if len(on_the_way) < 3 or not end.exists():
        return []
    return [*on_the_way[:-1], end]  # the last one kept is the end, under another name


def saved_trajectory(networks: Sequence[Network], settings: Settings, folder: str | Path) -> xr.Dataset:
    """The path of a training, saved as ``FOLDER/datasets/NAME/trajectory.zarr``; read if it is there.

    One of other files, or of another protocol, is measured again.

    Args:
        networks: Of one training, in order.
        settings: Protocol of the losses.
        folder: Where to.
    """
    place = Path(folder) / "datasets" / networks[-1].name / "trajectory.zarr"
    samples = settings.load_samples()
    objectives = [settings.objective(network, samples) for network in networks]
    if (stored := kept_result(place)) is not None and _same_files(stored, objectives):
        return stored
    found = trajectory(objectives)
    save(found, place)
    return found


def _same_files(stored: xr.Dataset, objectives: Sequence[Objective]) -> bool:
    """Whether a stored path is of these files under this protocol."""
    before = attribute(stored, "protocol")
    listed = [each["sha256"] for each in before["options"]["checkpoints"]]
    now = protocol(objectives[-1], before["options"])
    return listed == [each.network.sha256 for each in objectives] and not differences(before, now)
