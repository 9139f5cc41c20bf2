"""A second device without hardware: PyTorch's private-use backend, written in Python, computing on the CPU.

To PyTorch its tensors are on a device called "card": what mixes them with tensors of the host, or looks at
their values, is an operation that can be seen. The numbers are those of the CPU. Registering is for the whole
process, so that audits run in one of their own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "card"


class _Module(_DummyBackendModule):
    """What `torch.card` holds."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        pass

    def synchronize(self, device: Any = None) -> None:
        pass


class Card(Tensor):
    """A tensor of the device; `held` has its numbers, on the CPU."""

    held: Tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __new__(cls, held: Tensor) -> Card:
        made = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=torch.device(NAME, 0),
        )
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"Card({self.held!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        target = kwargs.get("device")
        stays = target is None or torch.device(target).type == NAME
        found = func(*_held(args), **_held(kwargs))
        found = tree_map(lambda leaf: Card(leaf) if stays and isinstance(leaf, Tensor) else leaf, found)
        return return_and_correct_aliasing(func, args, kwargs, found) if stays else found


class Simulated(TorchDispatchMode):
    """While open, tensors can be made on the card and copied to it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        target = kwargs.get("device")
        mine = any(isinstance(each, Card) for each in tree_leaves((args, kwargs)))
        if mine or target is None or torch.device(target).type != NAME:
            return func(*args, **kwargs)
        return tree_map(
            lambda leaf: Card(leaf) if isinstance(leaf, Tensor) else leaf, func(*args, **_held(kwargs))
        )


def register() -> None:
    """Make the device known to PyTorch, once a process."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())


def _held(tree: Any) -> Any:
    def plain(leaf: Any) -> Any:
        if isinstance(leaf, Card):
            return leaf.held
        if isinstance(leaf, torch.device) and leaf.type == NAME:
            return torch.device("cpu")
        return leaf

    return tree_map(plain, tree)
