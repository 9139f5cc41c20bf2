"""What training leaves on its way: its path, and networks that are half trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from landscape.analyses.settings import Settings, network_record
from landscape.analyses.trajectories import trajectory
from landscape.errors import ResultError
from landscape.network import Network
from landscape.results import attribute, load, save


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

    Args:
        networks: Of one training, in order.
        settings: Protocol of the losses.
        folder: Where to.
    """
    place = Path(folder) / "datasets" / networks[-1].name / "trajectory.zarr"
    if (stored := _stored(place)) is not None and _same(stored, networks):
        return stored
    samples = settings.load_samples()
    found = trajectory([settings.objective(network, samples) for network in networks])
    save(found, place)
    return found


def _stored(place: Path) -> xr.Dataset | None:
    try:
        return load(place)
    except ResultError:
        return None


def _same(stored: xr.Dataset, networks: Sequence[Network]) -> bool:
    listed = [each["sha256"] for each in attribute(stored, "protocol")["options"]["checkpoints"]]
    return listed == [network_record(network)["sha256"] for network in networks]
