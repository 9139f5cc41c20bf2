"""torchvision's and timm's networks, imported so that they run beside the CPU build of torch."""

from typing import Any

import pytest
import torch

_HOW = "torchvision and timm are not installed beside this Python; `make networks` runs these tests with them"

# torchvision's compiled library is built for CUDA and does not load beside torch's CPU build. Two of its
# operators are then missing, for which torchvision registers a shape function as it is imported.
_OPERATORS = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

models: Any = pytest.importorskip("torchvision.models", reason=_HOW)
timm: Any = pytest.importorskip("timm", reason=_HOW)
