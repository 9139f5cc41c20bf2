"""Fast convolutions against torch's own: values, derivatives of three orders, and what is left alone."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._python_dispatch import TorchDispatchMode

from landscape.derivatives.operations import TwiceDifferentiable

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Geometry:
    """A convolution of a small map; the numbers differ so that no two can be mistaken for each other."""

    kernel: tuple[int, int] = (3, 3)
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    bias: bool = True
    channels: tuple[int, int] = (2, 4)
    size: tuple[int, int] = (5, 6)

    def tensors(self, layout: torch.memory_format = torch.contiguous_format) -> list[Tensor]:
        """Input, weight and bias, leaves."""
        generator = torch.Generator().manual_seed(0)
        inside, outside = self.channels
        shapes = [(2, inside, *self.size), (outside, inside // self.groups, *self.kernel), (outside,)]
        tensors = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
        laid = [t.contiguous(memory_format=layout) if t.dim() == 4 else t for t in tensors]
        return [t.requires_grad_() for t in laid[: 2 + self.bias]]

    def __call__(self, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        return F.conv2d(x, w, b, self.stride, self.padding, self.dilation, self.groups)


GEOMETRIES = {
    "plain": Geometry(),
    "no bias": Geometry(bias=False),
    "padded": Geometry(padding=1),
    "unequal": Geometry(kernel=(2, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
    "rows left over": Geometry(stride=2, padding=1, size=(6, 6), bias=False),
    "dilated": Geometry(dilation=2, padding=2),
    "grouped": Geometry(groups=2, padding=1),
    "depth-wise": Geometry(groups=2, channels=(2, 2), bias=False),
    "one by one": Geometry(kernel=(1, 1)),
    "one by one, strided": Geometry(kernel=(1, 1), stride=2, bias=False),
    "one channel": Geometry(channels=(1, 1), padding=1),
    "one pixel": Geometry(size=(3, 3)),
}
every_geometry = pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
both_layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def derivatives(geometry: Geometry, layout: torch.memory_format, orders: int) -> list[Tensor]:
    """Output, and derivatives of a function that none of the tensors enters linearly, order by order."""
    tensors = geometry.tensors(layout)
    found = [geometry(*tensors)]
    scalar = found[0].pow(3).sum()
    for order in range(orders):
        gradients = torch.autograd.grad(scalar, tensors, create_graph=True)
        found += gradients
        weights = torch.Generator().manual_seed(order + 1)
        scalar = sum((g * torch.randn(g.shape, generator=weights, dtype=g.dtype)).sum() for g in gradients)
    return found


@every_geometry
@both_layouts
def test_three_orders_of_derivatives_equal_torchs(geometry: Geometry, layout: torch.memory_format):
    expected = derivatives(geometry, layout, orders=3)
    with TwiceDifferentiable():
        actual = derivatives(geometry, layout, orders=3)
    assert "_Convolution" in actual[0].grad_fn.name()
    for ours, theirs in zip(actual, expected, strict=True):
        scale = max(1.0, float(theirs.detach().abs().max()))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12 * scale)


@every_geometry
def test_derivatives_are_those_of_finite_differences(geometry: Geometry):
    tensors = geometry.tensors()
    with TwiceDifferentiable():
        assert gradcheck(geometry, tensors, fast_mode=True)
        assert gradgradcheck(geometry, tensors, fast_mode=True)


@pytest.mark.parametrize("name", ["unequal", "grouped"])
def test_every_entry_of_the_derivatives(name: str):
    """The full Jacobians, where a random projection might miss something."""
    small = GEOMETRIES[name]
    tensors = small.tensors(torch.channels_last)
    with TwiceDifferentiable():
        assert gradcheck(small, tensors)
        assert gradgradcheck(small, tensors)


@both_layouts
@pytest.mark.parametrize("chosen", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)])
def test_derivatives_of_some_of_the_tensors(layout: torch.memory_format, chosen: tuple[int, ...]):
    """Others either need no gradient, or are not asked for."""
    geometry = GEOMETRIES["unequal"]

    def second(fast: bool, detached: bool) -> list[Tensor]:
        tensors = geometry.tensors(layout)
        if detached:
            tensors = [t if i in chosen else t.detach() for i, t in enumerate(tensors)]
        asked = [tensors[i] for i in chosen]
        with TwiceDifferentiable() if fast else torch.enable_grad():
            scalar = geometry(*tensors).pow(3).sum()
            first = torch.autograd.grad(scalar, asked, create_graph=True)
            again = torch.autograd.grad(sum(g.square().sum() for g in first), asked)
        return [*first, *again]

    expected = second(fast=False, detached=False)
    for detached in (False, True):
        for ours, theirs in zip(second(fast=True, detached=detached), expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-9)


class Calls(TorchDispatchMode):
    """Counts calls of torch's convolutions and their gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.forward, self.backward = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.forward += func is torch.ops.aten.convolution.default
        self.backward += func is torch.ops.aten.convolution_backward.default
        return func(*args, **(kwargs or {}))


