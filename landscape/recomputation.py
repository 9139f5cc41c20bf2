"""Segments that a network recomputes in the backward pass, run directly instead.

Activation checkpointing runs a segment again when gradients are taken. By then the module holds its own
weights again, so that the gradient would belong to a network of two sets of weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.nn.utils import parametrize
from torch.utils import checkpoint


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
