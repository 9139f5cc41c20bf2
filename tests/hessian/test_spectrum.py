"""The max-eigenvalue spectrum: mini-batches, their eigenvalues, APE and NEP."""

import math
import warnings

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.hessian import Operator, max_eigenvalue_spectrum, summary_statistics
from landscape.objective import Objective
from landscape.parameters import flatten, unflatten
from landscape.results.journal import Journal
from landscape.work import in_memory
from tests.build import kept
from tests.cases import BY_NAME, DROPOUT
from tests.references import wanted


def exact(objective: Objective, draw: int, k: int) -> np.ndarray:
    """Eigenvalues of the largest magnitude of the whole matrix, product by product."""
    size = flatten(objective.free).numel()
    hessian = objective.curvature(draw=draw)
    rows = [
        flatten(hessian(unflatten(row, objective.free))) for row in torch.eye(size, dtype=objective.dtype)
    ]
    return wanted(np.linalg.eigvalsh(torch.stack(rows).numpy()), k, "magnitude")


@pytest.mark.parametrize("method", ["lanczos", "power"])
def test_mini_batches_are_consecutive_and_match_the_dense_hessians(method: str):
    case = BY_NAME["weight-decay"]
    module, (inputs, targets) = case.module(), case.data()
    options = {"dtype": torch.float64, "weight_decay": 0.3}
    result = max_eigenvalue_spectrum(case.objective(), batch_size=2, k=2, method=method, tolerance=1e-4)
    assert result.eigenvalue.shape == (2, 2)  # five samples: the last one is left over
    for i in range(2):
        part = Objective(module, (inputs[2 * i : 2 * i + 2], targets[2 * i : 2 * i + 2]), **options)
        np.testing.assert_allclose(result.eigenvalue[i], exact(part, 0, 2), rtol=1e-5)
    assert result.converged.all()


@pytest.mark.parametrize("dropout", ["fixed", "fresh"])
def test_each_mini_batch_has_its_dropout_masks(dropout: str):
    objective = BY_NAME["mc-dropout"].objective(dropout=dropout)
    result = max_eigenvalue_spectrum(objective, batch_size=2, tolerance=1e-6)
    for i in range(2):
        part = objective.subset(2 * i, 2 * i + 2)
        np.testing.assert_allclose(result.eigenvalue[i], exact(part, 1 + i, 1), rtol=1e-8)


def test_negative_eigenvalues_keep_their_sign():
    """Where a negative eigenvalue has the largest magnitude, it is the one reported."""
    data = torch.ones(4, 1, dtype=torch.float64), torch.zeros(4, dtype=torch.int64)
    module = torch.nn.Linear(1, 2, bias=False).double()
    module.weight.data = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    objective = Objective(
        module, data, loss=lambda z, y: z[:, 0] ** 2 - 3 * z[:, 1] ** 2, dtype=torch.float64
    )
    result = max_eigenvalue_spectrum(objective, batch_size=2, k=2)
    np.testing.assert_allclose(result.eigenvalue, [[-6, 2], [-6, 2]])
    assert float(result.ape) == pytest.approx(2)
    assert float(result.nep) == 0.5


def test_dataset_and_progress():
    seen = []

    def progress(items, label, total):
        seen.append((label, total))
        return items

    result = max_eigenvalue_spectrum(
        BY_NAME["conv"].objective(), batch_size=1, batches=3, k=2, run=in_memory(progress)
    )
    assert seen == [("spectrum", 3)]
    assert result.eigenvalue.dims == result.residual.dims == ("batch", "rank")
    assert result["batch"].values.tolist() == [0, 1, 2]
    assert result["rank"].values.tolist() == [1, 2]
    expected = summary_statistics(result.eigenvalue.values)
    for name in ("ape", "ape_standard_error", "nep"):
        assert float(result[name]) == pytest.approx(expected[name][1], nan_ok=True)


