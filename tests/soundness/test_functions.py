"""Networks, losses and targets whose value and derivatives would be of two functions, or of no mean."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

import landscape as ls
from landscape import Objective, tasks
from landscape.errors import LandscapeError
from landscape.losses import loss_record

COUNT = 40
X = torch.randn(COUNT, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(COUNT) % 3


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).eval()


class Focal(nn.CrossEntropyLoss):
    def __init__(self, gamma: float, weight: Tensor) -> None:
        super().__init__(weight, reduction="none")
        self.gamma = gamma

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        ce = super().forward(x, y)
        return (1 - torch.exp(-ce)) ** self.gamma * ce


def test_a_loss_with_class_weights_keeps_what_else_it_was_made_with():
    loss, net = Focal(5.0, torch.tensor([1.0, 2.0, 3.0])), network()
    plain = loss(net(X), Y).sum() / loss.weight[Y].sum()
    assert Objective(net, (X, Y), loss=loss).value().nll == pytest.approx(float(plain.detach()), rel=1e-5)


def weights_too(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
    return F.cross_entropy(model(batch[0]), batch[1], reduction="none"), torch.ones(len(batch[1]))


@pytest.mark.parametrize(
    ("targets", "options"),
    [
        (torch.zeros(COUNT, 3), {"task": "regression"}),
        (torch.ones(COUNT, 3), {"task": "multi-label"}),
        (Y, {"loss": "mse"}),
        (Y, {"loss": weights_too}),
    ],
)
def test_only_probabilities_of_classes_are_averaged(targets: Tensor, options: dict[str, Any]):
    net = nn.Sequential(nn.Dropout(0.5), network())
    objective = Objective(net, (X, targets), dropout="ensemble:3", **options)
    with pytest.raises(LandscapeError, match="averages the probabilities of classes"):
        objective.value()


class Padded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.out = nn.Embedding(10, 6, padding_idx=0), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.embedding(x)).mean(1))


@pytest.mark.parametrize("first", [0, 2])
def test_padding_rows_are_no_parameters_of_values_either(first: int):
    tokens = torch.randint(1, 10, (COUNT, 5), generator=torch.Generator().manual_seed(0))
    tokens[first:, 3:] = 0
    net = Padded().double()
    objective = Objective(net, (tokens, Y), dtype="float64")
    rng = torch.Generator().manual_seed(1)
    along = {name: torch.randn(v.shape, generator=rng, dtype=v.dtype) for name, v in objective.free.items()}

    def at(h: float) -> float:
        return objective.value({n: v + h * along[n] for n, v in objective.parameters.items()}).nll

    gradient, product = objective.gradient(), objective.hvp(along)
    slope = sum(float((gradient[n] * along[n]).sum()) for n in along)
    bend = sum(float((product[n] * along[n]).sum()) for n in along)
    assert slope == pytest.approx((at(1e-5) - at(-1e-5)) / 2e-5, rel=1e-6)
    assert bend == pytest.approx((at(1e-3) - 2 * at(0) + at(-1e-3)) / 1e-6, rel=1e-4)
    assert not gradient["embedding.weight"][0].any()


class Read(Dataset):
    def __init__(self, targets: Tensor) -> None:
        self.targets = targets

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return X[index], self.targets[index]


@pytest.mark.parametrize("where", ["tensors", "a data set"])
@pytest.mark.parametrize(
    ("targets", "task", "words"),
    [
        (torch.where(torch.arange(COUNT) < 10, Y, -100), "classification", "target -100"),
        ((torch.arange(COUNT)[:, None] % 2 * 255).expand(-1, 3).float(), "multi-label", "from 0 to 255"),
        ((torch.arange(COUNT)[:, None] % 2 * 2 - 1).expand(-1, 3).float(), "multi-label", "from -1 to 1"),
    ],
)
def test_targets_outside_of_their_definition_are_refused(where: str, targets: Tensor, task: str, words: str):
    data = (X, targets) if where == "tensors" else ls.Samples.of(Read(targets))
    with pytest.raises(LandscapeError, match=words):
        Objective(network(), data, task=task).value()


def test_a_loss_under_which_nothing_counts_has_no_mean():
    def loss(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return F.cross_entropy(outputs, targets, reduction="none"), torch.zeros(len(targets))

    with pytest.raises(LandscapeError, match="no sample of tensors counts for anything"):
        Objective(network(), (X, Y), loss=loss).value()


def test_samples_stay_as_they_are_whatever_a_loss_writes():
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        ignored = targets == 255
        targets[ignored] = 0
        return torch.where(ignored, 0.0, F.cross_entropy(outputs, targets, reduction="none"))

    targets = torch.where(torch.arange(COUNT) < 30, Y, 255)
    given = targets.clone()
    objective = Objective(network(), (X, given), loss=loss)
    first = objective.value().nll
    assert objective.value().nll == first
    assert torch.equal(given, targets)


def test_a_loss_that_writes_to_outputs_is_refused():
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        outputs[:, 0] = 0
        return F.cross_entropy(outputs, targets, reduction="none")

    with pytest.raises(LandscapeError, match="the loss loss writes to the outputs"):
        Objective(network(), (X, Y), loss=loss).value()


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(10, 8)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 1)
        self.out = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layers(self.embedding(x), src_key_padding_mask=x == 0).mean(1))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_values_and_derivatives_of_padded_tokens_are_of_one_function():
    tokens = torch.randint(1, 10, (COUNT, 5), generator=torch.Generator().manual_seed(0))
    tokens[2:, 3:] = 0
    objective = Objective(Encoder().eval(), (tokens, Y))
    whole = sum(float(objective.share(batch).loss.detach()) for batch in objective.batches())
    assert objective.value().nll == pytest.approx(whole, rel=1e-6)
    assert torch.backends.mha.get_fastpath_enabled()


class Counting(nn.Module):
    """Normalises by what it has seen, in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(4))
        self.net = network()

    def forward(self, x: Tensor) -> Tensor:
        self.level.lerp_(x.mean(0).detach(), 1e-3)
        return self.net(x - self.level)


