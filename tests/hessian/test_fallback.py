"""Networks without a second derivative: attention's plain kernel, and finite differences."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.attention import SDPBackend, sdpa_kernel

from landscape import analyses
from landscape.errors import LandscapeError
from landscape.hessian import Operator, max_eigenvalue_spectrum, top_eigenvalues, tuned
from landscape.hessian.operators import prepared
from landscape.objective import Objective
from landscape.parameters import flatten
from tests.cases import Case, random_like
from tests.references import dense_gauss_newton, dense_reference


class Attention(nn.Module):
    """Self-attention of four tokens with four channels each, in two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(4, 12), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.into(x.view(-1, 4, 4)).view(-1, 4, 3, 2, 2)
        q, k, v = tokens.permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).flatten(1))


class Square(torch.autograd.Function):
    """z² with a derivative that cannot be differentiated again."""

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.square()

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * g


class Once(nn.Module):
    """A network with such an operation in the middle, or the usual one in its place."""

    def __init__(self, square=Square.apply) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(8, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)
        self.square = square

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.square(self.norm(self.first(x)).tanh()))


ATTENTION = Case("attention", Attention, {"weight_decay": 0.1}, shape=(16,))
ONCE = Case("once", Once, {"weight_decay": 0.1}, shape=(8,))
TWICE = Case("twice", lambda: Once(torch.square), {"weight_decay": 0.1}, shape=(8,))


def matrix(operator: Operator) -> Tensor:
    identity = torch.eye(operator.size, dtype=operator.like.dtype)
    return torch.stack([operator(row) for row in identity])


# Attention


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fused_attention_has_no_second_derivative_here(dtype: torch.dtype):
    """What the next tests are about; if this fails, torch has learned it."""
    objective = ATTENTION.objective(dtype=dtype)
    with pytest.raises(RuntimeError, match="flash_attention_for_cpu_backward is not implemented"):
        objective.replace(soundness=None).hvp(random_like(objective.free))


@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_attention_runs_on_its_plain_kernel(kind: str):
    objective = ATTENTION.objective()
    operator = Operator(objective, kind=kind)
    with sdpa_kernel(SDPBackend.MATH):
        dense = dense_reference(ATTENTION).hessian if kind == "hessian" else dense_gauss_newton(ATTENTION)
        expected = flatten(objective.curvature(kind=kind)(random_like(objective.free)))
    torch.testing.assert_close(matrix(operator), dense, rtol=0, atol=1e-10)
    assert operator.exact
    assert operator.record()["products"] == "exact"
    product = operator(flatten(random_like(objective.free)))
    torch.testing.assert_close(product, expected, rtol=0, atol=1e-13)


def test_in_float32_too():
    operator = Operator(ATTENTION.objective(dtype=torch.float32))
    with sdpa_kernel(SDPBackend.MATH):
        dense = dense_reference(ATTENTION).hessian
    torch.testing.assert_close(matrix(operator).double(), dense, rtol=0, atol=1e-5)


def test_the_plain_kernel_is_labelled_from_the_first_product_on():
    objective = ATTENTION.objective()
    value = objective.value().nll
    assert objective.protocol()["attention"] == "usual"
    ready, exact = prepared(objective, "hessian")
    assert exact
    assert ready.protocol()["attention"] == "math"
    assert ready.value().nll == pytest.approx(value, rel=1e-12)
    assert prepared(ready, "ggn") == (ready, True)
    assert ready.subset(0, 2).forward.math_attention
    assert ATTENTION.objective().hvp(ready.free).keys() == ready.free.keys()
    assert torch.backends.cuda.flash_sdp_enabled()


def test_all_that_is_computed_of_it_agrees():
    with sdpa_kernel(SDPBackend.MATH):
        dense = dense_reference(ATTENTION).hessian
    objective = ATTENTION.objective()
    exact = np.linalg.eigvalsh(dense.numpy())
    found = top_eigenvalues(objective, 2, tolerance=1e-8)
    np.testing.assert_allclose(found.eigenvalue, exact[::-1][:2], rtol=1e-9)
    whole = max_eigenvalue_spectrum(objective, batch_size=5, tolerance=1e-8)
    assert float(whole.eigenvalue[0, 0]) == pytest.approx(max(exact, key=abs), rel=1e-9)


ANALYSES = {
    "eigenvalues": {"k": 1},
    "spectrum": {"batch_size": 2},
    "trace": {"probes": 2},
    "density": {"probes": 2, "steps": 3},
    "layers": {"probes": 2},
}


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.parametrize("case", [ATTENTION, ONCE], ids=lambda case: case.name)
def test_every_analysis_says_how_its_products_were_made(analysis: str, case: Case):
    dataset = getattr(analyses, analysis)(case.objective(), **ANALYSES[analysis])
    protocol, checks = (json.loads(dataset.attrs[name]) for name in ("protocol", "checks"))
    (said,) = [check for check in checks if check["name"] == "exact products"]
    if case is ATTENTION:
        assert protocol["attention"] == "math"
        assert protocol["options"]["products"] == "exact"
        assert said["passed"]
        assert "plain kernel" in said["message"]
    else:
        assert protocol["attention"] == "usual"
        assert protocol["options"]["products"] == "central finite differences"
        assert said["passed"]
        assert f"at most {float(dataset.product_error):.1e} of the largest" in said["message"]
        assert 0 < float(dataset.product_error) < 1e-7


