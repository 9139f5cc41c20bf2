"""The protocol as a user states it, and how it becomes samples and an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from landscape import data
from landscape.data.pictures import shaped_for
from landscape.errors import ArgumentError, LandscapeError
from landscape.network import Network
from landscape.objective import Objective
from landscape.protocol import FIELDS, DataSpec, Protocol
from landscape.samples import Samples


@dataclass(frozen=True, kw_only=True)
class Settings(DataSpec, Protocol):
    """One protocol with its samples, shared by every analysis; fields as in `landscape.protocol`."""

    def load_samples(self) -> Samples:
        """The samples of this protocol.

        Raises:
            DataError: If the data set cannot be read or does not hold that many.
        """
        samples = data.load(self.data, self.split, self.samples if self.sample_seed is None else 0)
        count = min(self.samples, len(samples)) if self.at_most else self.samples
        if count:
            samples = samples.take(count, seed=self.sample_seed)
        samples = replace(samples, workers=self.workers)
        return samples if self.augment is None else samples.augmented(self.augment)

    def objective(self, network: Network, samples: Samples | None = None) -> Objective:
        """The objective of a network under this protocol.

        Args:
            network: What to measure.
            samples: Already loaded samples of this protocol; loaded if left out.

        Raises:
            LandscapeError: If the device is not to be had, or the network does not fit the samples.
        """
        samples = shaped_for(samples if samples is not None else self.load_samples(), network.shaping)
        fields = {name: getattr(self, name) for name in FIELDS} | {"device": resolve_device(self.device)}
        objective = Objective(network.normalised_for(samples, self.normalisation), samples, **fields)
        objective.checked("value", report=True)
        return objective


def resolve_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one.

    Raises:
        LandscapeError: If the device is unknown or absent.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ArgumentError(f"unknown device {name!r}; choose auto, cpu or cuda[:i]") from error
    if device.type not in ("cpu", "cuda"):
        raise ArgumentError(f"landscape does not compute on {name!r}; choose auto, cpu or cuda[:i]")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise LandscapeError("this machine has no usable CUDA device; choose --device cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise LandscapeError(f"there is no {name}, this machine has {torch.cuda.device_count()} CUDA devices")
    return device


def network_record(network: Network) -> dict[str, Any]:
    """What a result says of its network."""
    return {
        "name": network.name,
        "path": str(network.path) if network.path else None,
        "sha256": network.sha256,
        "architecture": network.architecture,
        "parameters": network.parameter_count(),
        "config": network.config,
        "surgery": network.surgery,
        "training": _training_record(network.training),
    }


def _training_record(training: Mapping[str, Any]) -> dict[str, Any]:
    """What of a checkpoint's own record makes two networks comparable: recipe, images, epochs done."""
    recipe, data, history = (training.get(name) for name in ("recipe", "data", "history"))
    if not isinstance(recipe, dict):
        return {}
    record: dict[str, Any] = {"recipe": recipe}
    if isinstance(history, list):
        record["done"] = len(history)
    if isinstance(data, dict):
        record["images"] = data.get("samples")
    return record