def test_fewer_batches_are_the_first_ones():
    objective = BY_NAME["conv"].objective()
    few = max_eigenvalue_spectrum(objective, batch_size=1, batches=2)
    more = max_eigenvalue_spectrum(objective, batch_size=1)
    assert more.sizes["batch"] == 5
    np.testing.assert_array_equal(few.eigenvalue, more.eigenvalue[:2])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 6}, "1 mini-batches of 6 need 6 samples, there are 5"),
        ({"batch_size": 2, "batches": 3}, "3 mini-batches of 2 need 6 samples, there are 5"),
        ({"batch_size": 0}, "mini-batch"),
        ({"batch_size": 2, "batches": -1}, "mini-batch"),
        ({"batch_size": 2, "method": "qr"}, "method is 'qr'"),
    ],
)
def test_impossible_requests_are_explained(options: dict, text: str):
    with pytest.raises(LandscapeError, match=text):
        max_eigenvalue_spectrum(BY_NAME["conv"].objective(), **options)


def statistics(values) -> tuple[float, float, float]:
    found = summary_statistics(np.array(values, dtype=float))
    return tuple(float(found[name][1]) for name in ("ape", "ape_standard_error", "nep"))


def test_ape_nep_and_the_ratio_estimators_error_by_hand():
    # Positive: 2; 4, 6; none. Mean 4. Deviations of sums: 2 − 4, 10 − 8, 0 − 0; mean count 1.
    ape, error, nep = statistics([[2, -1], [4, 6], [-3, -5]])
    assert ape == 4
    assert error == pytest.approx(math.sqrt((4 + 4 + 0) / 2 / 3) / 1)
    assert nep == 0.5


def test_with_one_positive_value_a_batch_the_error_is_that_of_a_mean():
    values = np.array([3.0, 5, 4, 9])
    ape, error, nep = statistics(values[:, None])
    assert (ape, nep) == (values.mean(), 0)
    assert error == pytest.approx(values.std(ddof=1) / 2)


def test_the_error_covers_the_spread_over_repetitions():
    """The estimator against the spread of APE over many simulated spectra."""
    rng = np.random.default_rng(0)
    batches = rng.normal(1, 1, (400, 50, 1)) + rng.normal(0, 1, (400, 50, 5))
    results = np.array([statistics(values)[:2] for values in batches])
    assert results[:, 1].mean() == pytest.approx(results[:, 0].std(), rel=0.1)


def test_what_cannot_be_estimated_is_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(statistics([[-1], [-2]])[:2]).all()
        assert statistics([[-1], [-2]])[2] == 1
        ape, error, _ = statistics([[1, 3]])
    assert ape == 2
    assert math.isnan(error)


# Intervals


def interval(values, name: str, seed: int = 0) -> tuple[float, float]:
    found = summary_statistics(np.array(values, dtype=float), seed=seed)
    return tuple(float(found[f"{name}_{end}"][1]) for end in ("low", "high"))


@pytest.mark.parametrize("batches", [10, 50, 200])
@pytest.mark.parametrize("k", [1, 4])
def test_intervals_contain_their_estimate(batches: int, k: int):
    values = np.random.default_rng(batches).normal(1, 2, (batches, k)) + 4 * (np.arange(k) == 0)
    ape, error, nep = statistics(values)
    for name, estimate in (("ape", ape), ("nep", nep)):
        low, high = interval(values, name)
        assert low <= estimate <= high
    if batches == 200:
        low, high = interval(values, "ape")
        assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_the_mini_batch_is_the_unit():
    """Equal values within each mini-batch tell no more than one of them would."""
    column = np.random.default_rng(0).normal(1, 2, (30, 1))
    assert interval(np.repeat(column, 5, 1), "ape") == pytest.approx(interval(column, "ape"))
    # The share is then of as many trials as mini-batches, with Student's quantile in place of the normal one.
    assert interval(np.repeat(column, 5, 1), "nep") == pytest.approx(interval(column, "nep"), abs=0.02)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    truth = 1 + 0.5 / 1  # mean of the positive values: one plus an exponential of scale ½
    hits = []
    for repetition in range(60):
        low, high = interval(1 + rng.exponential(0.5, (40, 1)), "ape", seed=repetition)
        hits.append(low <= truth <= high)
    assert 0.85 <= np.mean(hits) <= 1


