"""What training leaves on its way: its path, and networks that are half trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from landscape.analyses.compare import kept_result
from landscape.analyses.settings import Settings
from landscape.analyses.stamping import protocol
from landscape.analyses.trajectories import trajectory
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import attribute, differences, save


def kept(folder: str | Path, name: str) -> list[Path]:
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


def path(networks: Sequence[Network], settings: Settings, folder: str | Path) -> xr.Dataset:
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
    if (stored := kept_result(place)) is not None and _same(stored, objectives):
        return stored
    found = trajectory(objectives)
    save(found, place)
    return found


def _same(stored: xr.Dataset, objectives: Sequence[Objective]) -> bool:
    """Whether a stored path is of these files under this protocol."""
    before = attribute(stored, "protocol")
    listed = [each["sha256"] for each in before["options"]["checkpoints"]]
    now = protocol(objectives[-1], before["options"])
    return listed == [each.network.sha256 for each in objectives] and not differences(before, now)
