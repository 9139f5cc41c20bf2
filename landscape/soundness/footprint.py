"""How much memory one sample takes in its way through a network, known before anything is computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from landscape import budget, trees
from landscape.errors import LandscapeError
from landscape.forward.swapping import Slots
from landscape.mean_loss import MeanLoss
from landscape.network import evaluating

_LARGE = 2**20  # values of a sample from which it is asked; images of 512×512 have fewer
_SHARE = 64  # of what an input may take, one feature map of one sample may be this part: 256 MiB


def require_fitting(objective: MeanLoss) -> None:
    """Refuse samples whose feature maps are far larger than those of any network they were made for.

    An image of a few megabytes on disk takes gigabytes, and minutes, in a network for small ones.

    Raises:
        LandscapeError: If one layer's output for one sample takes more than a 64th of what an input may.
    """
    samples, most = objective.samples, budget.allowed() // _SHARE
    if samples.numbers() < _LARGE:
        return
    largest = largest_output(objective)
    if largest > most:
        shape = ", ".join(str(tuple(leaf.shape[1:])) for leaf in trees.leaves(samples.inputs))
        raise LandscapeError(
            f"one sample of shape {shape} from {samples.source} takes {largest:,} bytes in one layer of "
            f"{objective.network.name}, and up to {most:,} are allowed; resize the images to those the "
            f"network was trained on, or give --max-input {-(-largest * _SHARE // 2**30)}GiB"
        )


def largest_output(objective: MeanLoss) -> int:
    """Bytes of the largest tensor that an operation gives for one sample; 0 where that cannot be told."""
    module = objective.network.module
    state = {**objective.parameters, **objective.forward.buffers}
    shapes = {name: value.to("meta") for name, value in state.items()}
    sizes = _Sizes()

    def outline(leaf: Any) -> Tensor:
        real = leaf.is_floating_point() or leaf.dtype == torch.uint8  # bytes of images come in 0 … 1
        dtype = objective.dtype if real else leaf.dtype
        return torch.empty(1, *leaf.shape[1:], dtype=dtype, device="meta")

    try:
        with Slots(module).holding(shapes), evaluating(module), torch.no_grad(), sizes:
            inputs, targets = trees.mapped(outline, (objective.samples.inputs, objective.samples.targets))
            objective.task.run(module, objective.task.batch(inputs, targets))
    except Exception:  # code of the user's that needs values; what was met until there counts
        pass
    return sizes.largest


class _Sizes(TorchDispatchMode):
    """Watches operations on tensors that have shapes alone.

    Attributes:
        largest: Bytes of the largest tensor so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = function(*args, **(kwargs or {}))
        for each in found if isinstance(found, tuple | list) else (found,):
            if isinstance(each, Tensor):
                self.largest = max(self.largest, each.nbytes)
        return found
