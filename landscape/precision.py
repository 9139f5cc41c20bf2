"""Full precision for what is differentiated: TF32, bfloat16 and autocast would drown small eigenvalues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from landscape.errors import ArgumentError, LandscapeError


def evaluation_precision(device: torch.device, precision: str) -> AbstractContextManager:
    """The context for a forward pass in full or in a reduced precision, see `Protocol`."""
    if precision == "full":
        return full_precision(device)
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return _products("tf32")


def usable_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        LandscapeError: If there is none.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ArgumentError(f"the device is {name!r}; choose cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise LandscapeError(
            f"the device is {name!r}, and this machine has no usable CUDA device; choose cpu"
        )
    return device


def has_bfloat16() -> bool:
    """Whether this machine's processor computes in bfloat16, or PyTorch has to emulate it."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """IEEE float32 products and no autocast while open; the user's own settings are put back.

    A TF32 product keeps 10 bits of the factors' mantissas, so that its error, 5·10⁻⁴ of the largest
    eigenvalue, hides every eigenvalue below.
    """
    with _products("ieee"), torch.autocast(device.type, enabled=False):
        yield


@contextmanager
def differentiable() -> Iterator[None]:
    """Derivatives switched on while open, whatever `no_grad` or `inference_mode` a caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def usable(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor; a copy of one made in inference mode, which could take no part in derivatives."""
    return tensor.clone() if tensor.is_inference() else tensor


@contextmanager
def _products(precision: str) -> Iterator[None]:
    """How float32 products are computed while open."""
    operations = _operations()
    before = [operation.fp32_precision for operation in operations]
    try:
        for operation in operations:
            operation.fp32_precision = precision
        yield
    finally:
        for operation, precision in zip(operations, before, strict=True):
            operation.fp32_precision = precision


def _operations() -> tuple[Any, ...]:
    backends: Any = torch.backends
    products = backends.cuda.matmul, backends.mkldnn.matmul
    return *products, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.conv, backends.mkldnn.rnn