def test_what_is_not_asked_for_is_not_computed():
    geometry = GEOMETRIES["padded"]
    x, w, b = geometry.tensors()
    with TwiceDifferentiable():
        y = geometry(x * 1, w * 1, b).pow(2).sum()
        with Calls() as calls:
            (by_w,) = torch.autograd.grad(y, w, create_graph=True)
        assert (calls.forward, calls.backward) == (0, 1)
        with Calls() as calls:
            torch.autograd.grad(by_w.sum(), w)  # through g alone
        assert (calls.forward, calls.backward) == (1, 1)
        outside = torch.ones(2, 4, 5, 6, dtype=torch.float64, requires_grad=True)
        (by_x,) = torch.autograd.grad(geometry(x * 1, w * 1, b), x, outside * 1, create_graph=True)
        for asked, counts in ((w, (0, 1)), (outside, (1, 0))):
            with Calls() as calls:
                torch.autograd.grad(by_x.sum(), asked, retain_graph=True)
            assert (calls.forward, calls.backward) == counts


def test_bias_gradient_sums_over_samples_and_pixels():
    geometry = GEOMETRIES["padded"]
    tensors = geometry.tensors()
    with TwiceDifferentiable():
        y = geometry(*tensors)
    (gradient,) = torch.autograd.grad(y.sum(), tensors[2])
    assert torch.equal(gradient, torch.full((4,), float(y[:, 0].numel()), dtype=torch.float64))


@both_layouts
def test_results_keep_the_layout_of_their_tensors(layout: torch.memory_format):
    """Or every product would convert feature maps back and forth."""
    geometry = GEOMETRIES["padded"]
    x, w, _ = geometry.tensors(layout)
    with TwiceDifferentiable():
        y = geometry(x, w.contiguous())
        by_x, by_w = torch.autograd.grad(y.pow(2).sum(), [x, w])
    for tensor in (y, by_x, by_w):
        assert tensor.is_contiguous(memory_format=layout)


def test_float32_layers_and_calls_by_name():
    torch_conv = nn.Conv2d(3, 4, 3, padding=1, groups=1)
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    with TwiceDifferentiable():
        ours = torch_conv(x)
        named = torch.conv2d(input=x, weight=torch_conv.weight, bias=torch_conv.bias, padding=(1, 1))
    assert "_Convolution" in ours.grad_fn.name()
    assert torch.equal(ours, torch_conv(x))
    assert torch.equal(named, ours)
    assert ours.dtype == torch.float32


def test_other_convolutions_go_the_usual_way():
    x = torch.randn(2, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    w = torch.randn(4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    expected = {
        "string padding": lambda: F.conv2d(x, w, padding="same"),
        "no batch": lambda: F.conv2d(x[0], w),
        "transposed": lambda: F.conv_transpose2d(x, w.transpose(0, 1)),
        "one dimension": lambda: F.conv1d(x[:, :, 0], w[..., 0]),
        "three dimensions": lambda: F.conv3d(x[None], w[None, :2, :2]),
        "complex": lambda: F.conv2d(x + 1j * x.flip(2), w + 1j * w.flip(2)),
        "no convolution": lambda: F.linear(x, w[0, 0].new_ones(5, 6)),
    }
    for name, call in expected.items():
        with TwiceDifferentiable():
            ours = call()
        assert "_Convolution" not in ours.grad_fn.name(), name
        assert torch.equal(ours, call()), name
        with TwiceDifferentiable():
            assert torch.autograd.grad(ours.abs().sum(), x)[0].isfinite().all(), name


def test_nothing_is_replaced_afterwards():
    x, w, b = GEOMETRIES["plain"].tensors()
    with pytest.raises(RuntimeError), TwiceDifferentiable():
        F.conv2d(x, w[:, :1], b)
    assert "_Convolution" not in F.conv2d(x, w, b).grad_fn.name()


GUARD = "libc_malloc_debug.so.0"
STRIDED = """
import torch
from landscape.derivatives.convolution import conv2d
for channels in range(2, 9):
    x = torch.randn(8, channels, 32, 32).contiguous(memory_format=torch.channels_last)
    w = torch.randn(4, channels, 1, 1, requires_grad=True)
    y = conv2d(x.requires_grad_(), w, None, 2).square().sum()
    first = torch.autograd.grad(y, (x, w), create_graph=True)
    torch.autograd.grad(sum(each.square().sum() for each in first), (x, w))
"""


def test_strided_convolutions_of_single_pixels_keep_to_their_memory():
    # PyTorch 2.13 on processors without AVX-512 wrote beyond it, and broke whatever lay behind.
    checked = os.environ | {"LD_PRELOAD": GUARD, "MALLOC_CHECK_": "3", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", STRIDED], env=checked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