def test_buffers_that_a_pass_writes_begin_anew_with_each():
    net = Counting()
    objective = Objective(net, (X, Y), micro_batch=COUNT)
    values = {objective.value().nll for _ in range(5)}
    assert len(values) == 1
    assert not net.level.any()


def test_protocols_tell_losses_apart():
    made = (
        nn.CrossEntropyLoss(reduction="none"),
        nn.CrossEntropyLoss(reduction="none", label_smoothing=0.3),
        nn.CrossEntropyLoss(torch.ones(3), reduction="none"),
        nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 3.0]), reduction="none"),
        partial(F.cross_entropy, reduction="none"),
        partial(F.cross_entropy, reduction="none", label_smoothing=0.3),
    )
    records = [Objective(network(), (X, Y), loss=loss).protocol()["loss"] for loss in made]
    assert len(set(records)) == len(made)
    assert not any("0x" in record for record in records)
    assert loss_record(Focal(5.0, torch.ones(3))) != loss_record(Focal(2.0, torch.ones(3)))


class Sparse(nn.Module):
    def __init__(self, sparse: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.out = nn.Embedding(10, 6, sparse=sparse), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(self.embedding(x)).mean(1))


def test_sparse_gradients_give_the_same_curvature():
    tokens = torch.randint(0, 10, (COUNT, 5), generator=torch.Generator().manual_seed(0))
    found = [
        float(ls.hessian.top_eigenvalues(Objective(Sparse(sparse), (tokens, Y)), k=1).eigenvalue[0])
        for sparse in (False, True)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_tasks_of_classes_alone_are_averaged():
    assert tasks.classification(label_smoothing=0.1).of_probabilities
    assert not tasks.regression().of_probabilities
