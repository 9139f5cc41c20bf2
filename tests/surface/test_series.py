"""Lines, triangles and principal components against dense NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.errors import LandscapeError
from landscape.parameters import dot, shifted
from landscape.surface.series import line, only_parameters, principal, triangle
from tests.cases import random_like
from tests.references import flat

LIKE = {
    "conv.weight": torch.empty(3, 2, 2, 2, dtype=torch.float64),
    "conv.bias": torch.empty(3, dtype=torch.float64),
    "linear.weight": torch.empty(2, 3, dtype=torch.float64),
}


def checkpoint(seed: int, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    return {name: value.to(dtype) for name, value in random_like(LIKE, seed).items()}


def series(length: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> list[dict[str, torch.Tensor]]:
    return [checkpoint(100 * seed + t, dtype) for t in range(length)]


def matrix(checkpoints, origin) -> np.ndarray:
    return np.stack([(flat(w) - flat(origin)).numpy() for w in checkpoints])


def test_a_line_runs_from_a_to_b():
    a, b = series(2)
    directions = line(a, b)
    torch.testing.assert_close(flat(directions.origin), flat(a), rtol=0, atol=0)
    end = shifted(directions.origin, (1.0, directions.vectors[0]))
    torch.testing.assert_close(flat(end), flat(b), rtol=0, atol=1e-15)
    assert directions.lengths == (pytest.approx(float((flat(b) - flat(a)).norm())),)
    assert (directions.kind, directions.units) == ("checkpoints", "share of the way")
    assert directions.describe()["origin"] == "given"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3))
def test_a_triangle_passes_through_its_corners_in_true_proportions(seed: int, scale: float):
    a, b, c = series(3, seed)
    c = {name: scale * value for name, value in c.items()}
    directions, corners = triangle(a, b, c)
    assert abs(directions.cosine) < 1e-12
    assert directions.lengths[1] == pytest.approx(directions.lengths[0], rel=1e-12)
    np.testing.assert_array_equal(corners[:2], [[0, 0], [1, 0]])
    for (x, y), corner in zip(corners, (a, b, c), strict=True):
        point = shifted(directions.origin, (x, directions.vectors[0]), (y, directions.vectors[1]))
        torch.testing.assert_close(flat(point), flat(corner), rtol=1e-9, atol=1e-12)
    sides = [np.linalg.norm(flat(p) - flat(q)) for p, q in ((b, c), (c, a))]
    drawn = [np.linalg.norm(corners[p] - corners[q]) * directions.lengths[0] for p, q in ((1, 2), (2, 0))]
    assert drawn == pytest.approx(sides, rel=1e-9)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("given_origin", [False, True])
@pytest.mark.parametrize("length", [3, 6, 60])  # fewer and more than there are parameters
def test_principal_components_against_a_dense_svd(length: int, given_origin: bool, centred: bool):
    checkpoints = series(length)
    origin = checkpoint(999) if given_origin else checkpoints[-1]
    directions, ratios = principal(checkpoints, origin if given_origin else None, centred=centred)
    rows = matrix(checkpoints, origin)
    if centred:
        rows = rows - rows.mean(0)
    left, values, right = np.linalg.svd(rows, full_matrices=False)
    assert ratios.shape == (length,)
    np.testing.assert_allclose(ratios[: len(values)], values**2 / (values**2).sum(), atol=1e-13)
    assert directions.lengths == pytest.approx((1, 1), abs=1e-14)
    assert abs(directions.cosine) < 1e-14
    for k, vector in enumerate(directions.vectors):
        sign = np.sign(left[np.abs(left[:, k]).argmax(), k])
        np.testing.assert_allclose(flat(vector).numpy(), sign * right[k], atol=1e-10)
    assert (directions.units, directions.kind) == ("‖Δw‖", "principal components")
    torch.testing.assert_close(flat(directions.origin), flat(origin), rtol=0, atol=0)


def test_a_weak_second_component_stays_orthogonal():
    end, first, second = checkpoint(0), checkpoint(1), checkpoint(2)
    steps = ((1.0, 0.0), (0.5, 1e-5), (0.2, -1e-5), (0.0, 0.0))
    directions, ratios = principal([shifted(end, (p, first), (q, second)) for p, q in steps])
    assert ratios[1] < 1e-9
    assert abs(directions.cosine) < 1e-14
    rest = flat(second) - flat(first) * (dot(first, second) / dot(first, first))
    along = float(flat(directions.vectors[1]) @ rest / rest.norm())
    assert abs(along) == pytest.approx(1, abs=1e-6)


def test_many_pieces_give_the_same_components(monkeypatch):
    checkpoints = series(5)
    whole, _ = principal(checkpoints)
    monkeypatch.setattr("landscape.linalg.vectors._PIECE", 30)
    torch.testing.assert_close(
        flat(principal(checkpoints)[0].vectors[1]), flat(whole.vectors[1]), rtol=0, atol=1e-13
    )


def test_one_component():
    directions, _ = principal(series(2), count=1)
    difference = flat(series(2)[0]) - flat(series(2)[1])
    torch.testing.assert_close(flat(directions.vectors[0]), difference / difference.norm())


@pytest.mark.parametrize(
    ("stored", "worked"), [(torch.float32, torch.float32), (torch.bfloat16, torch.float32)]
)
def test_precision_of_the_checkpoints_is_kept_where_it_suffices(stored, worked):
    checkpoints = series(3, dtype=stored)
    for directions in (line(*checkpoints[:2]), triangle(*checkpoints)[0], principal(checkpoints)[0]):
        for part in (*directions.vectors, directions.origin):
            assert {value.dtype for value in part.values()} == {worked}
    assert abs(principal(checkpoints)[0].cosine) < 1e-7


def test_running_statistics_and_whole_numbers_are_left_out():
    statistics = {
        "bn.running_mean": torch.ones(3),
        "bn.running_var": torch.ones(3),
        "bn.num_batches_tracked": torch.tensor(7),
        "index": torch.arange(4),
    }
    a, b, c = series(3)
    assert list(only_parameters(a | statistics)) == list(LIKE)
    assert list(line(a | statistics, b).vectors[0]) == list(LIKE)
    with_them, _ = principal([w | statistics for w in (a, b, c)])
    assert with_them.digest() == principal([a, b, c])[0].digest()


def test_some_of_the_parameters():
    parts = [{"conv.bias": w["conv.bias"]} for w in series(3)]
    directions, _ = principal(parts)
    assert list(directions.vectors[0]) == ["conv.bias"]


def nan(w):
    return w | {"conv.bias": torch.full((3,), torch.nan, dtype=torch.float64)}


A, B, C = series(3)
MIDDLE = {name: 0.5 * (A[name] + B[name]) for name in A}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: line(A, A), "a line needs two that differ"),
        (lambda: line(A, {"conv.bias": B["conv.bias"]}), "checkpoint b lacks the tensor 'conv.weight' of"),
        (lambda: line(A, nan(B)), "direction 1 has the length nan"),
        (lambda: line({}, {}), "checkpoint a holds no parameters"),
        (lambda: triangle(A, B, MIDDLE), "lie on one line"),
        (lambda: triangle(A, A, B), "lie on one line"),
        (lambda: triangle(A, B, A), "lie on one line"),
        (lambda: triangle(A, B, C | {"new": torch.ones(1)}), "checkpoint c has a tensor 'new'"),
        (lambda: principal([]), "got none"),
        (lambda: principal([A, B]), "2 checkpoints span 1 dimensions around the origin, where 2"),
        (lambda: principal([A, MIDDLE, B]), "span 1 dimensions"),
        (lambda: principal([A, A]), "span 0 dimensions"),
        (lambda: principal([A, nan(B), C]), "checkpoint 1 holds values that are not finite"),
        (lambda: principal([A, B, nan(C)]), "the origin holds values that are not finite"),
        (lambda: principal([A, B, C], count=3), "where 3 components were asked for"),
        (lambda: principal([A, C | {"conv.bias": torch.ones(2)}, B]), "has shape (2,) in checkpoint 1, (3,)"),
    ],
)
def test_impossible_series_are_explained(make, text: str):
    with pytest.raises(LandscapeError) as caught:
        make()
    assert text in str(caught.value)
