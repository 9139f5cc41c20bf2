"""Full precision for what is differentiated: TF32, bfloat16 and autocast would drown small eigenvalues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """IEEE float32 products and no autocast while open; the user's own settings are put back.

    A TF32 product keeps 10 bits of the factors' mantissas, so that its error, 5·10⁻⁴ of the largest
    eigenvalue, hides every eigenvalue below.
    """
    operations = _operations()
    before = [operation.fp32_precision for operation in operations]
    try:
        for operation in operations:
            operation.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for operation, precision in zip(operations, before, strict=True):
            operation.fp32_precision = precision


def _operations() -> tuple[Any, ...]:
    backends: Any = torch.backends
    products = backends.cuda.matmul, backends.mkldnn.matmul
    return *products, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.conv, backends.mkldnn.rnn
