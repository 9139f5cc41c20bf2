"""Random streams and the inner products that everything else trusts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.errors import LandscapeError
from landscape.linalg import rademacher, random_unit, substream
from landscape.linalg.vectors import inner, normalised, orthonormal, pieces, random_directions

DTYPES = (torch.float32, torch.float64)


def gaussian(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def test_no_two_substreams_are_the_same():
    found = {substream(seed, index) for seed in (0, 1, 2, 2**40) for index in range(50)}
    assert len(found) == 200
    assert substream(3, 4) == substream(3, 4)
    assert not found & {0, 1, 2, 2**40}


@pytest.mark.parametrize("make", [random_unit, rademacher])
def test_vectors_depend_on_the_seed_alone(make):
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert torch.equal(make(50, 3), make(50, 3))
    assert not torch.equal(make(50, 3), make(50, 4))
    assert torch.equal(make(50, 3, torch.ones(1)).double(), make(50, 3).float().double())
    assert make(50, 3, torch.ones(1)).dtype == torch.float32
    assert torch.equal(torch.get_rng_state(), state[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002
    with pytest.raises(LandscapeError, match="the seed is -1"):
        make(50, -1)


def test_random_units_are_units_in_no_direction():
    units = torch.stack([random_unit(4, seed) for seed in range(4000)])
    np.testing.assert_allclose(torch.linalg.vector_norm(units, dim=1), 1)
    np.testing.assert_allclose(units.mean(0), 0, atol=4 * 0.5 / 4000**0.5)
    np.testing.assert_allclose(units.T @ units / 4000, np.eye(4) / 4, atol=0.015)


def test_rademacher_entries_are_even_signs():
    signs = rademacher(100_000, 0)
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert abs(float(signs.mean())) < 4 / 100_000**0.5
    assert abs(float((signs * rademacher(100_000, 1)).mean())) < 4 / 100_000**0.5


@pytest.mark.parametrize("dtype", DTYPES)
def test_inner_products_are_summed_in_float64(dtype: torch.dtype):
    left, right = gaussian(3, 1_000_000, dtype=dtype), gaussian(2, 1_000_000, seed=1, dtype=dtype)
    exact = left.double().numpy() @ right.double().numpy().T
    np.testing.assert_allclose(inner(left, right), exact, rtol=0, atol=1e-8)
    ones = torch.ones(1, 3_000_001, dtype=dtype)
    assert inner(ones, ones).item() == 3_000_001
    length = inner(normalised(ones), normalised(ones)).item() ** 0.5
    assert length == pytest.approx(1, abs=max(torch.finfo(dtype).eps, 1e-10))


@given(size=st.integers(0, 5_000_000), rows=st.integers(0, 200))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_pieces_cover_every_column_once(size: int, rows: int):
    found = list(pieces(size, rows))
    assert [piece.start for piece in found] == [0, *(piece.stop for piece in found)][: len(found)]
    assert sum(piece.stop - piece.start for piece in found) == size
    assert all((piece.stop - piece.start) * rows <= 2**20 for piece in found)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data(), size=st.integers(2, 40))
def test_orthonormal_rows_span_what_the_candidates_add(dtype: torch.dtype, data, size: int):
    present = data.draw(st.integers(0, size - 1))
    rank = data.draw(st.integers(0, min(3, size - present)))
    more = data.draw(st.integers(rank, rank + 2))
    eps = torch.finfo(dtype).eps
    basis = torch.linalg.qr(gaussian(size, present)).Q.T.to(dtype)
    candidates = (gaussian(more, rank, seed=2) @ gaussian(rank, size, seed=3)).to(dtype)
    rows, coefficients = orthonormal(candidates, basis, 1e3 * eps)
    assert rows.shape == (rank, size)
    assert coefficients.shape == (more, rank)
    together = torch.cat([basis, rows]).double()
    np.testing.assert_allclose(together @ together.T, np.eye(present + rank), atol=200 * eps)
    rest = candidates.double() - (candidates.double() @ basis.double().T) @ basis.double()
    np.testing.assert_allclose(rest, coefficients @ rows.double().numpy(), atol=200 * eps)


def test_orthonormal_next_to_a_long_part_in_the_basis():
    """A remainder of 10⁻⁵ of the candidate: one projection would leave it full of rounding."""
    basis = torch.linalg.qr(gaussian(10_000, 20)).Q.T.float()
    candidate = basis.sum(0) + 1e-5 * random_unit(10_000, 5, basis)
    rows, coefficients = orthonormal(candidate[None], basis, 0.0)
    assert float((basis.double() @ rows[0].double()).abs().max()) < 1e-7
    np.testing.assert_allclose(coefficients, 1e-5, rtol=0.1)


def test_random_directions_are_new_and_orthonormal():
    basis = random_directions(torch.empty(0, 12, dtype=torch.float64), 5, seed=1)
    more = random_directions(basis, 7, seed=1, drawn=5)
    whole = torch.cat([basis, more])
    np.testing.assert_allclose(whole @ whole.T, np.eye(12), atol=1e-14)
    assert random_directions(basis, 0, seed=1).shape == (0, 12)