def test_intervals_are_those_of_their_seed():
    values = np.random.default_rng(0).normal(1, 2, (10, 2))
    assert interval(values, "ape", seed=1) == interval(values, "ape", seed=1)
    assert interval(values, "ape", seed=1) != interval(values, "ape", seed=2)


def test_intervals_that_cannot_be_estimated_are_nan_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("ape", "nep"):
            assert np.isnan(interval([[1, -3]], name)).all()  # one mini-batch
        assert np.isnan(interval([[-1], [-2]], "ape")).all()  # no positive value
        assert np.isnan(interval([[1], [-2], [-3]], "ape")).all()  # one
        low, high = interval([[1], [2], [3]], "nep")  # none of three is negative: few are, perhaps
        assert low == 0
        assert high == pytest.approx(1.96**2 / (3 + 1.96**2), rel=1e-4)
        assert interval([[2], [2], [2]], "ape") == (2, 2)


# Other matrices, resumed runs


def test_gauss_newton_in_filter_coordinates():
    case = BY_NAME["conv-bn"]
    objective = case.objective()
    result = max_eigenvalue_spectrum(
        objective, batch_size=2, k=2, kind="ggn", coordinates="filter", which="largest", tolerance=1e-7
    )
    for i in range(2):
        operator = Operator(objective.subset(2 * i, 2 * i + 2), kind="ggn", coordinates="filter")
        dense = torch.stack([operator(row) for row in torch.eye(operator.size, dtype=torch.float64)])
        values = np.linalg.eigvalsh(dense.numpy())
        np.testing.assert_allclose(result.eigenvalue[i], values[::-1][:2], rtol=1e-8)
    assert float(result.nep) == 0


def test_a_stopped_spectrum_goes_on_bit_identical(tmp_path):
    objective = DROPOUT.objective(dropout="fresh")
    options = {"batch_size": 1, "k": 2, "tolerance": 1e-4}
    expected = max_eigenvalue_spectrum(objective, seed=7, **options)

    def journal(seed: int) -> Journal:
        return Journal(tmp_path / "spectrum.zarr", {"protocol": objective.protocol(), "seed": seed})

    def stopping(items, label, total):
        for count, item in enumerate(items):
            if count == 2:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        max_eigenvalue_spectrum(objective, seed=7, run=journal(7).runner(stopping), **options)
    assert len(kept(tmp_path)) == 2
    left = []

    def noting(items, label, total):
        items = list(items)
        left.append([index for index, _ in items])
        return items

    resumed = max_eigenvalue_spectrum(objective, seed=7, run=journal(7).runner(noting), **options)
    assert resumed.identical(expected)
    again = max_eigenvalue_spectrum(objective, seed=7, run=journal(7).runner(noting), **options)
    assert again.identical(expected)
    max_eigenvalue_spectrum(objective, seed=8, run=journal(8).runner(noting), **options)
    assert left == [[2, 3, 4], [], [0, 1, 2, 3, 4]]


def test_each_mini_batch_has_its_own_micro_batches():
    case = BY_NAME["weight-decay"]
    options = {"batch_size": 4, "k": 2, "tolerance": 1e-8}
    whole, parts = (
        max_eigenvalue_spectrum(case.objective(micro_batch=size), **options).eigenvalue for size in (4, 3)
    )
    np.testing.assert_allclose(whole, parts, rtol=1e-10)


def test_products_and_convergence_are_those_of_the_mini_batches():
    objective = BY_NAME["mlp"].objective()
    result = max_eigenvalue_spectrum(objective, batch_size=2, k=2, tolerance=1e-9, max_products=4)
    assert not result.converged.all()
    assert int(result.products) == 2 * 4
    assert (result.error_bound >= result.residual).all()
