"""What a module is put into for one pass and taken out of again.

BatchNorm layers on other statistics; and segments that a network recomputes in the backward pass (activation
checkpointing), run directly instead: by the time gradients are taken the module holds its own weights again,
so that the gradient would belong to a network of two sets of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize
from torch.utils import checkpoint


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


@contextmanager
def one_attention() -> Iterator[None]:
    """Transformer layers run one way while open: without gradients PyTorch takes another, for inference.

    That one gives padded places other values, so that losses and derivatives would be of two functions.
    """
    usual = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(usual)


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


@contextmanager
def without_recomputation() -> Iterator[None]:
    """Run checkpointed segments once, and compute parametrised weights anew, while open.

    Both kinds of `torch.utils.checkpoint.checkpoint` call one of two names of its module, whoever imported
    it; `torch.nn.utils.parametrize.cached` would hand out the weights of an earlier pass.
    """
    changed: list[tuple[Any, str, Any]] = [
        (checkpoint, "_checkpoint_without_reentrant_generator", _nothing_around),
        (checkpoint, "CheckpointFunction", _Direct),
        (parametrize, "_cache_enabled", 0),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in changed if hasattr(module, name)]
    try:
        for module, name, value in changed:
            if hasattr(module, name):
                setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _nothing_around(*_args: Any, **_kwargs: Any) -> Iterator[None]:
    """In place of the generator around a segment, which would arrange for its recomputation."""
    yield


class _Direct:
    """In place of the autograd function of a reentrant segment."""

    @staticmethod
    def apply(function: Callable[..., Any], _preserve_random_state: bool, *args: Any) -> Any:
        return function(*args)
