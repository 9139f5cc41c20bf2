"""Samples as prepared micro-batches on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from landscape.samples import Samples

Batch = tuple[int, Tensor, Tensor]
"""Position of the first sample, inputs and targets of a micro-batch."""

_CACHE_BYTES = 2**28


class Batches:
    """Micro-batches of normalised inputs and targets, kept after the first pass where they are small enough.

    Attributes:
        size: Samples in each but the last.
    """

    def __init__(
        self,
        samples: Samples,
        prepare: Callable[[Tensor], Tensor],
        size: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Say what to iterate over.

        Args:
            samples: The samples.
            prepare: Images in [0, 1] → inputs of the network.
            size: Samples a micro-batch.
            device: Where they go.
            dtype: Their precision.
        """
        self.size = size
        self._samples, self._prepare, self._device, self._dtype = samples, prepare, device, dtype
        self._small = samples.inputs[0].numel() * dtype.itemsize * len(samples) <= _CACHE_BYTES
        self._kept: list[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        """Position of the first sample, inputs (images in channels_last) and targets of each micro-batch."""
        if self._kept is not None:
            yield from self._kept
            return
        kept = []
        for start in range(0, len(self._samples), self.size):
            inputs, targets = self._samples.batch(start, start + self.size, dtype=self._dtype)
            inputs = self._prepare(inputs).to(self._device)
            if inputs.dim() == 4:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            item = (start, inputs, targets.to(self._device))
            if self._small:
                kept.append(item)
            yield item
        self._kept = kept or None


def usual_micro_batch(samples: Samples, device: torch.device) -> int:
    """100 CIFAR images on a CPU, ten times as many elsewhere, fewer of larger images."""
    cifar = 3 * 32 * 32
    size = max(1, samples.inputs[0].numel())
    usual = 100 if device.type == "cpu" else 1000
    return max(1, min(len(samples), usual * max(1, cifar) // max(cifar, size)))
