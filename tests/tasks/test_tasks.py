"""Every kind of task against plain PyTorch: value, gradient and dense Hessian in float64, and the scores."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape import analyses, hessian, tasks
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import flatten, unflatten
from landscape.samples import Samples
from landscape.tasks import task_of

COUNT, CLASSES = 7, 3


def drawn(*shape: int, high: int = 0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if high:
        return torch.randint(0, high, shape, generator=generator)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(1)
    return make().double().eval()


def mlp(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, outputs))


def pixelwise() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, CLASSES, 1))


class Tokens(nn.Module):
    """Logits of every token, as Hugging Face's networks return them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(6, 3), nn.Linear(3, 6)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> dict[str, Tensor]:
        mixed = torch.tanh(self.embedding(input_ids)).cumsum(1)
        return {"hidden": mixed, "logits": self.head(mixed)}


class TwoInputs(nn.Module):
    """An image and a number of each sample, and a tuple of two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, CLASSES), nn.Linear(1, CLASSES)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.left(x), torch.tanh(self.left(x) * self.right(y))


def residual(model: nn.Module, batch: Tensor) -> Tensor:
    """u'' + u at some points: a physics-informed loss."""
    points = batch.detach().requires_grad_()
    values = model(points)
    (slope,) = torch.autograd.grad(values.sum(), points, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), points, create_graph=True)
    return (bend + values).square().mean(1)


def weighted(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return (outputs[:, 0] - targets).square(), 1.0 + targets.abs()


def pairs(model: nn.Module, batch: Any) -> Tensor:
    """A contrastive loss of two views of a sample."""
    first, second = (F.normalize(model(view), dim=1) for view in batch)
    return 1 - (first * second).sum(1)


def gaussian_nll(model: nn.Module) -> Tensor:
    mean, log_variance = model(X).chunk(2, 1)
    return F.gaussian_nll_loss(mean, drawn(COUNT, 2, seed=2), log_variance.exp(), eps=0)


X, IMAGES, IDS = drawn(COUNT, 4), drawn(COUNT, 2, 4, 5), drawn(COUNT, 5, high=6)
MASK = torch.arange(5) < torch.arange(COUNT)[:, None] % 3 + 3
YES = (drawn(COUNT, seed=3) > 0).long()
LABELS = (drawn(COUNT, CLASSES, seed=4) > 0).double()
AREAS = torch.where(drawn(COUNT, 4, 5, seed=5) > 1, 255, drawn(COUNT, 4, 5, high=CLASSES))
MARKS = torch.where(drawn(COUNT, 5, seed=6) > 1, -100, IDS)
SOFT = drawn(COUNT, CLASSES, seed=7).softmax(1)
CLASS, NUMBERS = torch.arange(COUNT) % CLASSES, drawn(COUNT, seed=8)
WEIGHTS = (1.0, 2.0, 4.0)

CASES: dict[str, tuple[Callable[[], nn.Module], Any, Any, dict[str, Any], Callable[[nn.Module], Tensor]]] = {
    "soft labels": (lambda: mlp(CLASSES), X, SOFT, {}, lambda m: F.cross_entropy(m(X), SOFT)),
    "smoothed and weighted": (
        lambda: mlp(CLASSES),
        X,
        CLASS,
        {"task": "classification,label_smoothing=0.1,class_weights=1:2:4"},
        lambda m: F.cross_entropy(
            m(X), CLASS, torch.tensor(WEIGHTS, dtype=torch.float64), label_smoothing=0.1
        ),
    ),
    "binary": (
        lambda: mlp(1),
        X,
        YES,
        {"task": "binary"},
        lambda m: F.binary_cross_entropy_with_logits(m(X)[:, 0], YES.double()),
    ),
    "multi-label": (
        lambda: mlp(CLASSES),
        X,
        LABELS,
        {"task": "multi-label"},
        lambda m: F.binary_cross_entropy_with_logits(m(X), LABELS),
    ),
    "regression": (
        lambda: mlp(1),
        X,
        NUMBERS,
        {"task": "regression"},
        lambda m: F.mse_loss(m(X)[:, 0], NUMBERS),
    ),
    "Gaussian": (lambda: mlp(4), X, drawn(COUNT, 2, seed=2), {"task": "gaussian"}, gaussian_nll),
    "pixels": (
        pixelwise,
        IMAGES,
        AREAS,
        {"task": "pixels,ignore_index=255"},
        lambda m: F.cross_entropy(m(IMAGES), AREAS, ignore_index=255),
    ),
    "tokens": (
        Tokens,
        {"input_ids": IDS, "attention_mask": MASK.long()},
        MARKS,
        {"task": "tokens"},
        lambda m: F.cross_entropy(m(IDS)["logits"].transpose(1, 2), MARKS),
    ),
    "language": (
        Tokens,
        {"input_ids": IDS, "attention_mask": MASK.long()},
        None,
        {"task": "language"},
        lambda m: F.cross_entropy(
            m(IDS)["logits"][:, :-1].transpose(1, 2), IDS.masked_fill(~MASK, -100)[:, 1:]
        ),
    ),
    "two inputs and two outputs": (
        TwoInputs,
        (X, NUMBERS[:, None]),
        CLASS,
        {"task": tasks.classification(logits=1)},
        lambda m: F.cross_entropy(m(X, NUMBERS[:, None])[1], CLASS),
    ),
    "weighted residuals": (
        lambda: mlp(1),
        X,
        NUMBERS,
        {"loss": weighted},
        lambda m: ((m(X)[:, 0] - NUMBERS).square() * (1 + NUMBERS.abs())).sum() / (1 + NUMBERS.abs()).sum(),
    ),
    "a differential equation": (
        lambda: nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)),
        NUMBERS[:, None],
        None,
        {"loss": residual},
        lambda m: residual(m, NUMBERS[:, None]).mean(),
    ),
    "two views": (
        lambda: mlp(CLASSES),
        (X, X + 0.1 * drawn(COUNT, 4, seed=9)),
        None,
        {"loss": pairs},
        lambda m: pairs(m, (X, X + 0.1 * drawn(COUNT, 4, seed=9))).mean(),
    ),
}
"""Network, inputs, targets, what an objective is given, and the mean that PyTorch would train with."""


def objective_of(name: str, **options: Any) -> tuple[Objective, nn.Module, Callable[[nn.Module], Tensor]]:
    make, inputs, targets, given, mean = CASES[name]
    module = seeded(make)
    samples = Samples(inputs, targets)
    return Objective(module, samples, dtype=torch.float64, **given, **options), module, mean


@pytest.mark.parametrize("micro_batch", [0, 3])
@pytest.mark.parametrize("name", CASES)
def test_value_gradient_and_hessian_are_those_of_pytorchs_mean(name: str, micro_batch: int):
    objective, module, mean = objective_of(name, micro_batch=micro_batch)
    parameters = list(module.parameters())
    assert objective.value().nll == pytest.approx(float(mean(module)), rel=1e-12)
    slopes = torch.autograd.grad(mean(module), parameters, create_graph=True, materialize_grads=True)
    for ours, theirs in zip(objective.gradient().values(), slopes, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(products(objective), by_rows(slopes, parameters), rtol=0, atol=1e-8)


def products(objective: Objective) -> Tensor:
    """The Hessian, a product with each unit vector at a time."""
    curvature, zero = objective.curvature(), flatten(objective.free) * 0
    columns = []
    for place in range(len(zero)):
        unit = zero.clone()
        unit[place] = 1
        columns.append(flatten(curvature(unflatten(unit, objective.free))))
    return torch.stack(columns, 1)


def by_rows(slopes: tuple[Tensor, ...], parameters: list[Tensor]) -> Tensor:
    """The Hessian, a row at a time."""
    flat = torch.cat([each.flatten() for each in slopes])
    rows = [
        torch.autograd.grad(each, parameters, retain_graph=True, materialize_grads=True)
        if each.requires_grad
        else [torch.zeros_like(p) for p in parameters]
        for each in flat
    ]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])


@pytest.mark.parametrize("name", CASES)
def test_a_surface_holds_the_scores_of_its_task(name: str):
    objective, module, mean = objective_of(name)
    surface = analyses.surface(objective, span=0.3, steps=3)
    assert float(surface.nll.sel(x=0, y=0)) == pytest.approx(float(mean(module)), rel=1e-10)
    expected = {
        "smoothed and weighted": {"accuracy", "ece"},
        "two inputs and two outputs": {"accuracy", "ece"},
        "binary": {"accuracy"},
        "multi-label": {"accuracy", "exact_match"},
        "regression": {"rmse"},
        "Gaussian": {"rmse"},
        "pixels": {"accuracy", "iou"},
        "tokens": {"accuracy"},
        "language": {"accuracy", "perplexity"},
    }.get(name, set())
    assert set(tasks.LONG_NAMES) & set(surface.data_vars) == expected


def test_scores_are_those_of_their_definitions():
    with torch.no_grad():
        objective, module, _ = objective_of("pixels")
        found = module(IMAGES).argmax(1)
        counted = AREAS != 255
        overlaps = [
            float(((found == c) & (c == AREAS)).sum() / (((found == c) & counted) | (c == AREAS)).sum())
            for c in range(CLASSES)
        ]
        scores = analyses.evaluation(objective)
        assert float(scores.iou) == pytest.approx(np.mean(overlaps))
        assert float(scores.accuracy) == pytest.approx(float((found == AREAS)[counted].double().mean()))
        objective, module, mean = objective_of("language")
        assert float(analyses.evaluation(objective).perplexity) == pytest.approx(math.exp(mean(module)))
        objective, module, mean = objective_of("regression")
        assert float(analyses.evaluation(objective).rmse) == pytest.approx(math.sqrt(mean(module)))
        objective, module, _ = objective_of("multi-label")
        right = (module(X) > 0) == (LABELS > 0.5)
        scores = analyses.evaluation(objective)
        assert float(scores.accuracy) == pytest.approx(float(right.double().mean()))
        assert float(scores.exact_match) == pytest.approx(float(right.all(1).double().mean()))


def test_errors_of_scores_are_the_spread_over_draws_of_samples():
    rng = np.random.default_rng(0)
    spread, errors = [], []
    task = tasks.regression()
    for _ in range(400):
        apart = torch.from_numpy(rng.standard_normal(200))
        columns = task.columns(apart, torch.zeros(200, dtype=torch.float64))
        spread.append(task.summary(columns)["rmse"])
        errors.append(task.errors(columns)["rmse"])
    assert np.mean(errors) == pytest.approx(np.std(spread), rel=0.1)


def test_weights_that_move_with_the_parameters_are_refused():
    def moving(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        losses = (outputs[:, 0] - targets).square()
        return losses, losses

    objective = Objective(seeded(lambda: mlp(1)), (X, NUMBERS), loss=moving, dtype=torch.float64)
    with pytest.raises(LandscapeError, match="depend on the parameters"):
        objective.gradient()
    far = {name: 2 * value for name, value in objective.parameters.items()}
    with pytest.raises(LandscapeError, match="no mean with fixed weights"):
        objective.value(far)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("segmentation", "choose one of classification, binary"),
        ("pixels,ignored=3", "it takes ignore_index=…, logits=…"),
        ("pixels,ignore_index=a", "expected a number"),
        ("classification,label_smoothing=2", r"must lie in \[0, 1\)"),
    ],
)
def test_what_is_no_task_is_refused(task: str, words: str):
    with pytest.raises(LandscapeError, match=words):
        task_of(task)


@pytest.mark.parametrize(
    ("make", "inputs", "targets", "given", "words"),
    [
        (lambda: mlp(2), X, NUMBERS, {"task": "regression"}, "compares them number by number"),
        (pixelwise, IMAGES, AREAS, {"task": "pixels"}, "give ignore_index=255"),
        (lambda: mlp(3), X, NUMBERS, {"task": "gaussian"}, "a mean and the logarithm of a variance"),
        (Tokens, IDS, None, {}, "index per sample|name their task"),
        (TwoInputs, (X, NUMBERS[:, None]), CLASS, {}, "tuple of 2.*logits=0"),
        (lambda: mlp(CLASSES), X, 2 * SOFT, {}, "probabilities of the classes"),
    ],
)
def test_what_does_not_fit_its_task_is_refused(make, inputs, targets, given, words: str):
    with pytest.raises(LandscapeError, match=words):
        Objective(seeded(make), Samples(inputs, targets), **given).value()


def test_gauss_newton_needs_to_know_the_outputs():
    objective, _, _ = objective_of("a differential equation")
    with pytest.raises(LandscapeError, match="Gauss–Newton needs to know which outputs"):
        hessian.top_eigenvalues(hessian.Operator(objective, kind="ggn"), k=1)


def test_the_protocol_says_the_task_and_a_view_of_samples_keeps_the_tree():
    objective, _, _ = objective_of("tokens")
    assert objective.protocol()["task"] == {"name": "tokens", "ignore_index": -100}
    part = objective.samples.select(np.array([4, 1]))
    assert torch.equal(part.inputs["input_ids"], IDS[[4, 1]])
    assert "task" not in objective_of("soft labels")[0].protocol()