# Finite differences


def test_finite_differences_are_close_to_the_analytic_hessian():
    operator = Operator(ONCE.objective())
    dense = dense_reference(TWICE).hessian
    found = matrix(operator)
    assert (found - dense).abs().max() < 1e-7 * dense.abs().max()
    assert not operator.exact
    assert operator.record()["products"] == "central finite differences"


def test_finite_differences_in_float32():
    found = matrix(Operator(ONCE.objective(dtype=torch.float32))).double()
    dense = dense_reference(TWICE).hessian
    assert (found - dense).abs().max() < 1e-6 * dense.abs().max()


@pytest.mark.parametrize("length", [1e-6, 1.0, 1e6])
def test_finite_differences_scale_with_the_vector(length: float):
    operator = Operator(ONCE.objective(), coordinates="filter")
    vector = torch.randn(operator.size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact = Operator(TWICE.objective(), coordinates="filter")(vector)
    assert (operator(length * vector) / length - exact).norm() < 1e-6 * exact.norm()
    assert torch.count_nonzero(operator(0 * vector)) == 0


def test_finite_differences_elsewhere_and_over_some_of_the_parameters():
    objective, twice = ONCE.objective(params="first.*"), TWICE.objective(params="first.*")
    there = {name: 1.2 * value for name, value in objective.parameters.items()}
    vector = flatten(random_like(objective.free))
    operator = Operator(objective, parameters=there)
    assert not operator.exact
    found, exact = operator(vector), Operator(twice, parameters=there)(vector)
    assert (found - exact).norm() < 1e-6 * exact.norm()
    assert (found - Operator(objective)(vector)).norm() > 1e-2 * exact.norm()


def test_eigenvalues_by_finite_differences():
    exact = np.linalg.eigvalsh(dense_reference(TWICE).hessian.numpy())
    found = top_eigenvalues(ONCE.objective(), 2, tolerance=1e-3)
    np.testing.assert_allclose(found.eigenvalue, exact[::-1][:2], rtol=1e-4)
    assert found.converged.all()


def test_gauss_newton_needs_a_second_derivative():
    with pytest.raises(
        LandscapeError, match="without a second derivative, which products with the Gauss–New"
    ):
        Operator(ONCE.objective(), kind="ggn")
    ready, exact = prepared(ONCE.objective(), "hessian")
    assert not exact
    with pytest.raises(LandscapeError, match="take the Hessian"):
        Operator(ready, kind="ggn")


def test_the_network_is_left_as_it_was():
    for case in (ATTENTION, ONCE):
        module = case.module().train()
        before = copy.deepcopy(module.state_dict())
        state = torch.get_rng_state()
        operator = Operator(case.objective(module))
        operator(torch.ones(operator.size, dtype=torch.float64))
        assert torch.equal(torch.get_rng_state(), state)
        assert module.training
        assert all(parameter.grad is None for parameter in module.parameters())
        assert all("forward" not in vars(layer) for layer in module.modules())
        after = module.state_dict()
        assert all(torch.equal(after[name], value) for name, value in before.items())


def test_what_can_be_differentiated_twice_is_left_alone():
    objective = TWICE.objective()
    ready, exact = prepared(objective, "hessian")
    assert exact
    assert not ready.forward.math_attention
    assert objective.exact_products is None
    assert ready.exact_products


def test_batch_statistics_have_derivatives():
    """A BatchNorm behind the pooling needs two samples, also in the trial that finds out."""
    objective = TWICE.objective(batch_norm="batch", micro_batch=5)
    operator = Operator(objective)
    assert operator.exact
    vector = random_like(objective.free)
    torch.testing.assert_close(operator(flatten(vector)), flatten(objective.hvp(vector)))


def test_other_errors_are_not_taken_for_it():
    class Failing(Once):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("as asked")

    with pytest.raises(LandscapeError, match="as asked"):
        Operator(Objective(Failing(), ONCE.data()))


def test_a_network_that_both_attends_and_lacks_a_derivative():
    """The plain kernel alone does not help: then attention stays as it is."""

    class Both(Attention):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(Square.apply(x + self.out.bias[0]))

    objective = Objective(Both().double(), ATTENTION.data(), dtype=torch.float64)
    ready, exact = prepared(objective, "hessian")
    assert not exact
    assert not ready.forward.math_attention
    assert tuned(objective).micro_batch == objective.micro_batch
