"""Finite differences of the gradient: kinks of ReLU, scales, precisions, and the bound that is kept."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from landscape import analyses
from landscape.hessian import Operator, top_eigenvalues
from landscape.hessian.differences import ErrorBound
from landscape.objective import Objective
from landscape.work import in_memory
from tests.build import report


class Bent(torch.autograd.Function):
    """z·tanh z with a derivative that cannot be differentiated again."""

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z * z.tanh()

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return g * (z.tanh() + z * (1 - z.tanh() ** 2))


def bent(z: Tensor) -> Tensor:
    return z * z.tanh()


class Kinked(nn.Module):
    """ReLU everywhere, and one layer without a second derivative."""

    def __init__(self, middle: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(F.relu(self.second(F.relu(self.first(x)))) - 0.3)
        return self.last(x.mean((2, 3)))


def narrow(z: Tensor) -> Tensor:
    """A layer that computes in float32 whatever it is given."""
    return Bent.apply(z.float()).to(z.dtype)


def refusing(z: Tensor) -> Tensor:
    if z.dtype is torch.float64:
        raise RuntimeError("expected scalar type Float but found Double")
    return Bent.apply(z)


def subject(middle: Callable, dtype: torch.dtype = torch.float64, scale: float = 1.0) -> Objective:
    torch.manual_seed(0)
    network = Kinked(middle)
    for parameter in network.parameters():
        parameter.data *= scale
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(32, 2, 8, 8, generator=generator), torch.arange(32) % 3
    return Objective(network, data, dtype=dtype)


def vectors(size: int, exact: Operator) -> list[Tensor]:
    """Random ones, and the direction that they turn to."""
    generator = torch.Generator().manual_seed(2)
    found = [torch.randn(size, generator=generator) for _ in range(4)]
    sharp = exact(exact(found[0].double()))
    return [*found, (sharp / sharp.norm()).float()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("coordinates", ["raw", "filter"])
def test_the_error_at_kinks_is_small_and_bounded(dtype: torch.dtype, scale: float, coordinates: str):
    ours = Operator(subject(Bent.apply, dtype, scale), coordinates=coordinates)
    exact = Operator(subject(bent, scale=scale), coordinates=coordinates)
    assert not ours.exact
    largest = error = 0.0
    for vector in vectors(exact.size, exact):
        true = exact(vector.double())
        largest = max(largest, float(true.norm() / vector.norm()))
        error = max(error, float((ours(vector.to(dtype)).double() - true).norm() / vector.norm()))
    assert error <= ours.product_error
    assert ours.product_error <= (1e-4 if coordinates == "filter" else 1e-5) * largest
    assert not ours.objective.product_error.blind


def test_a_kink_next_to_the_weights_shortens_the_step():
    """A unit that is all but switched: a step that reaches it sees a jump of the gradient as curvature."""

    class One(nn.Module):
        def __init__(self, middle: Callable) -> None:
            super().__init__()
            self.weight, self.middle = nn.Parameter(torch.tensor([1.0, 0.5, 1e-8])), middle

        def forward(self, x: Tensor) -> Tensor:
            kinked = F.relu(self.weight[2] * x) + self.middle(self.weight[0] * x) * self.weight[1]
            return torch.cat([kinked, -kinked], 1)

    x, y = torch.linspace(0.5, 2, 8, dtype=torch.float64)[:, None], torch.arange(8) % 2
    ours, exact = (
        Operator(Objective(One(f).double(), (x, y), dtype=torch.float64)) for f in (Bent.apply, bent)
    )
    smooth, along = torch.tensor([1.0, -1.0, 0.0]).double(), torch.tensor([0.0, 0.0, 1.0]).double()
    for vector in (smooth, along):
        true = exact(vector)
        assert float((ours(vector) - true).norm()) <= min(ours.product_error, 1e-3 * float(true.norm()))


class At(nn.Module):
    """A kink of ReLU exactly at the weights, and a layer without a second derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        kinked = F.relu(self.weight * x) + Bent.apply(self.weight * x)
        return torch.cat([kinked, -kinked], 1)


def test_at_a_kink_the_bound_says_that_nothing_is_known():
    objective = Objective(At(), (torch.ones(4, 1), torch.zeros(4, dtype=torch.long)))
    dataset = analyses.eigenvalues(objective, k=1)
    check = report(dataset)["exact products"]
    assert not check.passed
    assert float(dataset.product_error) > 0.1
    assert "which is large" in check.message


@pytest.mark.parametrize(
    ("middle", "dtype"), [(narrow, torch.float32), (narrow, torch.float64), (refusing, torch.float32)]
)
def test_networks_that_only_know_float32_say_that_kinks_are_not_bounded(middle: Callable, dtype: torch.dtype):
    dataset = analyses.trace(subject(middle, dtype), probes=2)
    check = report(dataset)["exact products"]
    assert not check.passed
    assert "kinks of ReLU count as curvature, beyond this bound" in check.message


@pytest.mark.parametrize("middle", [narrow, refusing])
def test_float32_is_given_no_step_that_it_rounds_away(middle: Callable):
    """Of one so short that the weights stay where they are, quotients are zero and agree."""
    exact, ours = Operator(subject(bent)), Operator(subject(middle, torch.float32))
    for vector in vectors(exact.size, exact):
        error = float((ours(vector).double() - exact(vector.double())).norm() / vector.norm())
        assert error <= ours.product_error


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_eigenvalues_carry_the_error_of_their_products(dtype: torch.dtype):
    exact = Operator(subject(bent))
    dense = torch.stack([exact(row) for row in torch.eye(exact.size).double()])
    top = np.linalg.eigvalsh((dense + dense.T).numpy() / 2)[::-1][:3]
    operator = Operator(subject(Bent.apply, dtype))
    found = top_eigenvalues(operator, 3, tolerance=1e-6)
    assert operator.product_error > 0
    assert (found.error_bound >= found.residual + operator.product_error).all()
    assert (np.abs(found.eigenvalue.values - top) <= found.error_bound.values).all()
    np.testing.assert_allclose(found.eigenvalue, top, rtol=1e-4)


def test_exact_products_carry_none():
    dataset = analyses.eigenvalues(subject(bent), k=1)
    assert "product_error" not in dataset
    assert Operator(subject(bent)).product_error == 0


def test_a_runner_that_goes_on_elsewhere_keeps_the_bound():
    first, other = ErrorBound(), ErrorBound()

    def compute(index: int) -> dict[str, np.ndarray]:
        first.note(0.1 * (index + 1), 2.0)
        return {"value": np.array(index)}

    kept: list = []

    def recording(count, compute, label):
        kept.extend(in_memory()(count, compute, label))
        return [dict(item) for item in kept] + [None]

    assert [item and sorted(item) for item in first.noting(recording)(2, compute, "")] == [["value"]] * 2 + [
        None
    ]
    other.noting(lambda count, compute, label: kept)(2, compute, "")
    assert (other.error, other.largest, other.blind) == (0.2, 2.0, False)
    assert other.relative == 0.1
    other.note(float("nan"), 1.0)
    assert other.error == float("inf")


def test_the_twin_in_float64_is_the_same_function():
    objective = subject(bent, torch.float32)
    twin = objective.replace(dtype="float64")
    assert twin.value().nll == pytest.approx(objective.value().nll, rel=1e-6)
    assert {value.dtype for value in twin.gradient().values()} == {torch.float64}
    assert {value.dtype for value in objective.gradient().values()} == {torch.float32}
