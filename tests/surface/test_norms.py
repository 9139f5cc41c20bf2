"""Each norm against a loop over single numbers in float64."""

import math

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.surface.norms import NORMS, normalised
from tests.cases import BY_NAME, random_like

WEIGHTS = BY_NAME["conv-bn"].objective().free | {
    "row": torch.tensor([[3.0, -4.0]], dtype=torch.float64),
    "scalar": torch.tensor(-2.0, dtype=torch.float64),
    "pos_embed": torch.ones(1, 2, 2, dtype=torch.float64),
}


def length(values) -> float:
    return math.sqrt(sum(float(v) ** 2 for v in values))


def groups(shape: tuple[int, ...], norm: str) -> list[list[tuple[int, ...]]]:
    """Which entries share a scale."""
    every = list(np.ndindex(*shape))
    if norm == "layer" or len(shape) < 2:
        return [every]
    position = {"filter": lambda i: i[0], "paper": lambda i: i[1:]}[norm]
    return [[i for i in every if position(i) == key] for key in sorted({position(i) for i in every})]


def reference(d: np.ndarray, w: np.ndarray, norm: str, include_1d: bool) -> np.ndarray:
    if norm == "none":
        return d.copy()
    scaled = np.zeros_like(d)
    if d.ndim < 2 and not include_1d:
        return scaled
    if norm == "weight":
        for i in np.ndindex(*d.shape):
            scaled[i] = d[i] * w[i]
        return scaled
    for group in groups(d.shape, norm):
        own, wanted = length(d[i] for i in group), length(w[i] for i in group)
        for i in group:
            scaled[i] = d[i] * wanted / (own + 1e-7 if norm == "paper" else own)
    return scaled


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("norm", "include_1d"), [*((norm, False) for norm in NORMS), *((norm, True) for norm in NORMS[:4])]
)
def test_norms_against_loops(norm, include_1d: bool, dtype: torch.dtype):
    weights = {name: value.to(dtype) for name, value in WEIGHTS.items()}
    direction = random_like(weights)
    copies = {name: value.clone() for name, value in direction.items()}
    scaled = normalised(direction, weights, norm, include_1d=include_1d)
    assert list(scaled) == list(direction)
    for name, value in direction.items():
        expected = reference(value.double().numpy(), weights[name].double().numpy(), norm, include_1d)
        if norm == "paper" and name == "pos_embed":
            expected = np.zeros_like(expected)
        assert scaled[name].dtype == dtype
        rtol = 1e-12 if dtype == torch.float64 else 1e-6
        np.testing.assert_allclose(scaled[name].double().numpy(), expected, rtol=rtol)
        assert torch.equal(value, copies[name])


def test_filters_and_layers_get_the_lengths_of_the_weights():
    for norm, dims in (("filter", (1, 2, 3)), ("layer", (0, 1, 2, 3))):
        scaled = normalised(random_like(WEIGHTS), WEIGHTS, norm)["0.weight"]
        torch.testing.assert_close(scaled.square().sum(dims), WEIGHTS["0.weight"].square().sum(dims))


def test_the_papers_norm_is_across_filters():
    scaled = normalised(random_like(WEIGHTS), WEIGHTS, "paper")["0.weight"]
    expected = WEIGHTS["0.weight"].square().sum(0)
    torch.testing.assert_close(scaled.square().sum(0), expected, rtol=1e-5, atol=0)
    assert not torch.allclose(scaled.square().sum((1, 2, 3)), WEIGHTS["0.weight"].square().sum((1, 2, 3)))


def test_what_is_zero_stays_zero():
    weights = {"w": torch.ones(2, 3), "b": torch.ones(2)}
    direction = {name: torch.zeros_like(value) for name, value in weights.items()}
    for norm in NORMS:
        scaled = normalised(direction, weights, norm, include_1d=norm != "paper")
        assert all(torch.count_nonzero(value) == 0 for value in scaled.values())


def test_a_direction_over_some_of_the_weights():
    direction = {"row": torch.ones(1, 2, dtype=torch.float64)}
    scaled = normalised(direction, WEIGHTS)
    assert list(scaled) == ["row"]
    assert float(scaled["row"].norm()) == pytest.approx(5)


@pytest.mark.parametrize(
    ("change", "norm", "options", "text"),
    [
        ({}, "filtre", {}, "norm of the directions is 'filtre'; choose one of filter, layer, weight, none"),
        ({}, "paper", {"include_1d": True}, "leave include_1d out"),
        ({"new": torch.ones(1)}, "filter", {}, "the direction has a tensor 'new' that the weights lack"),
        ({"row": torch.ones(2, 1)}, "filter", {}, "'row' has shape (2, 1) in the direction, (1, 2) in the"),
    ],
)
def test_impossible_requests_are_explained(change: dict, norm, options: dict, text: str):
    with pytest.raises(LandscapeError) as caught:
        normalised(random_like(WEIGHTS) | change, WEIGHTS, norm, **options)
    assert text in str(caught.value)
