"""What the stride of a fixed filter drops: the filter's output at stride one, found operator by operator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from landscape.layout import Follow, MapLayout


class Strides(Follow):
    """Follows a pass, and keeps what the last fixed filter with a stride gives at stride one.

    A fixed filter is a depthwise convolution with the same filter for every channel, as blur pooling of timm,
    antialiased-cnns and kornia run it, or average pooling. A strided slice of a tensor counts as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: tuple[int, Tensor, MapLayout, int] | None = None
        self._slices: set[int] = set()

    def of(self, given: Tensor, output: Tensor) -> tuple[Tensor, int] | None:
        """The map that a layer's own stride subsampled to this output, and the factor; asked for once.

        Args:
            given: What the layer read, which is no map of its own making.
            output: What it gave.
        """
        last, self._last = self._last, None
        if last is None or last[0] != output.data_ptr() or last[1].data_ptr() == given.data_ptr():
            return None
        maps = last[2].to_map(last[1])
        return None if maps is None else (maps, last[3])

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, and once more at stride one if it is such a filter."""
        out = super().__torch_dispatch__(func, types, args, kwargs)
        name = func._schema.name.partition("::")[2]
        if name == "slice":
            self._note_slice(args, out)
        finer, factor = _at_stride_one(name, args)
        if finer is not None:
            found = super().__torch_dispatch__(func, types, finer, kwargs)
            layout = self.map_layout(found)
            self._last = (out.data_ptr(), found, layout, factor) if layout else None
        return out

    def _note_slice(self, args: Any, out: Tensor) -> None:
        step = args[4] if len(args) > 4 else 1
        layout = self.map_layout(args[0])
        if step == 1 or layout is None:
            return
        second = self._last is not None and self._last[0] == args[0].data_ptr() == out.data_ptr()
        if not second:  # rows first, then columns of the same map
            self._last = (out.data_ptr(), args[0], layout, step)


def _at_stride_one(name: str, args: Any) -> tuple[Any, int]:
    """Arguments of a fixed filter with its stride replaced by one, and the stride; None for anything else."""
    if name == "convolution":
        given, weight, stride, transposed, groups = args[0], args[1], args[3], args[6], args[8]
        depthwise = weight.dim() == 4 and weight.shape[1] == 1 and weight.shape[0] == groups == given.shape[1]
        if (
            depthwise
            and not transposed
            and max(stride) > 1
            and torch.equal(weight, weight[:1].expand_as(weight))
        ):
            return (*args[:3], [1] * len(stride), *args[4:]), max(stride)
    if name == "avg_pool2d":
        kernel, stride = args[1], (args[2] if len(args) > 2 else None) or args[1]
        if max(stride) > 1:
            return (args[0], kernel, [1, 1], *args[3:]), max(stride)
    return None, 1
