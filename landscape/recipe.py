"""How to train: the optimizer, its schedule, and what is done to images and targets on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.errors import ArgumentError
from landscape.randaugment import randaugmented

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
_USUAL = {"sgd": (0.1, 5e-4), "adamw": (1.25e-4, 0.05)}
"""Learning rate and weight decay of each optimizer, as in the two papers."""
_SCHEDULES = ("one-cycle", "step", "cosine")
_WARM_UP = 5
_LATER = ("optimizer", "randaugment", "mixup", "cutmix", "label_smoothing", "warm_up")
"""Fields that records of version 0.1 do not have; their defaults are what it did."""


@dataclass(frozen=True)
class Recipe:
    """One way to train; nothing else changes from network to network.

    Attributes:
        epochs: Passes over the training set.
        batch_size: Images a step; the last, incomplete batch of an epoch is used too.
        learning_rate: Peak of the schedule; left out, the usual one of the optimizer (0.1, or 1.25·10⁻⁴).
        momentum: Momentum of SGD.
        weight_decay: On every parameter; left out, the usual one of the optimizer (5·10⁻⁴, or 0.05).
        schedule: `one-cycle` rises linearly for a fifth of the steps and falls linearly to zero; `step` warms
            up for one epoch and multiplies by 0.2 after 30, 60 and 80 % of the epochs; `cosine` warms up for
            5 epochs (at most a tenth of all) and falls to zero as half a cosine.
        augment: Random crop (4 pixels of padding) and horizontal flip.
        precision: `float32`, or `bfloat16` for the arithmetic of forward and backward passes.
        seed: Random seed of weights, order, augmentation and dropout.
        optimizer: `sgd`, with momentum, or `adamw` (Loshchilov & Hutter 2019).
        randaugment: Magnitude of RandAugment from 0 to 30, two operations an image; 0 leaves it out.
        mixup: α of the Beta distribution of mixup (Zhang et al. 2018); 0 leaves it out.
        cutmix: α of CutMix (Yun et al. 2019); 0 leaves it out. With both, each batch takes one of the two.
        label_smoothing: Share of the target that is spread over all classes.
        warm_up: Epochs of linear warm-up of `step` and `cosine` that replace their own; 0 leaves those.
    """

    epochs: int = 15
    batch_size: int = 128
    learning_rate: float | None = None
    momentum: float = 0.9
    weight_decay: float | None = None
    schedule: str = "one-cycle"
    augment: bool = True
    precision: str = "float32"
    seed: int = 0
    optimizer: str = "sgd"
    randaugment: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    warm_up: int = 0

    def __post_init__(self) -> None:
        choices = {"optimizer": tuple(_USUAL), "schedule": _SCHEDULES, "precision": tuple(PRECISIONS)}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ArgumentError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(known)}")
        for name, usual in zip(("learning_rate", "weight_decay"), _USUAL[self.optimizer], strict=True):
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual)
        if self.epochs < 1 or self.batch_size < 1:
            raise ArgumentError(
                f"epochs and batch size must be at least 1, got {self.epochs} and {self.batch_size}"
            )
        if not 0 < self.peak < math.inf:
            raise ArgumentError(f"the learning rate must be positive and finite, got {self.learning_rate}")
        for name in ("momentum", "label_smoothing"):
            value, label = getattr(self, name), name.replace("_", " ")
            if not 0 <= value < 1:
                raise ArgumentError(f"the {label} must lie in [0, 1), got {value}")
        if self.warm_up and (self.schedule == "one-cycle" or not 0 < self.warm_up < self.epochs):
            raise ArgumentError(
                f"a warm-up takes one epoch or more of a step or cosine schedule, and fewer than all "
                f"{self.epochs}; got {self.warm_up} with {self.schedule}"
            )
        for name in ("weight_decay", "seed", "mixup", "cutmix"):
            if not 0 <= getattr(self, name) < math.inf:
                label = name.replace("_", " ")
                raise ArgumentError(f"the {label} must be finite and not negative, got {getattr(self, name)}")
        if not 0 <= self.randaugment <= 30:
            raise ArgumentError(f"the magnitude of RandAugment goes from 0 to 30, got {self.randaugment}")

    @property
    def peak(self) -> float:
        """Peak of the learning rate."""
        return float(self.learning_rate or 0)

    def to_dict(self) -> dict[str, Any]:
        """For records; what version 0.1 did not have is left out where it changes nothing."""
        usual = {each.name: each.default for each in fields(self) if each.name in _LATER}
        return {name: value for name, value in asdict(self).items() if usual.get(name, ...) != value}

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of a step, counted from 0."""
        total = self.epochs * steps_per_epoch
        if self.schedule == "one-cycle":
            peak = max(1, total // 5)
            return self.peak * min((step + 1) / peak, (total - step) / (total - peak + 1))
        if self.schedule == "cosine":
            warm = self.warm_up * steps_per_epoch or max(1, min(_WARM_UP * steps_per_epoch, total // 10))
            if step < warm:
                return self.peak * (step + 1) / warm
            return self.peak * 0.5 * (1 + math.cos(math.pi * (step + 1 - warm) / (total + 1 - warm)))
        warm_up = min(1.0, (step + 1) / (steps_per_epoch * (self.warm_up or 1)))
        drops = sum(step >= share * total for share in (0.3, 0.6, 0.8))
        return self.peak * warm_up * 0.2**drops

    def optimiser(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Of these parameters."""
        decay = float(self.weight_decay or 0)
        if self.optimizer == "adamw":
            return torch.optim.AdamW(parameters, self.peak, weight_decay=decay)
        return torch.optim.SGD(parameters, self.peak, self.momentum, weight_decay=decay)

    def changed(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """Images of a step under RandAugment, where the recipe has it.

        Raises:
            LandscapeError: If they are not RGB images of bytes.
        """
        return randaugmented(images, rng, self.randaugment) if self.randaugment else images

    def mixed(
        self, inputs: Tensor, targets: Tensor, classes: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step, mixed with those of other samples of it, where the recipe says so.

        Args:
            inputs: Shape (batch, channel, height, width).
            targets: Classes, shape (batch,).
            classes: Number of classes.
            rng: Decides partners, shares and areas.

        Returns:
            Inputs, and classes, or probabilities of shape (batch, class) where anything was mixed.
        """
        both = self.mixup > 0 and self.cutmix > 0
        cut = self.cutmix > 0 and (not both or rng.random() < 0.5)
        alpha = self.cutmix if cut else self.mixup
        if not alpha:
            return inputs, targets
        share = float(rng.beta(alpha, alpha))
        partners = torch.from_numpy(rng.permutation(len(inputs))).to(inputs.device)
        if cut:
            inputs, share = _cut(inputs, inputs[partners], share, rng)
        else:
            inputs = share * inputs + (1 - share) * inputs[partners]
        own = F.one_hot(targets, classes).to(inputs.dtype)
        return inputs, share * own + (1 - share) * own[partners]


def _cut(inputs: Tensor, others: Tensor, share: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """A rectangle of 1 − `share` of the area is of the others; the share that is left after its clipping."""
    height, width = inputs.shape[2:]
    side = math.sqrt(1 - share)
    centre = rng.random(2) * (height, width)
    reach = np.array([height, width]) * side / 2
    top, left = np.clip(np.round(centre - reach), 0, (height, width)).astype(int)
    bottom, right = np.clip(np.round(centre + reach), 0, (height, width)).astype(int)
    mixed = inputs.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)
