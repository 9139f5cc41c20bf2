"""Two-dimensional convolutions whose derivatives of every order are again plain convolutions.

PyTorch computes the second derivative of a convolution with respect to its weight as a convolution whose
kernel is as large as the feature map, several times slower than the weight gradient that it equals. A
convolution y = x ∗ w, its input gradient and its weight gradient are the three partial derivatives of one
trilinear form ⟨g, x ∗ w⟩; here each one's backward pass is written with the other two.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.modules.utils import _pair

_Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor:
    """`torch.conv2d`, differentiable any number of times at full speed."""
    if isinstance(padding, str) or input.dim() != 4 or input.is_complex():
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    geometry = (_pair(stride), _pair(padding), _pair(dilation), groups)
    return _Convolution.apply(input, weight, bias, geometry)


class _Convolution(Function):
    """(x, w, b) → x ∗ w + b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry = geometry
        stride, padding, dilation, groups = geometry
        return torch.conv2d(x, _laid_out(w, x), b, stride, padding, dilation, groups)

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        (g,) = outputs
        x, w = ctx.saved_tensors
        needs_x, needs_w, *needs_b = _wanted(ctx, 3)  # an absent bias has no entry
        return (
            _InputGradient.apply(g, w, x.shape, ctx.geometry) if needs_x else None,
            _WeightGradient.apply(g, x, w.shape, ctx.geometry) if needs_w else None,
            g.sum((0, 2, 3)) if any(needs_b) else None,
            None,
        )


class _InputGradient(Function):
    """(g, w) → ∂⟨g, x ∗ w⟩/∂x, which does not depend on x."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, w: Tensor, shape: torch.Size, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(g, w)
        ctx.geometry = geometry
        layout = _layout(g) if _is_strict(g) else _layout(w)
        g = g.contiguous(memory_format=layout)
        x = torch.empty(shape, dtype=g.dtype, device=g.device, memory_format=layout)
        return _gradients(g, x, w.contiguous(memory_format=layout), geometry, (True, False, False))[0]

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        (u,) = outputs
        g, w = ctx.saved_tensors
        needs_g, needs_w = _wanted(ctx, 2)
        return (
            _Convolution.apply(u, w, None, ctx.geometry) if needs_g else None,
            _WeightGradient.apply(g, u, w.shape, ctx.geometry) if needs_w else None,
            None,
            None,
        )


class _WeightGradient(Function):
    """(g, x) → ∂⟨g, x ∗ w⟩/∂w, which does not depend on w."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, x: Tensor, shape: torch.Size, geometry: _Geometry) -> Tensor:
        ctx.save_for_backward(g, x)
        ctx.geometry = geometry
        layout = _layout(x)
        stride, padding, dilation, groups = geometry
        if shape[2:] == (1, 1) and not any(padding):
            # The rest is not read; with strides and 2 to 7 channels last, oneDNN writes beyond its memory.
            x, geometry = x[:, :, :: stride[0], :: stride[1]], ((1, 1), padding, dilation, groups)
        w = torch.empty(shape, dtype=g.dtype, device=g.device, memory_format=layout)
        g, x = (each.contiguous(memory_format=layout) for each in (g, x))
        return _gradients(g, x, w, geometry, (False, True, False))[1]

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> Any:
        (u,) = outputs
        g, x = ctx.saved_tensors
        needs_g, needs_x = _wanted(ctx, 2)
        return (
            _Convolution.apply(x, u, None, ctx.geometry) if needs_g else None,
            _InputGradient.apply(g, u, x.shape, ctx.geometry) if needs_x else None,
            None,
            None,
        )


def _wanted(ctx: Any, count: int) -> list[bool]:
    """Which of the first inputs' derivatives this backward pass goes on with; autograd says which could.

    It saves a third of a Gauss–Newton product. Leaves cannot be asked for; they count as wanted.
    """

    def executed(node: Any) -> bool:
        return node.name().endswith("AccumulateGrad") or torch._C._will_engine_execute_node(node)

    pairs = zip(ctx.needs_input_grad[:count], ctx.next_functions, strict=False)
    return [needed and executed(node) for needed, (node, _) in pairs]


def _gradients(g: Tensor, x: Tensor, w: Tensor, geometry: _Geometry, mask: tuple[bool, bool, bool]) -> Any:
    stride, padding, dilation, groups = geometry
    return torch.ops.aten.convolution_backward(
        g, x, w, None, stride, padding, dilation, False, (0, 0), groups, mask
    )


def _layout(tensor: Tensor) -> torch.memory_format:
    last = tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def _is_strict(tensor: Tensor) -> bool:
    """Whether the strides tell the layout: with one channel or one pixel, or expanded, they do not."""
    return tensor.is_contiguous() != tensor.is_contiguous(memory_format=torch.channels_last)


def _laid_out(w: Tensor, x: Tensor) -> Tensor:
    """The weight in the layout of the input, or each product would convert the larger one."""
    return w.contiguous(memory_format=_layout(x))
