"""The protocol as a user states it, and how it becomes samples and an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from landscape import data
from landscape.dropout import DropoutMode
from landscape.errors import LandscapeError
from landscape.forward import BatchNormMode
from landscape.losses import SampleLoss, cross_entropy
from landscape.network import Network
from landscape.objective import Objective
from landscape.samples import Normalisation, Samples

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Settings:
    """One protocol, shared by every analysis.

    Attributes:
        data: Data specification, see `landscape.data.load`.
        split: `train` or `test`.
        samples: How many; 0 takes all.
        at_most: Whether a data set with fewer samples is taken whole instead of refused.
        sample_seed: None takes the first ones in file order, a number draws that many with this seed.
        normalisation: Overrides the network's own and the data set's usual one.
        augment: Seed of a frozen crop and flip; None leaves the images clean.
        weight_decay: λ of the L2 term.
        dropout: `off`, `fixed`, `fresh` or `ensemble:N`.
        params: Pattern of the parameters that directions and derivatives run over; None takes those that are
            not frozen.
        batch_size: Micro-batch; 0 chooses.
        device: `auto`, `cpu` or `cuda[:i]`.
        dtype: `float32` or `float64`.
        seed: Of every random choice of an analysis.
        loss: Loss of each sample.
        batch_norm: `eval`, `batch` or `recalibrate`.
        precision: Of passes without derivatives: `full`, `bfloat16` or `tf32`.
    """

    data: str = "demo"
    split: str = "test"
    samples: int = 0
    at_most: bool = False
    sample_seed: int | None = None
    normalisation: Normalisation | None = None
    augment: int | None = None
    weight_decay: float = 0.0
    dropout: DropoutMode = "off"
    params: str | None = None
    batch_size: int = 0
    device: str = "auto"
    dtype: str = "float32"
    seed: int = 0
    loss: SampleLoss = cross_entropy
    batch_norm: BatchNormMode = "eval"
    precision: str = "full"

    def load_samples(self) -> Samples:
        """The samples of this protocol.

        Raises:
            DataError: If the data set cannot be read or does not hold that many.
        """
        samples = data.load(self.data, split=self.split)
        count = min(self.samples, len(samples)) if self.at_most else self.samples
        if count:
            samples = samples.take(count, seed=self.sample_seed)
        return samples if self.augment is None else samples.augmented(self.augment)

    def objective(self, network: Network, samples: Samples | None = None) -> Objective:
        """The objective of a network under this protocol.

        Args:
            network: What to measure.
            samples: Already loaded samples of this protocol; loaded if left out.

        Raises:
            LandscapeError: If the device or the precision is not to be had, or the network does not fit the
                samples.
        """
        samples = samples if samples is not None else self.load_samples()
        if self.dtype not in DTYPES:
            raise LandscapeError(f"dtype is {self.dtype!r}; choose one of {', '.join(DTYPES)}")
        objective = Objective(
            network.normalised_for(samples, self.normalisation),
            samples,
            loss=self.loss,
            weight_decay=self.weight_decay,
            dropout=self.dropout,
            seed=self.seed,
            params=self.params,
            micro_batch=self.batch_size,
            device=resolve_device(self.device),
            dtype=DTYPES[self.dtype],
            batch_norm=self.batch_norm,
            precision=self.precision,
        )
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
        raise LandscapeError(f"unknown device {name!r}; choose auto, cpu or cuda[:i]") from error
    if device.type not in ("cpu", "cuda"):
        raise LandscapeError(f"landscape does not compute on {name!r}; choose auto, cpu or cuda[:i]")
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
