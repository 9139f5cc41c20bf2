"""Samples as prepared micro-batches on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from landscape import trees
from landscape.forward.swapping import as_real
from landscape.memory import spare
from landscape.precision import differentiable, usable
from landscape.samples import Samples
from landscape.trees import Tree

Batch = tuple[int, Tree, Tree]
"""Position of the first sample, inputs and targets of a micro-batch; tensors, or trees of them."""

_CACHE_BYTES = 2**28


class Batches:
    """Micro-batches of normalised inputs and targets, kept after the first pass where they are small enough.

    Attributes:
        size: Samples in each but the last.
    """

    def __init__(
        self,
        samples: Samples,
        prepare: Callable[[Tree], Tree],
        size: int,
        device: torch.device,
        dtype: torch.dtype,
        *,
        channels_last: bool = True,
        given: Callable[[Tree, Tree], Tree] = lambda inputs, targets: inputs,
    ) -> None:
        """Say what to iterate over.

        Args:
            samples: The samples.
            prepare: Images in [0, 1] → inputs of the network.
            size: Samples per micro-batch.
            device: Where they go.
            dtype: Precision of what is floating-point.
            channels_last: How images are laid out.
            given: Inputs and targets → what the network is given, see `landscape.tasks.Task.batch`.
        """
        self.size = size
        self._samples, self._prepare, self._device, self._dtype = samples, prepare, device, dtype
        self._channels_last, self._given = channels_last, given
        self._small = samples.numbers() * dtype.itemsize * len(samples) <= spare(device, _CACHE_BYTES)
        self._kept: list[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        """Position of the first sample, inputs and targets of each micro-batch."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Batch] = []
        for start, inputs, targets in self._samples.batches(self.size, dtype=self._dtype):
            with torch.inference_mode(False):
                prepared = self._prepare(inputs), targets
                inputs, targets = trees.mapped(lambda leaf: _sent(leaf, self._device), prepared)
                item = (start, laid_out(self._given(inputs, targets), self._channels_last), targets)
            if self._small:
                kept.append(item)
            yield item
        self._kept = kept or None


def _sent(leaf: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; to a GPU out of pinned memory, so that the host goes on meanwhile."""
    if device.type != "cuda" or leaf.is_cuda:
        return leaf.to(device)
    return leaf.pin_memory().to(device, non_blocking=True)


def laid_out(tree: Tree, channels_last: bool) -> Tree:
    """Images and weights of convolutions with the channels last or in the usual layout; others as is."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    if isinstance(tree, Tensor):
        return tree.contiguous(memory_format=layout) if tree.dim() == 4 else tree
    return trees.mapped(lambda leaf: laid_out(leaf, channels_last), tree)


def as_working(
    value: Tensor,
    *,
    device: torch.device,
    dtype: torch.dtype,
    channels_last: bool = True,
    real: bool = True,
) -> Tensor:
    """A parameter or buffer as passes use it, a detached copy or view.

    Args:
        value: Any tensor.
        device: Where to.
        dtype: Precision of what is floating-point.
        channels_last: How images and weights of convolutions are laid out.
        real: Whether complex numbers become pairs of reals.
    """
    with differentiable():
        value = usable(value.detach())
        if value.is_complex():
            complex_dtype = torch.complex64 if dtype == torch.float32 else torch.complex128
            value = as_real(value) if real else value.to(complex_dtype)
        value = value.to(device, dtype if value.is_floating_point() else value.dtype)
        return laid_out(value, channels_last)


def even(count: int, most: int) -> int:
    """Size of micro-batches of at most so many samples, all about equal: a small last one would be slow."""
    return -(-count // max(-(-count // most), 1))


def usual_micro_batch(samples: Samples, device: torch.device) -> int:
    """100 CIFAR images on a CPU, ten times as many elsewhere, fewer of larger images."""
    cifar = 3 * 32 * 32
    size = max(1, samples.numbers())
    usual = 100 if device.type == "cpu" else 1000
    return max(1, min(len(samples), usual * max(1, cifar) // max(cifar, size)))
