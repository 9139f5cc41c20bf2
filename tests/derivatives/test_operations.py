"""Second derivatives of PyTorch's own operations: which are missing or wrong, and what stands in for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrizations

from landscape.derivatives.operations import REPLACEMENTS, TwiceDifferentiable, _without_cudnn
from landscape.hessian import Operator
from landscape.objective import Objective

CLASSES = torch.tensor([0, 3, 2, 5])
LABELS = torch.tensor([[0, 2, -1, 1, 0, 0], [5, -1, 0, 0, 0, 0], [1, 2, 3, 4, 5, 0], [-1, 0, 0, 0, 0, 0]])
TOKENS = torch.tensor([[0, 2, 1], [3, 3, 0]])


def normal(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def bag(**options: Any) -> Callable:
    return lambda weight: F.embedding_bag(TOKENS, weight, **options)


REPLACED: dict[str, tuple[Callable, tuple[Tensor, ...]]] = {
    "hardsigmoid": (F.hardsigmoid, (normal(4, 6),)),
    "hardsigmoid in place": (lambda x: F.hardsigmoid(x * 1, inplace=True), (normal(4, 6),)),
    "hardsigmoid, inner name": (lambda x: torch._C._nn.hardsigmoid_(x * 1), (normal(4, 6),)),
    "weight norm": (torch._weight_norm, (normal(4, 3), normal(4, 1, seed=1))),
    "weight norm, last": (lambda v, g: torch._weight_norm(v, g, 1), (normal(4, 3), normal(1, 3, seed=1))),
    "pdist": (F.pdist, (normal(4, 6),)),
    "pdist, 3": (lambda x: F.pdist(x, 3.0), (normal(4, 6),)),
    "bag, mean": (bag(), (normal(4, 3),)),
    "bag, sum": (bag(mode="sum", padding_idx=0), (normal(4, 3),)),
    "bag, max": (bag(mode="max"), (normal(4, 3),)),
    "bag, offsets": (
        lambda w, s: F.embedding_bag(
            TOKENS.flatten(), w, torch.tensor([0, 2, 2, 5]), mode="sum", per_sample_weights=s
        ),
        (normal(4, 3), normal(6, seed=1)),
    ),
    "bag, last offset": (
        lambda w: F.embedding_bag(TOKENS[0], w, torch.tensor([0, 1, 3]), include_last_offset=True),
        (normal(4, 3),),
    ),
    "multi margin": (lambda x: F.multi_margin_loss(x, CLASSES, reduction="none"), (normal(4, 6),)),
    "multi margin, squared": (
        lambda x: F.multi_margin_loss(x, CLASSES, p=2, margin=0.7, weight=normal(6).abs()),
        (normal(4, 6),),
    ),
    "multilabel margin": (lambda x: F.multilabel_margin_loss(x, LABELS, reduction="none"), (normal(4, 6),)),
    "multilabel margin, sum": (
        lambda x: F.multilabel_margin_loss(x, LABELS, size_average=False),
        (normal(4, 6),),
    ),
    "multilabel margin, one": (lambda x: F.multilabel_margin_loss(x, LABELS[0]), (normal(6),)),
} | {
    f"cdist, {p}": (lambda a, b, p=p: torch.cdist(a, b, p), (normal(2, 3, 4), normal(5, 4, seed=1)))
    for p in (0.0, 1.0, 1.5, 2.0, 3.0, float("inf"))
}  # fmt: skip
if hasattr(F, "linear_cross_entropy"):
    REPLACED["chunked cross-entropy"] = (
        lambda x, w: F.linear_cross_entropy(
            x, w, CLASSES, options=nn.LinearCrossEntropyOptions(batch_chunk_size=2)
        ),
        (normal(4, 3), normal(6, 3, seed=1)),
    )


@pytest.mark.filterwarnings("ignore:size_average")
@pytest.mark.parametrize("name", REPLACED)
def test_what_stands_in_is_the_same_function_and_differentiable_twice(name: str):
    function, tensors = REPLACED[name]
    expected, inputs = (tuple(each.clone().requires_grad_() for each in tensors) for _ in range(2))
    plain = function(*expected)
    with TwiceDifferentiable():
        found = function(*inputs)
    if name == "chunked cross-entropy":  # sums in another order
        torch.testing.assert_close(found, plain, rtol=1e-14, atol=0)
    else:
        assert torch.equal(found, plain)
    slope = torch.rand(plain.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    first, second = (torch.autograd.grad(y, x, slope) for y, x in ((found, inputs), (plain, expected)))
    # PyTorch's own derivative of hardsigmoid has 1/6 rounded to float32, also in float64.
    room = 3e-8 if "hardsigmoid" in name else 1e-12
    torch.testing.assert_close(first, second, rtol=room, atol=1e-13)

    def replaced(*x: Tensor) -> Tensor:
        with TwiceDifferentiable():
            return function(*x)

    assert gradcheck(replaced, inputs)
    assert gradgradcheck(replaced, inputs)


def test_hardsigmoid_keeps_every_bit_of_its_derivative():
    points = torch.cat([torch.linspace(-4, 4, 999), torch.tensor([-3.0, 3.0, 0.0])])
    slope = normal(len(points)).float()
    x, y = points.clone().requires_grad_(), points.clone().requires_grad_()
    (expected,) = torch.autograd.grad(F.hardsigmoid(x), x, slope)
    with TwiceDifferentiable():
        (found,) = torch.autograd.grad(F.hardsigmoid(y), y, slope)
    assert torch.equal(found, expected)


def test_points_that_coincide_have_finite_derivatives():
    x = normal(3, 2).requires_grad_()
    for p in (1.0, 1.5, 2.0, 3.0):
        with TwiceDifferentiable():
            total = (-torch.cdist(x, x, p)).exp().sum()
        (gradient,) = torch.autograd.grad(total, x, create_graph=True)
        (product,) = torch.autograd.grad(gradient, x, torch.ones_like(x))
        assert bool(torch.isfinite(product).all())


def second(function: Callable, x: Tensor) -> tuple[Tensor, Tensor]:
    """H u of Σ f(x)² (through a smooth x ↦ x + x sin x) by derivatives and by differences."""
    u = normal(*x.shape, seed=9, scale=1.0)

    def gradient(at: Tensor, again: bool) -> tuple[Tensor, Tensor]:
        at = at.detach().requires_grad_()
        with TwiceDifferentiable(), sdpa_kernel(SDPBackend.MATH):
            value = function(at + at * at.sin()).square().sum()
        return torch.autograd.grad(value, at, create_graph=again)[0], at

    ahead, behind = (gradient(x + sign * 1e-6 * u, False)[0] for sign in (1, -1))
    first, at = gradient(x, True)
    return torch.autograd.grad(first, at, u)[0], (ahead - behind) / 2e-6


def pointwise() -> dict[str, tuple[Callable, Tensor]]:
    names = """celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish relu
        relu6 rrelu selu sigmoid silu softplus softshrink softsign tanh tanhshrink"""
    table: dict[str, tuple[Callable, Tensor]] = {n: (getattr(F, n), normal(4, 6)) for n in names.split()}
    return table | {
        "gelu, tanh": (lambda x: F.gelu(x, approximate="tanh"), normal(4, 6)),
        "threshold": (lambda x: F.threshold(x, 0.5, 0.1), normal(4, 6)),
        "prelu": (lambda x: F.prelu(x, torch.full((6,), 0.2, dtype=x.dtype)), normal(4, 6)),
        "softmax": (lambda x: F.softmax(x, 1), normal(4, 6)),
        "log_softmax": (lambda x: F.log_softmax(x, 1), normal(4, 6)),
    }


def spatial() -> dict[str, tuple[Callable, Tensor]]:
    table: dict[str, tuple[Callable, Tensor]] = {}
    for d in (1, 2, 3):
        x = normal(2, 3, *(6,) * d)
        for name in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool"):
            table[f"{name}{d}d"] = (lambda x, n=f"{name}{d}d": getattr(F, n)(x, 3), x)
        table[f"lp_pool{d}d"] = (lambda x, n=f"lp_pool{d}d": getattr(F, n)(x.square() + 1, 3.0, 2), x)
        for mode in ("nearest", "nearest-exact", ("linear", "bilinear", "trilinear")[d - 1], "area"):
            up = {"scale_factor": 1.5, "mode": mode}
            table[f"{mode} {d}d"] = (lambda x, up=up: F.interpolate(x, **up), x)
        for mode in ("constant", "reflect", "replicate", "circular"):
            table[f"{mode} {d}d"] = (lambda x, m=mode, d=d: F.pad(x, (1, 2) * d, m), x)
    x = normal(2, 4, 6, 6)
    for mode in ("bilinear", "bicubic"):
        smaller = {"scale_factor": 0.5, "mode": mode, "antialias": True}
        table[f"{mode}, antialias"] = (lambda x, o=smaller: F.interpolate(x, **o), x)
        table[f"grid_sample, {mode}"] = (
            lambda x, m=mode: F.grid_sample(x, x[:, :2].movedim(1, 3) / 4, m, align_corners=False),
            x,
        )
    return table | {
        "bicubic": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), x),
        "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), x),
        "fold": (lambda x: F.fold(F.unfold(x, 3), (6, 6), 3), x),
        "conv_transpose2d": (lambda x: F.conv_transpose2d(x, x[0][:, None, :3, :3]), x),
        "layer_norm": (lambda x: F.layer_norm(x, (6,), x[0, 0, 0], x[0, 0, 1]), x),
        "group_norm": (lambda x: F.group_norm(x, 2, x[0, :, 0, 0]), x),
        "rms_norm": (lambda x: F.rms_norm(x, (6,), x[0, 0, 0]), x),
        "local_response_norm": (lambda x: F.local_response_norm(x, 3), x),
        "attention": (lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True), x / 4),
        "lstm": (nn.LSTM(6, 3, batch_first=True).double(), normal(2, 4, 6)),
        "gru": (nn.GRU(6, 3, batch_first=True).double(), normal(2, 4, 6)),
    }


def losses() -> dict[str, tuple[Callable, Tensor]]:
    target = normal(4, 6, seed=5).sigmoid()
    named = """binary_cross_entropy_with_logits mse_loss l1_loss smooth_l1_loss huber_loss poisson_nll_loss
        kl_div soft_margin_loss multilabel_soft_margin_loss"""
    table: dict[str, tuple[Callable, Tensor]] = {
        name: (lambda x, n=name: getattr(F, n)(x, target, reduction="none"), normal(4, 6))
        for name in named.split()
    }
    sign = target.round() * 2 - 1
    return table | {
        "cross_entropy": (lambda x: F.cross_entropy(x, CLASSES, label_smoothing=0.1), normal(4, 6)),
        "soft labels": (lambda x: F.cross_entropy(x, target.softmax(1)), normal(4, 6)),
        "binary_cross_entropy": (lambda x: F.binary_cross_entropy(x.sigmoid(), target), normal(4, 6)),
        "gaussian_nll_loss": (lambda x: F.gaussian_nll_loss(x, target, x.square() + 1), normal(4, 6)),
        "hinge_embedding_loss": (lambda x: F.hinge_embedding_loss(x, sign, reduction="none"), normal(4, 6)),
        "triplet_margin_loss": (lambda x: F.triplet_margin_loss(x[:1], x[1:2], x[2:3]), normal(4, 6)),
        "cosine_similarity": (lambda x: F.cosine_similarity(x[:2], x[2:]), normal(4, 6)),
        "multi_margin_loss": (lambda x: F.multi_margin_loss(x, CLASSES), normal(4, 6)),
    }


SWEEP = pointwise() | spatial() | losses()


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides|.*kl_div")
@pytest.mark.parametrize("name", SWEEP)
def test_second_derivatives_are_those_of_differences(name: str):
    function, x = SWEEP[name]
    if isinstance(function, nn.Module):
        found, expected = second(lambda x: function(x)[0], x)
    else:
        found, expected = second(function, x)
    assert float((found - expected).norm()) <= 1e-6 * max(1.0, float(expected.norm()))


def test_pytorch_lacks_them_or_has_them_wrong():
    """What this module is about; if this fails, PyTorch has learned it."""
    x = normal(4, 6).requires_grad_()
    (gradient,) = torch.autograd.grad(F.hardsigmoid(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="hardsigmoid_backward is not implemented"):
        gradient.sum().backward()
    v, g = (each.clone().requires_grad_() for each in REPLACED["weight norm"][1])
    along = torch.autograd.grad(torch._weight_norm(v, g).tanh().sum(), v, create_graph=True)
    (wrong,) = torch.autograd.grad(along, v, torch.ones_like(v))
    plain = v * (g / v.norm(dim=1, keepdim=True))
    (right,) = torch.autograd.grad(
        torch.autograd.grad(plain.tanh().sum(), v, create_graph=True), v, torch.ones_like(v)
    )
    assert float((wrong - right).norm()) > 0.1 * float(right.norm())


def test_recurrent_layers_leave_cudnn():
    assert {torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu} <= set(REPLACEMENTS)
    assert torch.backends.cudnn.enabled
    assert _without_cudnn(lambda: torch.backends.cudnn.enabled)() is False
    assert torch.backends.cudnn.enabled


class Excited(nn.Module):
    """Squeeze and excitation with a gate of one's choice."""

    def __init__(self, gate: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        x = x * self.gate(self.inner(x.mean((2, 3), keepdim=True)))
        return self.last(x.mean((2, 3)))


GATES = {
    "function": F.hardsigmoid,
    "layer": nn.Hardsigmoid(),
    "in place": nn.Hardsigmoid(inplace=True),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gate", GATES)
def test_networks_with_hardsigmoid_have_exact_products(gate: str, dtype: torch.dtype):
    data = normal(6, 2, 6, 6).to(dtype), torch.arange(6) % 3
    torch.manual_seed(0)
    network, plain = Excited(GATES[gate]), Excited(lambda x: (x + 3).clamp(0, 6) / 6)
    plain.load_state_dict(network.state_dict())
    ours, theirs = (Operator(Objective(each, data, dtype=dtype)) for each in (network, plain))
    assert ours.exact
    vector = normal(ours.size).to(dtype)
    torch.testing.assert_close(ours(vector), theirs(vector), rtol=0, atol=1e-6 * float(theirs(vector).norm()))
    assert Operator(Objective(network, data), kind="ggn").exact


class Plain(nn.Module):
    """A dense layer with its weight g · v / ‖v‖, written down."""

    def __init__(self, v: Tensor, g: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.bias, self.g, self.v = (nn.Parameter(each.detach().clone()) for each in (bias, g, v))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.v * (self.g / self.v.norm(dim=1, keepdim=True)), self.bias).tanh().square()


def test_weight_normalised_networks_have_their_true_curvature():
    layer = parametrizations.weight_norm(nn.Linear(5, 3).double())
    g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
    data = normal(7, 5), torch.arange(7) % 3
    ours, theirs = (
        Operator(Objective(each, data, dtype=torch.float64))
        for each in (nn.Sequential(layer, Squared()), Plain(v, g, layer.bias))
    )
    assert list(ours.objective.free)[1:] == [
        "0.parametrizations.weight.original0",
        "0.parametrizations.weight.original1",
    ]
    matrices = [np.stack([op(row).numpy() for row in torch.eye(op.size).double()]) for op in (ours, theirs)]
    np.testing.assert_allclose(*matrices, rtol=0, atol=1e-12)


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.tanh().square()
