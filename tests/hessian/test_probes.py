"""Trace, diagonal and density against dense references, closed forms and their own standard errors."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.hessian import Operator, density, diagonal, trace
from landscape.linalg import moments
from landscape.objective import Objective
from landscape.work import in_memory
from tests.cases import BY_NAME, SIX, Case
from tests.references import dense_gauss_newton, dense_reference

every_case = pytest.mark.parametrize("case", SIX, ids=lambda case: case.name)


def one_parameter(loss) -> Objective:
    module = nn.Linear(1, 1, bias=False).double()
    module.weight.data.fill_(2.0)
    data = torch.tensor([[1.0], [3.0]], dtype=torch.float64), torch.zeros(2, dtype=torch.int64)
    return Objective(module, data, loss=loss, dtype=torch.float64)


def flat_objective() -> Objective:
    """A loss linear in the parameters, whose Hessian is zero."""
    return BY_NAME["tied"].objective(
        nn.Linear(8, 3).double(), loss=lambda z, y: z[:, 0] + 2 * z[:, 1], weight_decay=0.0
    )


def assert_within(found, errors, exact, standard_errors: float = 4.0) -> None:
    """Within that many standard errors, entry by entry; exact where the error is zero."""
    found, errors, exact = (np.atleast_1d(np.asarray(each, dtype=float)) for each in (found, errors, exact))
    assert found.shape == errors.shape == exact.shape
    assert (np.abs(found - exact) <= standard_errors * errors + 1e-10 * np.abs(exact).max()).all()


@every_case
def test_hutchinsons_trace_against_the_dense_hessian(case: Case):
    dense = dense_reference(case).hessian
    result = trace(case.objective(), probes=24)
    assert_within(result.trace, result.trace_standard_error, float(dense.trace()))
    variance = 2 * (dense.square().sum() - dense.diagonal().square().sum())  # of one probe of random signs
    assert 0.6 < float(result.trace_standard_error) / float(variance / 24) ** 0.5 < 1.6
    assert int(result.products) == 24


@every_case
def test_xtrace_against_the_dense_hessian(case: Case):
    dense = dense_reference(case).hessian
    result = trace(case.objective(), probes=12, estimator="xtrace")
    assert_within(result.trace, result.trace_standard_error, float(dense.trace()))
    plain = trace(case.objective(), probes=24)  # as many products
    assert float(result.trace_standard_error) < float(plain.trace_standard_error)
    assert int(result.products) <= 24


@pytest.mark.parametrize("coordinates", ["raw", "filter"])
def test_trace_of_other_operators(coordinates: str):
    case = BY_NAME["weight-decay"]
    operator = Operator(case.objective(), kind="ggn", coordinates=coordinates)
    dense = torch.stack([operator(row) for row in torch.eye(operator.size, dtype=torch.float64)])
    if coordinates == "raw":
        torch.testing.assert_close(dense, dense_gauss_newton(case))
    for estimator in ("hutchinson", "xtrace"):
        result = trace(operator, probes=16, estimator=estimator, seed=1)
        assert_within(result.trace, result.trace_standard_error, float(dense.trace()))


def test_xtrace_is_exact_where_the_matrix_has_low_rank():
    """The Gauss–Newton matrix of five samples with three classes has rank ten at most."""
    case = BY_NAME["mlp"]
    result = trace(Operator(case.objective(), kind="ggn"), probes=24, estimator="xtrace")
    exact = float(dense_gauss_newton(case).trace())
    assert float(result.trace) == pytest.approx(exact, rel=1e-9)
    assert float(result.trace_standard_error) < 1e-9 * exact


def test_layers_are_traced_by_the_same_products():
    case = BY_NAME["bottleneck"]
    objective = case.objective()
    result = trace(objective, probes=32)
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in objective.free))
    assert result["layer"].values.tolist() == names
    assert "0.shortcut.0" in names
    exact = dict.fromkeys(names, 0.0)
    entries = dense_reference(case).hessian.diagonal().split([v.numel() for v in objective.free.values()])
    for name, part in zip(objective.free, entries, strict=True):
        exact[name.rpartition(".")[0]] += float(part.sum())
    assert_within(result.layer_trace, result.layer_trace_standard_error, list(exact.values()))
    assert float(result.layer_trace.sum()) == pytest.approx(float(result.trace), rel=1e-12)


@every_case
def test_diagonal_against_the_dense_hessian(case: Case):
    exact = dense_reference(case).hessian.diagonal().numpy()
    result = diagonal(case.objective(), probes=40)
    assert result.diagonal.dims == result.standard_error.dims == ("parameter",)
    assert_within(result.diagonal, result.standard_error, exact, standard_errors=5)
    assert float(result.diagonal.sum()) == pytest.approx(float(trace(case.objective(), probes=40).trace))


def test_the_spread_of_a_diagonal_is_that_of_its_probes(monkeypatch: pytest.MonkeyPatch):
    rows, usual = [], Operator.__call__

    def noting(operator: Operator, vector: Tensor) -> Tensor:
        product = usual(operator, vector)
        assert set(vector.tolist()) == {-1.0, 1.0}
        rows.append((vector * product).numpy())
        return product

    monkeypatch.setattr(Operator, "__call__", noting)
    result = diagonal(BY_NAME["conv"].objective(), probes=7)
    assert len(rows) == 7
    np.testing.assert_allclose(result.diagonal, np.mean(rows, 0), atol=1e-12)
    np.testing.assert_allclose(result.standard_error, np.std(rows, 0, ddof=1) / 7**0.5, atol=1e-12)


def test_float32_agrees_with_float64():
    case = BY_NAME["weight-decay"]
    exact = dense_reference(case).hessian
    size = float(exact.abs().max())
    for measure, names in ((trace, ("trace", "layer_trace")), (diagonal, ("diagonal",))):
        wide, narrow = (measure(case.objective(dtype=d), probes=8) for d in (torch.float64, torch.float32))
        for name in names:
            assert narrow[name].dtype == np.float64
            np.testing.assert_allclose(narrow[name], wide[name], rtol=0, atol=1e-4 * size)


# Honest errors


def ratio(values: np.ndarray, errors: np.ndarray) -> float:
    """Reported standard error over the spread of repetitions, root mean squares over all quantities."""
    return float(np.sqrt((errors**2).mean() / values.var(0, ddof=1).mean()))


@pytest.mark.parametrize("estimator", ["hutchinson", "xtrace"])
def test_the_error_of_a_trace_covers_its_spread(estimator: str):
    operator = Operator(BY_NAME["conv"].objective())
    results = [trace(operator, probes=6, estimator=estimator, seed=seed) for seed in range(30)]
    values, errors = (
        np.array([[float(result[name])] for result in results]) for name in ("trace", "trace_standard_error")
    )
    assert 0.6 < ratio(values, errors) < 1.6
    if estimator == "hutchinson":
        names = ("layer_trace", "layer_trace_standard_error")
        values, errors = (np.stack([result[name] for result in results]) for name in names)
        assert 0.6 < ratio(values, errors) < 1.6
        values = values.sum(1)
    exact = float(dense_reference(BY_NAME["conv"]).hessian.trace())
    assert abs(values.mean() - exact) < 4 * values.std(ddof=1) / 30**0.5


def test_the_error_of_a_diagonal_covers_its_spread():
    operator = Operator(BY_NAME["conv"].objective())
    results = [diagonal(operator, probes=6, seed=seed) for seed in range(30)]
    values, errors = (np.stack([result[n] for result in results]) for n in ("diagonal", "standard_error"))
    assert 0.6 < ratio(values, errors) < 1.6


# Seeds, runners, degenerate matrices


def test_a_seed_names_its_probes():
    objective = BY_NAME["conv"].objective()
    for measure in (trace, diagonal, lambda o, **options: trace(o, estimator="xtrace", **options)):
        first, again, other = (measure(objective, probes=4, seed=seed) for seed in (5, 5, 6))
        assert first.identical(again)
        assert not first.identical(other)


def test_probes_are_items_that_any_runner_can_run():
    objective = BY_NAME["conv"].objective()
    seen = []

    def backwards(count, compute, label):
        seen.append((count, label))
        return [compute(index) for index in reversed(range(count))][::-1]

    result = trace(objective, probes=5, run=backwards)
    assert seen == [(5, "trace")]
    assert result.identical(trace(objective, probes=5, run=in_memory()))


@pytest.mark.parametrize("estimator", ["hutchinson", "xtrace"])
def test_the_zero_matrix_has_no_trace_and_no_error(estimator: str):
    result = trace(flat_objective(), probes=4, estimator=estimator)
    assert (float(result.trace), float(result.trace_standard_error)) == (0, 0)


@pytest.mark.parametrize("estimator", ["hutchinson", "xtrace"])
def test_one_parameter_is_traced_exactly(estimator: str):
    objective = one_parameter(lambda z, y: z[:, 0] ** 3)  # second derivative 6 w x³, mean over x = 1, 3
    result = trace(objective, probes=3, estimator=estimator)
    assert float(result.trace) == pytest.approx(6 * 2 * (1 + 27) / 2, rel=1e-12)
    assert float(result.trace_standard_error) == pytest.approx(0, abs=1e-9)
    entry = diagonal(objective, probes=2)
    assert float(entry.diagonal[0]) == pytest.approx(168, rel=1e-12)
    assert float(entry.standard_error[0]) == 0


def test_zero_diagonal():
    result = diagonal(flat_objective(), probes=3)
    assert not result.diagonal.any()
    assert not result.standard_error.any()


@pytest.mark.parametrize(
    ("measure", "options", "text"),
    [
        (trace, {"estimator": "guess"}, "estimator is 'guess'; choose one of hutchinson, xtrace"),
        (trace, {"probes": 1}, "at least 2 probes, got 1"),
        (trace, {"probes": 1, "estimator": "xtrace"}, "at least 2 probes, got 1"),
        (diagonal, {"probes": 0}, "at least 2 probes, got 0"),
        (trace, {"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_requests_are_explained(measure, options: dict, text: str):
    with pytest.raises(LandscapeError, match=text):
        measure(BY_NAME["conv"].objective(), **options)


def mass(result) -> float:
    return float(np.trapezoid(result.density.values, result.eigenvalue.values))


def smoothed(eigenvalues: np.ndarray, points: np.ndarray, width: float) -> np.ndarray:
    """The true density, each eigenvalue a Gaussian, in plain loops."""
    curve = np.zeros(len(points))
    for value in eigenvalues:
        curve += np.exp(-((points - value) ** 2) / (2 * width**2)) / np.sqrt(2 * np.pi * width**2)
    return curve / len(eigenvalues)


@pytest.mark.parametrize("case", SIX, ids=lambda case: case.name)
def test_mass_and_moments_against_the_dense_hessian(case: Case):
    exact = np.linalg.eigvalsh(dense_reference(case).hessian.numpy())
    result = density(case.objective(), probes=8, steps=12)
    assert mass(result) == pytest.approx(1, abs=1e-6)
    assert (result.density.values >= 0).all()
    for order in (1, 2, 3):
        value, error = moments(result.node.values, result.weight.values, order)
        assert abs(value - (exact**order).mean()) < 4 * error
    mean, _ = moments(result.node.values, result.weight.values, 1)
    assert float(result.trace) == pytest.approx(len(exact) * mean)
    assert abs(float(result.trace) - exact.sum()) < 4 * float(result.trace_standard_error)
    assert int(result.parameters) == len(exact)
    assert int(result.products) == 8 * 12
    # The curve's own first moment is the same, and its ends lie beyond the spectrum.
    points = result.eigenvalue.values
    first = np.trapezoid(points * result.density.values, points)
    assert first * len(exact) == pytest.approx(float(result.trace), rel=1e-3, abs=1e-3 * np.abs(exact).max())
    assert points[0] < exact[0] < exact[-1] < points[-1]


def test_the_curve_is_the_true_density_within_its_errors():
    case = BY_NAME["conv-bn"]
    exact = np.linalg.eigvalsh(dense_reference(case).hessian.numpy())
    width = 0.05 * np.ptp(exact)
    result = density(case.objective(), probes=16, steps=20, width=width)
    truth = smoothed(exact, result.eigenvalue.values, width)
    off = np.abs(result.density.values - truth)
    assert (off <= 5 * result.standard_error.values + 1e-3 * truth.max()).all()
    assert np.trapezoid(off, result.eigenvalue.values) < 0.1
    assert float(result.width) == width


def test_the_error_of_a_density_covers_its_spread():
    operator = Operator(BY_NAME["conv"].objective())
    results = [density(operator, probes=4, steps=3, width=0.3, seed=seed) for seed in range(30)]
    traces, errors = (
        np.array([float(result[name]) for result in results]) for name in ("trace", "trace_standard_error")
    )
    assert 0.6 < np.sqrt((errors**2).mean()) / traces.std(ddof=1) < 1.6
    exact = float(dense_reference(BY_NAME["conv"]).hessian.trace())
    assert abs(traces.mean() - exact) < 4 * traces.std(ddof=1) / 30**0.5


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_a_full_space_holds_the_very_eigenvalues(kind: str):
    case = BY_NAME["conv"]
    dense = dense_reference(case).hessian if kind == "hessian" else dense_gauss_newton(case)
    exact = np.linalg.eigvalsh(dense.numpy())
    result = density(Operator(case.objective(), kind=kind), probes=2, steps=1000)
    nodes = result.node.values[result.weight.values > 1e-6]
    assert result.node.sizes["step"] == len(exact)
    distances = np.abs(nodes[:, None] - exact).min(1)
    assert distances.max() < 1e-6 * np.abs(exact).max()
    if kind == "ggn":
        assert nodes.min() > -1e-9 * exact.max()


def test_other_coordinates():
    operator = Operator(BY_NAME["conv-bn"].objective(), coordinates="filter")
    dense = torch.stack([operator(row) for row in torch.eye(operator.size, dtype=torch.float64)])
    result = density(operator, probes=8, steps=20)
    assert abs(float(result.trace) - float(dense.trace())) < 4 * float(result.trace_standard_error)


def test_the_density_in_float32_agrees_with_float64():
    wide, narrow = (
        density(BY_NAME["weight-decay"].objective(dtype=dtype), probes=4, steps=10, width=0.1)
        for dtype in (torch.float64, torch.float32)
    )
    assert narrow.density.dtype == np.float64
    assert float(narrow.trace) == pytest.approx(float(wide.trace), rel=1e-4)
    assert mass(narrow) == pytest.approx(1, abs=1e-6)


# Seeds, runners


def test_a_seed_names_its_probes_and_any_runner_can_run_them():
    objective = BY_NAME["conv"].objective()
    seen = []

    def backwards(count, compute, label):
        seen.append((count, label))
        return [compute(index) for index in reversed(range(count))][::-1]

    options = {"probes": 3, "steps": 5}
    first = density(objective, seed=5, **options)
    assert first.identical(density(objective, seed=5, run=backwards, **options))
    assert seen == [(3, "density")]
    other = density(objective, seed=6, **options)
    assert not np.array_equal(first.node, other.node)
    # The first probes of a longer run are those of a shorter one.
    longer = density(objective, seed=5, probes=4, steps=5)
    np.testing.assert_array_equal(longer.node[:3], first.node)


def test_one_probe_has_no_standard_error():
    result = density(BY_NAME["conv"].objective(), probes=1, steps=5)
    assert np.isnan(result.standard_error).all()
    assert np.isnan(result.trace_standard_error)
    assert mass(result) == pytest.approx(1, abs=1e-6)


# Little to show


def linear(loss, size: int = 8) -> Objective:
    data = torch.ones(2, size, dtype=torch.float64), torch.tensor([0, 1])
    return Objective(nn.Linear(size, 3, bias=False).double(), data, loss=loss, dtype=torch.float64)


def test_the_zero_matrix():
    result = density(linear(lambda z, y: z[:, 0]), probes=3, steps=4)
    assert not result.node.values.any()
    assert (float(result.trace), float(result.trace_standard_error)) == (0, 0)
    assert mass(result) == pytest.approx(1, abs=1e-6)
    assert float(result.width) > 0
    assert np.isfinite(result.density).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_multiple_of_the_identity(scale: float):
    objective = linear(lambda z, y: 0 * z[:, 0].square())
    objective = objective.replace(weight_decay=scale)
    result = density(objective, probes=2, steps=4)
    np.testing.assert_allclose(result.node, scale, rtol=1e-12)
    assert float(result.trace) == pytest.approx(24 * scale)
    assert mass(result) == pytest.approx(1, abs=1e-6)
    assert result.eigenvalue.values[0] < scale < result.eigenvalue.values[-1]


def test_one_parameter():
    module = nn.Linear(1, 1, bias=False).double()
    data = torch.tensor([[1.0], [3.0]], dtype=torch.float64), torch.zeros(2, dtype=torch.int64)
    objective = Objective(module, data, loss=lambda z, y: z[:, 0] ** 2, dtype=torch.float64)
    result = density(objective, probes=2)
    np.testing.assert_allclose(result.node, [[10.0], [10.0]])
    assert (float(result.trace), int(result.parameters), int(result.products)) == (10.0, 1, 2)
    assert mass(result) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"probes": 0}, "at least 1 probes, got 0"),
        ({"steps": 1}, "at least 2 steps, got 1"),
        ({"points": 1}, "at least 2 points, got 1"),
        ({"width": -1.0}, "width must be finite and not negative, got -1.0"),
        ({"width": float("nan")}, "width must be finite and not negative, got nan"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_densities_are_explained(options: dict, text: str):
    with pytest.raises(LandscapeError, match=text):
        density(BY_NAME["conv"].objective(), **options)
