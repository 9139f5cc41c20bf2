"""Losses of every shape and weighting against PyTorch's own mean, or refused with the shape they had."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape import analyses, hessian
from landscape.errors import LandscapeError
from landscape.losses import sample_weights, weighed
from landscape.objective import Objective
from landscape.results import attribute

COUNT, FEATURES, CLASSES = 12, 6, 4


def inputs() -> Tensor:
    return torch.randn(COUNT, FEATURES, generator=torch.Generator().manual_seed(0))


def classes() -> Tensor:
    return torch.arange(COUNT) % CLASSES


def network(outputs: int = CLASSES) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(FEATURES, 5), nn.Tanh(), nn.Linear(5, outputs))


class Squeezed(nn.Module):
    """Outputs of shape (batch,)."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).squeeze(-1)


class Pixels(nn.Module):
    """A class for every pixel."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, CLASSES, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Tokens(nn.Module):
    """A distribution over the next token, at every place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embedding, self.head = nn.Embedding(7, 4), nn.Linear(4, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.embedding(x)))


def drawn(*shape: int, high: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return (
        torch.randint(0, high, shape, generator=generator)
        if high
        else torch.randn(shape, generator=generator)
    )


WEIGHTS = torch.tensor([1.0, 2.0, 3.0, 4.0])
ONE_NUMBER: dict[str, tuple] = {
    "cross-entropy": (network, inputs(), classes(), None, F.cross_entropy),
    "weighted classes": (
        network,
        inputs(),
        classes(),
        nn.CrossEntropyLoss(weight=WEIGHTS, reduction="none"),
        nn.CrossEntropyLoss(weight=WEIGHTS),
    ),
    "weighted classes and label smoothing": (
        network,
        inputs(),
        classes(),
        nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1, reduction="none"),
        nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1),
    ),
    "an ignored index": (
        network,
        inputs(),
        torch.where(classes() == 2, -100, classes()),
        nn.CrossEntropyLoss(reduction="none"),
        nn.CrossEntropyLoss(),
    ),
    "an ignored index in one batch": (
        network,
        inputs(),
        torch.where(torch.arange(COUNT) < 2, -100, classes()),
        nn.CrossEntropyLoss(reduction="none"),
        nn.CrossEntropyLoss(),
    ),
    "weighted NLL": (
        lambda: nn.Sequential(network(), nn.LogSoftmax(1)),
        inputs(),
        classes(),
        nn.NLLLoss(weight=WEIGHTS, ignore_index=1, reduction="none"),
        nn.NLLLoss(weight=WEIGHTS, ignore_index=1),
    ),
    "soft labels": (
        network,
        inputs(),
        drawn(COUNT, CLASSES).softmax(1),
        nn.CrossEntropyLoss(weight=WEIGHTS, reduction="none"),
        nn.CrossEntropyLoss(weight=WEIGHTS),
    ),
    "regression to (batch,)": (
        Squeezed,
        inputs(),
        drawn(COUNT),
        lambda o, t: (o - t) ** 2,
        F.mse_loss,
    ),
    "one logit": (
        Squeezed,
        inputs(),
        (drawn(COUNT) > 0).float(),
        nn.BCEWithLogitsLoss(reduction="none"),
        nn.BCEWithLogitsLoss(),
    ),
    "several labels": (
        network,
        inputs(),
        (drawn(COUNT, CLASSES) > 0).float(),
        lambda o, t: F.binary_cross_entropy_with_logits(o, t, reduction="none").mean(1),
        F.binary_cross_entropy_with_logits,
    ),
    "a class per pixel": (
        Pixels,
        drawn(COUNT, 2, 4, 5),
        drawn(COUNT, 4, 5, high=CLASSES),
        lambda o, t: F.cross_entropy(o, t, reduction="none").mean((1, 2)),
        F.cross_entropy,
    ),
    "a token at every place": (
        Tokens,
        drawn(COUNT, 5, high=7),
        drawn(COUNT, 5, high=7),
        lambda o, t: F.cross_entropy(o.transpose(1, 2), t, reduction="none").mean(1),
        lambda o, t: F.cross_entropy(o.transpose(1, 2), t),
    ),
    "a residual": (
        Squeezed,
        inputs(),
        torch.zeros(COUNT),
        lambda o, t: (o.sin() - t).abs() ** 3,
        lambda o, t: ((o.sin() - t).abs() ** 3).mean(),
    ),
}
"""Network, inputs, targets, our loss, and the mean that PyTorch would train with."""


def built(name: str, **options) -> tuple[Objective, nn.Module, Callable[[nn.Module], Tensor]]:
    make, x, t, loss, mean = ONE_NUMBER[name]
    module = make().eval()
    given = {} if loss is None else {"loss": loss}
    return Objective(module, (x, t), **given, **options), module, lambda module: mean(module(x), t)


@pytest.mark.parametrize("micro_batch", [0, 5])
@pytest.mark.parametrize("name", ONE_NUMBER)
def test_value_and_gradient_are_those_of_pytorchs_mean(name: str, micro_batch: int):
    objective, module, mean = built(name, micro_batch=micro_batch)
    expected = mean(module)
    assert objective.value().nll == pytest.approx(float(expected), rel=1e-5)
    for ours, theirs in zip(
        objective.gradient().values(), torch.autograd.grad(expected, list(module.parameters())), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ONE_NUMBER)
