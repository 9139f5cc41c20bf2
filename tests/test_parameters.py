"""The algebra over named tensors against plain torch on vectors."""

import math

import pytest
import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.parameters import (
    Parameters,
    dot,
    filter_norms,
    flatten,
    norm,
    select,
    shifted,
    unflatten,
)
from landscape.zoo import build, parse

SHAPES = {
    "conv.weight": (4, 3, 2, 2),
    "bn.weight": (4,),
    "bn.bias": (4,),
    "linear.weight": (5, 4),
    "scale": (),
}


def draw(seed: int, dtype: torch.dtype = torch.float64) -> Parameters:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in SHAPES.items()}


def vector(parameters: Parameters) -> Tensor:
    return torch.cat([value.flatten() for value in parameters.values()])


def test_dot_and_norm():
    a, b = draw(0), draw(1)
    torch.testing.assert_close(dot(a, b), vector(a) @ vector(b))
    torch.testing.assert_close(norm(a), torch.linalg.vector_norm(vector(a)))


def test_sums_are_in_double_precision():
    """In float32, 2²⁴ + 1 is 2²⁴."""
    a = {"large": torch.tensor([2.0**12]), "small": torch.ones(1)}
    assert dot(a, a).dtype == torch.float64
    assert float(dot(a, a)) == 2**24 + 1


def test_dot_ignores_the_order_of_names():
    a = draw(0)
    torch.testing.assert_close(dot(a, dict(reversed(a.items()))), dot(a, a))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shifted(dtype: torch.dtype):
    origin, first, second = (draw(seed, dtype) for seed in range(3))
    kept = vector(origin).clone()
    moved = shifted(origin, (0.5, first), (-2.0, second))
    torch.testing.assert_close(vector(moved), vector(origin) + 0.5 * vector(first) - 2 * vector(second))
    assert list(moved) == list(origin)
    assert torch.equal(vector(origin), kept)
    assert moved["conv.weight"].dtype == dtype


def test_shifted_leaves_what_a_direction_lacks():
    origin = draw(0)
    moved = shifted(origin, (3.0, {"bn.bias": torch.ones(4, dtype=torch.float64)}))
    torch.testing.assert_close(moved["bn.bias"], origin["bn.bias"] + 3)
    assert all(moved[name] is origin[name] for name in origin if name != "bn.bias")


def test_shifted_without_steps_is_the_origin():
    origin = draw(0)
    assert shifted(origin) == origin
    assert shifted(origin) is not origin


def test_flatten_and_back():
    a = draw(0)
    assert torch.equal(flatten(a), vector(a))
    back = unflatten(flatten(a), a)
    assert list(back) == list(a)
    assert all(torch.equal(back[name], a[name]) for name in a)


def test_flatten_does_not_depend_on_the_memory_format():
    a = draw(0)
    strided = {
        n: v.contiguous(memory_format=torch.channels_last) if v.dim() == 4 else v for n, v in a.items()
    }
    assert torch.equal(flatten(strided), flatten(a))


def test_unflatten_gives_views():
    like = draw(0)
    whole = torch.zeros(sum(value.numel() for value in like.values()), dtype=torch.float64)
    unflatten(whole, like)["bn.bias"].fill_(1)
    assert float(whole.sum()) == 4


@pytest.mark.parametrize("shape", [(3,), (78,), (1, 77)])
def test_unflatten_needs_the_right_length(shape: tuple[int, ...]):
    with pytest.raises(LandscapeError, match=r"shape \(77,\) is needed, got \(" + ", ".join(map(str, shape))):
        unflatten(torch.zeros(shape), draw(0))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", list(SHAPES)),
        ("linear.weight", ["linear.weight"]),
        ("bn.*", ["bn.weight", "bn.bias"]),
        ("*.weight", ["conv.weight", "bn.weight", "linear.weight"]),
        ("linear*,conv*", ["conv.weight", "linear.weight"]),
        ("*,!bn.*", ["conv.weight", "linear.weight", "scale"]),
        ("!bn.*", ["conv.weight", "linear.weight", "scale"]),
        ("*.weight, !bn.*", ["conv.weight", "linear.weight"]),
        ("!*,scale", ["scale"]),
        ("[cl]*", ["conv.weight", "linear.weight"]),
    ],
)
def test_select(pattern: str, expected: list[str]):
    assert list(select(draw(0), pattern)) == expected


@pytest.mark.parametrize("pattern", ["nothing", "", " , ", "bn.*,!bn*", "!*", "Linear.weight"])
def test_a_selection_of_nothing_is_refused(pattern: str):
    with pytest.raises(LandscapeError, match=r"no parameter matches .*conv\.weight, bn\.weight"):
        select(draw(0), pattern)


def test_select_all_but_batch_norm_of_a_network():
    named = dict(build(parse("cifar-resnet20:width=4")).named_parameters())
    assert all(value.dim() > 1 or "linear" in name for name, value in select(named, "*,!*bn*").items())


@pytest.mark.parametrize("shape", [(4, 3, 2, 2), (5, 4), (6,), (2, 3, 3)])
def test_filter_norms_against_a_loop(shape: tuple[int, ...]):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = filter_norms(weight)
    assert found.shape == (shape[0], *(1 for _ in shape[1:]))
    for one, norms in zip(weight, found, strict=True):
        total = math.sqrt(sum(float(x) ** 2 for x in one.reshape(-1)))
        assert float(norms) == pytest.approx(total, rel=1e-14)


def test_filter_norms_broadcast_against_the_weight():
    weight = draw(0)["conv.weight"]
    torch.testing.assert_close(filter_norms(weight / filter_norms(weight)).flatten(), torch.ones(4).double())
