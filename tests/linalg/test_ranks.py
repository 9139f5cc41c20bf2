"""Whether eigenvalues that were passed over are found, and what is said where that is not known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.ranks import SPECTRA, mistaken
from landscape.linalg import Eigenpairs, lanczos, power_iteration
from landscape.linalg.eigenpairs import RISK, certain_gaps
from landscape.linalg.ranks import _Complement, allowance, confirm
from landscape.linalg.subspace import Subspace
from landscape.linalg.vectors import inner, orthonormal, random_directions
from tests.references import symmetric, wanted

ENDS = ("largest", "smallest", "magnitude")
BULK = 2 * np.linspace(0, 1, 150) ** 6 - 0.1
DOUBLE = np.concatenate([[30, 17, 4, 4, 3], BULK])


def solve(spectrum: np.ndarray, k: int, **options) -> Eigenpairs:
    diagonal = torch.from_numpy(np.ascontiguousarray(spectrum))
    return lanczos(lambda v: diagonal * v, len(diagonal), k, **{"tolerance": 1e-2} | options)


@pytest.mark.parametrize("seed", range(3))
def test_a_second_copy_is_found(seed: int):
    before = solve(DOUBLE, 4, seed=seed, confirm=0)
    assert before.converged.all()
    np.testing.assert_allclose(before.eigenvalues, [30, 17, 4, 3], rtol=1e-2)
    assert not before.certain.any()
    after = solve(DOUBLE, 4, seed=seed, confirm=100)
    np.testing.assert_allclose(after.eigenvalues, [30, 17, 4, 4], rtol=1e-2)
    assert after.certain.all()
    assert (after.risks <= RISK).all()


@pytest.mark.parametrize(("which", "sign"), [("largest", 1), ("smallest", -1), ("magnitude", -1)])
def test_a_second_copy_is_found_at_either_end(which: str, sign: int):
    pairs = solve(sign * DOUBLE, 4, which=which, confirm=100)
    np.testing.assert_allclose(pairs.eigenvalues, sign * np.array([30, 17, 4, 4]), rtol=1e-2)
    assert pairs.certain.all()


def test_copies_of_both_signs_are_found():
    spectrum = np.concatenate([[9, -9, 9, -9, 5, -5, 5], BULK])
    pairs = solve(spectrum, 7, which="magnitude", confirm=100)
    np.testing.assert_allclose(np.sort(pairs.eigenvalues), [-9, -9, -5, 5, 5, 9, 9], rtol=1e-2)
    assert pairs.certain.all()


def test_power_iteration_is_confirmed_too():
    diagonal = torch.from_numpy(DOUBLE)
    pairs = power_iteration(lambda v: diagonal * v, len(diagonal), 2, tolerance=1e-2)
    np.testing.assert_allclose(pairs.eigenvalues, [30, 17], rtol=1e-2)
    assert pairs.certain.all()
    blind = power_iteration(lambda v: diagonal * v, len(diagonal), 2, tolerance=1e-2, confirm=0)
    assert not blind.certain.any()
    np.testing.assert_array_equal(blind.eigenvalues, pairs.eigenvalues)


def test_a_confirmation_that_finds_nothing_changes_no_value():
    spectrum = np.concatenate([[30, 17, 15, 5, 4], BULK])
    blind, usual = (solve(spectrum, 5, confirm=products) for products in (0, None))
    np.testing.assert_array_equal(usual.eigenvalues, blind.eigenvalues)
    np.testing.assert_array_equal(usual.residuals, blind.residuals)
    assert torch.equal(usual.vectors, blind.vectors)
    assert blind.products < usual.products <= 1.4 * blind.products + 1


def test_where_nobody_looked_nothing_is_certain():
    pairs = solve(DOUBLE, 3, confirm=0)
    assert pairs.converged.all()
    assert (pairs.risks == 1).all()
    assert not pairs.certain.any()
    assert not solve(DOUBLE, 3, max_products=4).certain.any()


def test_what_is_known_whole_is_certain():
    assert (solve(np.array([3.0, 3, 1, 0]), 2, confirm=0, tolerance=1e-6).risks == 0).all()


@pytest.mark.parametrize(
    ("tolerance", "share"), [(1e-6, 0.1), (1e-3, 0.1), (5e-3, 0.2), (1e-2, 0.4), (0.1, 0.4)]
)
def test_the_share_of_products(tolerance: float, share: float):
    assert allowance(100, tolerance, None) == pytest.approx(100 * share)
    assert allowance(100, tolerance, 7) == 7
    assert allowance(13, 1e-3, None) == 2


def test_products_allowed_are_not_overdrawn():
    whole = solve(DOUBLE, 4, confirm=0).products
    for allowed in range(whole, whole + 4):
        assert solve(DOUBLE, 4, confirm=100, max_products=allowed).products <= allowed


@pytest.mark.parametrize("which", ENDS)
def test_the_complement_counts_the_eigenvalues_beyond_a_level(which: str):
    """Products with M(x) against the dense Schur complement, the wanted pairs decoupled."""
    matrix = symmetric(np.concatenate([[9.0, -8, 7], np.linspace(-2, 3, 37)]))
    space, k = started(matrix, which), 2
    complement = _Complement.of(space, k, which)
    known, basis = space.count, space.vectors.clone()
    rest = torch.linalg.qr(torch.cat([basis, torch.eye(40, dtype=torch.float64)]).T).Q.T[known:]
    columns = []
    for direction in rest:
        space.truncate(known)
        space.extend(direction[None])
        columns.append(inner(rest, complement.image(space)[None])[:, 0])
    found = np.stack(columns, 1)

    space.truncate(known)
    values, vectors = space.ritz()
    keys = {"largest": -values, "smallest": values, "magnitude": -np.abs(values)}[which]
    unwanted = np.argsort(keys, kind="stable")[k:]
    coupling = (rest @ matrix @ basis.T).numpy() @ vectors[:, unwanted]
    x = complement.levels.min()
    weights = 1 / (x - complement.sign * values[unwanted])
    expected = complement.sign * (rest @ matrix @ rest.T).numpy() + (coupling * weights) @ coupling.T
    np.testing.assert_allclose(found, expected, atol=1e-9)


def started(matrix: Tensor, which: str) -> Subspace:
    """The two best eigenvectors and three random directions."""
    values, vectors = torch.linalg.eigh(matrix)
    keys = {"largest": -values, "smallest": values, "magnitude": -values.abs()}[which]
    best = vectors.T[torch.argsort(keys)[:2]]
    space = Subspace(lambda v: matrix @ v, len(matrix), 40, matrix)
    space.extend(orthonormal(best, matrix[:0], 0.0)[0])
    space.extend(random_directions(space.vectors, 3, seed=1))
    return space


@pytest.mark.parametrize("passed_over", [False, True])
def test_a_verdict(passed_over: bool):
    spectrum = np.concatenate([[9.0, 8.5 if passed_over else 1.5, 8], np.linspace(-1, 2, 60)])
    matrix = torch.from_numpy(np.diag(spectrum))
    space = Subspace(lambda v: matrix @ v, len(matrix), 60, matrix)
    space.extend(torch.eye(len(matrix), dtype=torch.float64)[[0, 2]])
    verdict = confirm(space, 2, "largest", products=40, seed=0, drawn=0)
    assert verdict.missed == passed_over
    assert (verdict.risks[1] <= RISK) != passed_over
    assert verdict.risks[0] <= verdict.risks[1]


def test_gaps_are_known_beyond_certain_ranks_only():
    values, residuals = np.array([10.0, 7.0, 6.5]), np.array([0.1, 0.1, 0.1])
    nothing = certain_gaps(values, residuals, "largest", np.ones(3))
    np.testing.assert_array_equal(nothing, 0)
    together = np.linalg.norm(residuals)
    first = certain_gaps(values, residuals, "largest", np.array([0, 0, 1.0]))
    np.testing.assert_allclose(first, [min(2.9, 3 - together), 0, 0])
    every = certain_gaps(values, residuals, "largest", np.zeros(3))
    np.testing.assert_allclose(every, [2.9, 0.5 - together, 0])


@pytest.mark.parametrize("name", ["gaps of 1 %", "double fourth", "triple", "clustered top"])
def test_what_is_called_certain_is_not_mistaken(name: str):
    """A small version of `benchmarks.ranks`."""
    before, usual = (
        [mistaken(SPECTRA[name], seed, tolerance=1e-2, confirm=products) for seed in range(8)]
        for products in (0, None)
    )
    assert sum(run["mistaken"] for run in usual) < sum(run["mistaken"] for run in before)
    assert sum(run["mistaken_certain"] for run in usual) == 0
    assert sum(run["certain"] for run in usual) > 0
    assert all(run["certain"] == 0 for run in before)


def test_the_benchmark_counts_a_mistake():
    found = mistaken(SPECTRA["double fourth"], 0, tolerance=1e-2, confirm=0)
    assert found["mistaken"] >= 1
    assert found["converged"] == 5
    assert wanted(SPECTRA["double fourth"], 4, "largest")[3] == 4
