"""Gauss–Newton products against dense matrices, and graphs that are kept no longer than they should be."""

import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.derivatives.graphs import Products
from landscape.errors import LandscapeError
from landscape.losses import squared_error
from landscape.objective import Objective
from landscape.parameters import flatten, unflatten
from tests.cases import BY_NAME, CASES, CLASSES, Case, random_like, randomised
from tests.references import LiveMemory, dense_gauss_newton, dense_reference, flat

PLENTY = 2**40


def close(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(actual.double(), expected, rtol=0, atol=tolerance * scale)


def columns(objective: Objective, kind: str = "ggn", **options) -> Tensor:
    """The whole matrix, product by product."""
    matrix, like = objective.curvature(kind=kind, **options), objective.free
    identity = torch.eye(flatten(like).numel(), dtype=objective.dtype)
    return torch.stack([flatten(matrix(unflatten(row, like))) for row in identity])


# Gauss–Newton


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gauss_newton_against_the_dense_reference(case: Case):
    objective = case.objective()
    dense = dense_gauss_newton(case)
    assert float(dense.abs().max()) > 1e-3
    vectors = [random_like(objective.free, seed) for seed in (2, 3)]
    kept, streaming = objective.curvature(kind="ggn"), objective.curvature(kind="ggn", keep=0)
    single = case.objective(dtype=torch.float32).curvature(kind="ggn")
    for vector in vectors:
        expected = dense @ flat(vector)
        close(flatten(kept(vector)), expected, 1e-10)
        close(flatten(streaming(vector)), expected, 1e-10)
        narrow = {name: value.float() for name, value in vector.items()}
        close(flatten(single(narrow)), expected, 1e-4)


SMALL = ("conv-bn", "subset", "preactivation", "box", "binomial", "mlp", "tied")


@pytest.mark.parametrize("name", SMALL)
def test_every_entry_of_the_gauss_newton_matrix(name: str):
    case = BY_NAME[name]
    found = columns(case.objective())
    close(found, dense_gauss_newton(case), 1e-10)
    close(found, found.T, 1e-12)


@pytest.mark.parametrize("name", ["conv", "mlp"])
def test_gauss_newton_of_cross_entropy_is_positive_semidefinite_and_not_the_hessian(name: str):
    case = BY_NAME[name]
    found = columns(case.objective())
    values = np.linalg.eigvalsh(found.numpy())
    assert values.min() > -1e-12 * values.max()
    assert (dense_reference(case).hessian - found).abs().max() > 1e-2


def test_gauss_newton_of_a_linear_network_is_its_hessian():
    inputs, targets = BY_NAME["tied"].data()
    objective = Objective(
        randomised(nn.Sequential(nn.Linear(8, 3))), (inputs, targets), dtype=torch.float64, weight_decay=0.1
    )
    close(columns(objective), columns(objective, "hessian"), 1e-13)


def half_squares(logits: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (logits - F.one_hot(targets, logits.shape[1])).square().sum(1)


@pytest.mark.parametrize(
    ("loss", "curvature"),
    [
        (half_squares, lambda logits: torch.eye(CLASSES, dtype=logits.dtype)),
        (squared_error, lambda logits: 2 / CLASSES * torch.eye(CLASSES, dtype=logits.dtype)),
        (
            lambda z, y: z[:, 0].exp() + z[:, 1] ** 3,
            lambda z: torch.diag(torch.stack([z[0].exp(), 6 * z[1], z[2] * 0])),
        ),
        (lambda z, y: 3 * z[:, 1], lambda logits: torch.zeros(CLASSES, CLASSES, dtype=logits.dtype)),
    ],
    ids=["half squares", "squared error", "indefinite", "linear"],
)
def test_gauss_newton_of_other_losses(loss: Callable, curvature: Callable):
    for name in ("conv-bn", "weight-decay"):
        case = BY_NAME[name]
        close(columns(case.objective(loss=loss)), dense_gauss_newton(case, curvature), 1e-10)


@pytest.mark.parametrize("micro_batch", [1, 3, 100])
def test_the_micro_batch_changes_no_gauss_newton_product(micro_batch: int):
    case = BY_NAME["mc-dropout"]
    objective = case.objective(micro_batch=micro_batch)
    vector = random_like(objective.free)
    close(flatten(objective.curvature(kind="ggn")(vector)), dense_gauss_newton(case) @ flat(vector), 1e-12)


def test_an_unknown_matrix_is_refused():
    with pytest.raises(LandscapeError, match="kind is 'fisher'; choose one of hessian, ggn"):
        BY_NAME["conv"].objective().curvature(kind="fisher")


# Kept graphs

both_kinds = pytest.mark.parametrize("kind", ["hessian", "ggn"])


class Token:
    """Lives as long as the graph that holds it."""

    alive = made = 0

    def __init__(self) -> None:
        Token.alive += 1
        Token.made += 1

    def __del__(self) -> None:
        Token.alive -= 1


class Witness(torch.autograd.Function):
    """The identity, whose node keeps a token alive."""

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        ctx.token = Token()
        return z.view_as(z)

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:
        return g.view_as(g)


class Witnessed(nn.Module):
    """A network with a token in the middle of each of its graphs."""

    def __init__(self) -> None:
        super().__init__()
        layers = list(BY_NAME["conv-bn"].module())
        self.first, self.second = nn.Sequential(*layers[:2]), nn.Sequential(*layers[2:])

    def forward(self, x: Tensor) -> Tensor:
        return self.second(Witness.apply(self.first(x)))


def witnessed() -> Objective:
    return BY_NAME["conv"].objective(Witnessed())  # three micro-batches


@both_kinds
def test_as_many_graphs_are_kept_as_the_budget_allows(kind: str):
    objective = witnessed()
    vector = random_like(objective.free)
    assert Token.alive == 0
    matrix = objective.curvature(kind=kind, keep=PLENTY)
    assert (matrix.products.kept, matrix.products.graph_bytes) == (0, 0)
    expected = flatten(matrix(vector))
    size = matrix.products.graph_bytes
    assert matrix.products.kept == 3
    assert size > 1000
    for budget, kept in ((0, 0), (size - 1, 0), (size, 1), (2 * size, 2), (3 * size - 1, 2), (3 * size, 3)):
        part, before = objective.curvature(kind=kind, keep=budget), Token.made
        for _ in range(3):
            close(flatten(part(vector)), expected, 1e-13)
            assert part.products.kept == kept
            assert Token.alive == 3 + kept
        assert Token.made - before == 3 + 2 * (3 - kept)  # the others are built for each product
        del part


@both_kinds
def test_products_repeat_bit_for_bit(kind: str):
    """The first, from which graphs are kept, the next, from kept ones, and those that build them anew."""
    objective = BY_NAME["mc-dropout"].objective()
    vectors = [random_like(objective.free, seed) for seed in (2, 3)]
    results = []
    for budget in (PLENTY, PLENTY, 0):
        matrix = objective.curvature(kind=kind, keep=budget)
        results += [[flatten(matrix(vector)) for vector in vectors] for _ in range(3)]
    for each in results[1:]:
        for ours, first in zip(each, results[0], strict=True):
            assert torch.equal(ours, first)


@pytest.mark.parametrize(("kind", "budget"), [("hessian", 0), ("hessian", PLENTY), ("ggn", PLENTY)])
def test_nothing_grows_over_many_products(kind: str, budget: int):
    objective = witnessed()
    vector = random_like(objective.free)
    matrix = objective.curvature(kind=kind, keep=budget)

    def tensors() -> int:
        return sum(issubclass(type(each), Tensor) for each in gc.get_objects())

    with LiveMemory():  # the first product under a dispatch mode leaves a cycle in PyTorch
        matrix(vector)
    gc.collect()
    gc.disable()  # what only the cycle collector frees is growth too
    try:
        before, live = tensors(), Token.alive
        for _ in range(20):
            matrix(vector)
        assert tensors() == before
        assert Token.alive == live
        with LiveMemory() as memory:
            for _ in range(5):
                matrix(vector)
        assert memory.bytes() == 0
    finally:
        gc.enable()


@both_kinds
def test_memory_is_freed_with_the_matrix_and_after_an_error(kind: str):
    objective = witnessed()
    vector = random_like(objective.free)
    objective.value()  # prepares the micro-batches, which stay
    gc.collect()
    gc.disable()
    try:
        before = Token.alive
        with LiveMemory() as memory:
            matrix = objective.curvature(kind=kind, keep=PLENTY)
            product = matrix(vector)
        assert Token.alive == before + 3
        size = sum(value.numel() * 8 for value in product.values())
        assert memory.bytes() > size + 2 * matrix.products.graph_bytes
        with pytest.raises(LandscapeError):
            matrix({})
        del matrix
        assert Token.alive == before
        assert memory.bytes() == size
        del product
        assert memory.bytes() == 0
    finally:
        gc.enable()


@both_kinds
def test_a_graph_takes_the_bytes_that_it_says(kind: str):
    objective = BY_NAME["resnet20"].objective(micro_batch=3, params="*")
    objective.value()
    vector = random_like(objective.free)
    with LiveMemory() as memory:
        matrix = objective.curvature(kind=kind, keep=PLENTY)
        product = matrix(vector)
    taken = memory.bytes() - sum(value.numel() * 8 for value in product.values())
    assert 0.5 < matrix.products.graph_bytes / taken < 2


def test_other_parameters_have_a_graph_of_their_own():
    """What is kept belongs to the parameters it was computed at."""
    case = BY_NAME["conv-bn"]
    objective = case.objective()
    vector = random_like(objective.free)
    there = {name: 1.1 * value for name, value in objective.parameters.items()}
    here, elsewhere = (objective.curvature(where, kind="ggn") for where in (None, there))
    first = flatten(here(vector))
    assert (flatten(elsewhere(vector)) - first).abs().max() > 1e-3
    assert torch.equal(flatten(here(vector)), first)
    for value in there.values():
        value.zero_()
    close(flatten(here(vector)), dense_gauss_newton(case) @ flat(vector), 1e-10)


def test_a_graph_that_does_not_stay_is_gone_before_the_next_one_is_built():
    alive: list[weakref.ref] = []

    class Fake:
        def product(self, vectors, *, retain):
            return tuple(vectors)

    def build(batch):
        assert [each for each in alive if each() is not None] == []
        graph = Fake()
        alive.append(weakref.ref(graph))
        return graph

    products = Products([1, 2, 3], build, 0)
    for _ in range(2):
        (total,) = products([torch.ones(2)])
        assert total.tolist() == [3.0, 3.0]
    assert products.kept == 0
    assert len(alive) == 6
