"""BatchNorm layers: which there are, and their statistics while they are estimated anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """Every BatchNorm layer."""
    return [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]


@contextmanager
def batch_statistics(module: nn.Module, wanted: bool) -> Iterator[None]:
    """BatchNorm in training mode while open, within a module in eval mode."""
    layers = batch_norms(module) if wanted else []
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False


@contextmanager
def collecting(module: nn.Module) -> Iterator[None]:
    """Running statistics are plain means while open; the layers' momenta are put back."""
    layers = batch_norms(module)
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = None
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def statistics(module: nn.Module) -> list[dict[str, float]]:
    """Of every BatchNorm the names of its statistics, with what it resets them to."""
    layers = {id(layer) for layer in batch_norms(module)}
    return [
        {
            f"{prefix}.{key}" if prefix else key: value
            for key, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0))
            if layer._buffers.get(key) is not None
        }
        for prefix, layer in module.named_modules()
        if id(layer) in layers
    ]
