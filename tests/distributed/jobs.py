"""What ranks do in tests: each function runs on every rank, and what it returns is looked at by the test."""

import os
import signal
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from landscape import hessian
from landscape.distributed import joined, led, sharded
from landscape.errors import RankError
from landscape.objective import Objective
from landscape.parameters import flatten
from landscape.samples import Samples
from tests.cases import BY_NAME, DROPOUT, Case, random_like


class Attention(nn.Module):
    """A transformer of one small block."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(self.embed(x)).mean(1))


def weighted() -> nn.CrossEntropyLoss:
    """Classes that count unlike, one of them not at all."""
    weight = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)
    return nn.CrossEntropyLoss(weight=weight, ignore_index=1, reduction="none")


CASES = {
    "plain": Case("plain", BY_NAME["conv-bn"].network, {"weight_decay": 0.3}, samples=7),
    "attention": Case("attention", Attention, {"weight_decay": 0.1}, shape=(5, 4), samples=7),
    "weighted": Case("weighted", BY_NAME["conv"].network, {"loss": weighted()}, samples=7),
    "masks": Case("masks", DROPOUT.network, DROPOUT.options | {"dropout": "fresh"}, samples=7),
    "batches": Case(
        "batches", BY_NAME["conv-bn"].network, {"batch_norm": "batch", "micro_batch": 3}, samples=8
    ),
    "once": Case("once", lambda: nn.Sequential(nn.Flatten(), Once(), nn.Linear(50, 3)), samples=5),
}
"""Objectives that are shared out."""


class Once(nn.Module):
    """A layer without a second derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return _Square.apply(x * self.scale)


class _Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * gradient


def numbers(objective: Objective) -> dict[str, Any]:
    """Everything that is a sum over samples, and the eigenvalues that follow."""
    vector = random_like(objective.free)
    theta = {name: value + 0.01 for name, value in objective.parameters.items()}
    operator = hessian.Operator(objective)
    losses, right = objective.sample_losses(draw=1)
    found = {
        "value": objective.value(theta, draw=1),
        "losses": losses,
        "right": torch.ones(1) if right is None else right,
        "gradient": flatten(objective.gradient(theta, draw=1)),
        "eigenvalues": hessian.top_eigenvalues(operator, 2).eigenvalue.values,
    }
    if operator.exact:
        found["hvp"] = flatten(objective.hvp(vector, theta, draw=1))
        found["ggn"] = flatten(objective.curvature(kind="ggn")(vector))
    return found


def all_numbers(names: list[str], dtype: str = "float64") -> dict[str, Any]:
    """Of several cases, each shared out among the ranks."""
    group = joined()
    return {name: numbers(sharded(CASES[name].objective(dtype=dtype), group)) for name in names}


class Counted(Dataset):
    """Samples that note which of them are read."""

    def __init__(self, count: int) -> None:
        self.inputs, self.targets = Case("lazy", nn.Identity, samples=count, shape=(6,)).data()
        self.read: set[int] = set()

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.read.add(index)
        return self.inputs[index], int(self.targets[index])


def reading(count: int) -> tuple[Any, ...]:
    """Which samples a rank reads for values, gradients, products and the protocol."""
    data = Counted(count)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    whole = Objective(network, Samples.of(data), dtype="float64", micro_batch=4)
    data.read.clear()
    objective = sharded(whole, joined())
    objective.gradient(), objective.hvp(objective.free), objective.value()
    return sorted(data.read), objective.protocol(), sorted(data.read), objective.rows()[-1]


def coming_apart() -> list[str]:
    """Vectors that differ by one bit on rank 1; then the same ones, as if nothing had been."""
    group = joined()
    objective = sharded(CASES["plain"].objective(), group)
    vector = random_like(objective.free)
    same = objective.hvp(vector)
    other = {name: value.clone() for name, value in vector.items()}
    if group.rank == 1:
        first = next(iter(other.values())).view(-1)
        first[0] = torch.nextafter(first[0], torch.tensor(9.0, dtype=first.dtype))
    words = _refused(lambda: objective.hvp(other))
    again = objective.hvp(vector)
    return [words, str(all(torch.equal(again[name], same[name]) for name in same))]


def failing() -> list[str]:
    """A loss that fails on samples of rank 1 alone."""
    broken = [False]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if broken[0]:
            raise ValueError("no room left")
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    group = joined()
    objective = sharded(CASES["plain"].objective(loss=loss), group)
    objective.gradient()
    broken[0] = group.rank == 1
    words = [_refused(objective.gradient), _refused(objective.value)]
    broken[0] = False
    return [*words, str(objective.value().nll > 0)]


def dying(how: str) -> Any:
    """Rank 1 ends, gives up or sleeps in the middle of a search for eigenvalues."""
    group = joined(patience=3.0) if how == "sleeps" else joined()
    objective = sharded(CASES["plain"].objective(), group)
    operator = hessian.Operator(objective)
    operator(torch.ones(operator.size, dtype=torch.float64))
    started = time.monotonic()
    if group.rank == 1:
        time.sleep(1.5)  # signs of life have been given
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "gives up":
            group.watch.report(ValueError("the disk is full"))
            raise SystemExit(1)
        time.sleep(9.0)
        raise SystemExit(0)
    words = _refused(lambda: hessian.top_eigenvalues(operator, 1))
    return words, time.monotonic() - started


def items() -> Any:
    """Items that rank 0 has kept in part, and which of them each rank computes."""
    group, computed = joined(), []

    def compute(index: int) -> dict[str, np.ndarray]:
        computed.append(index)
        return {"value": np.array(10.0 * index + group.rank)}

    def kept(count: int, one: Any, label: str) -> list[dict[str, np.ndarray]]:
        return [{"value": np.array(-1.0)} if index == 1 else one(index) for index in range(count)]

    found = led(kept if group.leads else None, group)(3, compute, "numbers")
    return [float(item["value"]) for item in found], computed


def too_many() -> str:
    """More ranks than samples."""
    group = joined()
    words = _refused(lambda: sharded(CASES["plain"].objective().subset(0, 1), group))
    group.summed(lambda: torch.zeros(1), 1)  # rank 0 holds the store: it waits for the other to have spoken
    return words


def command(*arguments: str) -> None:
    """The command line."""
    from landscape.cli import main

    main(list(arguments))


def killed_command(product: int, *arguments: str) -> None:
    """The command line, rank 1 of which is killed at a product over all samples."""
    from landscape.distributed.shards import _Summed

    whole, seen = _Summed.__call__, [0]

    def counted(self: Any, vectors: Any) -> Any:
        seen[0] += 1
        if seen[0] == product and os.environ["RANK"] == os.environ.get("LANDSCAPE_KILLED", "1"):
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(self, vectors)

    _Summed.__call__ = counted  # type: ignore[method-assign]
    command(*arguments)


def _refused(work: Any, *_: Any) -> str:
    from landscape.errors import LandscapeError

    try:
        work()
    except (RankError, LandscapeError) as error:
        return str(error)
    return ""