def test_eigenvalues_and_surfaces_are_of_the_same_loss(name: str):
    objective, module, mean = built(name)
    parameters = list(module.parameters())
    gradient = torch.cat(
        [g.flatten() for g in torch.autograd.grad(mean(module), parameters, create_graph=True)]
    )
    rows = [
        torch.cat(
            [
                h.flatten()
                for h in torch.autograd.grad(g, parameters, retain_graph=True, materialize_grads=True)
            ]
        )
        for g in gradient
    ]
    largest = torch.linalg.eigvalsh(torch.stack(rows).double())[-1]
    found = hessian.top_eigenvalues(objective, k=1)
    assert float(found.eigenvalue[0]) == pytest.approx(float(largest), rel=2e-3)
    surface = analyses.plane(objective, span=0.3, steps=3)
    assert float(surface.nll.sel(x=0, y=0)) == pytest.approx(float(mean(module)), rel=1e-5)
    has_classes = name in ("cross-entropy", "weighted classes", "weighted classes and label smoothing")
    has_classes |= name in ("an ignored index", "an ignored index in one batch", "weighted NLL")
    assert ("accuracy" in surface) == ("ece" in surface) == has_classes
    analyses.eigenvalues(objective, k=1)


REDUCED: dict[str, tuple] = {
    "a mean": (network, inputs(), classes(), nn.CrossEntropyLoss(), "shape ()"),
    "a sum": (network, inputs(), classes(), nn.CrossEntropyLoss(reduction="sum"), "shape ()"),
    "one per pixel": (
        Pixels,
        drawn(COUNT, 2, 4, 5),
        drawn(COUNT, 4, 5, high=CLASSES),
        nn.CrossEntropyLoss(reduction="none"),
        "4, 5)",
    ),
    "one per label": (
        network,
        inputs(),
        (drawn(COUNT, CLASSES) > 0).float(),
        nn.BCEWithLogitsLoss(reduction="none"),
        f"{CLASSES})",
    ),
    "a column": (
        lambda: network(1),
        inputs(),
        drawn(COUNT, 1),
        nn.MSELoss(reduction="none"),
        "1)",
    ),
    "a number": (network, inputs(), classes(), lambda o, t: 1.0, "float"),
}


@pytest.mark.parametrize("name", REDUCED)
def test_anything_but_one_number_per_sample_is_refused(name: str):
    make, x, t, loss, shape = REDUCED[name]
    for call in (
        lambda objective: objective.value(),
        lambda objective: objective.gradient(),
        lambda objective: hessian.top_eigenvalues(objective, k=1),
        lambda objective: analyses.plane(objective, span=0.3, steps=3),
    ):
        with pytest.raises(LandscapeError, match="one number per sample") as caught:
            call(Objective(make().eval(), (x, t), loss=loss))
        assert shape in str(caught.value)
        assert 'reduction="none"' in str(caught.value)


def test_the_default_loss_of_pixels_names_the_task():
    with pytest.raises(LandscapeError, match="pixels"):
        Objective(Pixels(), (drawn(4, 2, 4, 5), drawn(4, 4, 5, high=CLASSES))).value()


def test_a_loss_of_no_sample_is_refused():
    ignored = torch.full_like(classes(), -100)
    objective = Objective(network(), (inputs(), ignored), loss=nn.CrossEntropyLoss(reduction="none"))
    with pytest.raises(LandscapeError, match="no sample of tensors counts"):
        objective.value()


def test_weights_of_a_batch_are_those_of_its_targets():
    loss = nn.CrossEntropyLoss(weight=WEIGHTS, ignore_index=3, reduction="none")
    found = sample_weights(loss, torch.tensor([0, 3, 2]))
    assert found is not None
    assert found.tolist() == [1.0, 0.0, 3.0]
    assert sample_weights(F.cross_entropy, classes()) is None
    losses, _ = weighed(loss, torch.zeros(1, CLASSES, dtype=torch.float64), torch.tensor([2]), 1)
    assert float(losses) == pytest.approx(3 * float(torch.tensor(4.0).log()), rel=1e-6)


def test_float_targets_are_in_the_working_precision():
    targets = torch.rand(COUNT, dtype=torch.float64)
    seen = []

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        seen.append((outputs.dtype, targets.dtype))
        return (outputs - targets) ** 2

    objective = Objective(Squeezed(), (inputs().double(), targets), loss=loss, dtype=torch.float64)
    expected = F.mse_loss(Squeezed().double()(inputs().double()), targets)
    assert objective.value().nll == pytest.approx(float(expected), rel=1e-13)
    assert set(seen) == {(torch.float64, torch.float64)}


@pytest.mark.parametrize(
    ("last", "warns"), [(nn.Softmax(1), True), (nn.LogSoftmax(1), False), (nn.Identity(), False)]
)
def test_outputs_that_look_like_probabilities_are_warned_of(last: nn.Module, warns: bool):
    objective = Objective(nn.Sequential(network(), last), (inputs(), classes()))
    surface = analyses.plane(objective, span=0.3, steps=3)
    failed = [check["name"] for check in attribute(surface, "checks") if not check["passed"]]
    assert ("logits" in failed) == warns
