"""One table of tiny networks, data and protocols, in float64, that several tests run through."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from landscape.objective import Objective
from landscape.zoo import ModelConfig, Smoothing, build, parse
from landscape.zoo.blocks import PreactivationBlock, ResidualBlock
from landscape.zoo.layers import MLPHead, Pool, Smooth

CLASSES = 3


@dataclass(frozen=True, eq=False)
class Case:
    """A network, how many samples of which shape it sees, and the objective's options."""

    name: str
    network: Callable[[], nn.Module]
    options: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (2, 5, 5)
    samples: int = 5

    def module(self) -> nn.Module:
        return randomised(self.network()).eval()

    def data(self) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(1)
        inputs = torch.randn(self.samples, *self.shape, generator=generator, dtype=torch.float64)
        return inputs, torch.randint(0, CLASSES, (self.samples,), generator=generator)

    def objective(self, module: nn.Module | None = None, **changes: Any) -> Objective:
        options = {"dtype": torch.float64, "micro_batch": 2} | self.options | changes
        return Objective(self.module() if module is None else module, self.data(), **options)


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in float64 with random weights, biases and BatchNorm statistics."""
    generator = torch.Generator().manual_seed(seed)

    def normal(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64)

    module = module.double()
    for parameter in module.parameters():
        fan_in = max(1, parameter[0].numel())
        noise = normal(parameter)
        parameter.data = noise * (2 / fan_in) ** 0.5 if parameter.dim() > 1 else 0.5 + 0.3 * noise
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None:
            layer.running_mean = 0.3 * normal(layer.running_mean)
            layer.running_var = 0.5 + normal(layer.running_var) ** 2
            layer.num_batches_tracked.fill_(7)
    return module


def random_like(parameters: dict[str, Tensor], seed: int = 2) -> dict[str, Tensor]:
    """A Gaussian vector over the same names and shapes."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
        for name, value in parameters.items()
    }


def _config(**values: Any) -> ModelConfig:
    return ModelConfig(**{"classes": CLASSES} | values)


def _conv(*middle: nn.Module, channels: int = 3, head: str = "gap") -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), *middle, nn.ReLU(), Pool(head), nn.Linear(channels, CLASSES)
    )


def _residual(shortcut: str, dropout: float = 0.0) -> nn.Module:
    config = _config(shortcut=shortcut, dropout=dropout)
    return nn.Sequential(
        ResidualBlock("basic", 2, 3, 2, config), ResidualBlock("basic", 3, 3, 1, config), _classifier()
    )


def _preactivation(shortcut: str) -> nn.Module:
    config = _config(shortcut=shortcut, preactivation=True, activation="relu6")
    return nn.Sequential(PreactivationBlock("basic", 2, 3, 2, config), _classifier())


def _bottleneck() -> nn.Module:
    return nn.Sequential(
        ResidualBlock("bottleneck", 2, 1, 2, _config(shortcut="B")), Pool("max"), nn.Linear(4, CLASSES)
    )


def _smoothed(kernel: tuple[int, ...], prob: str) -> nn.Module:
    return _conv(nn.BatchNorm2d(3), Smooth(3, Smoothing(kernel=kernel, prob=prob, temperature=0.0)))


def _mlp(**values: Any) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 2, 3, stride=2), nn.ReLU6(), nn.Flatten(), Head(_config(head="mlp", hidden=5, **values))
    )


class Head(MLPHead):
    """The zoo's dense head on a map of 2×2×2 values."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(8, config)


class Tied(nn.Module):
    """One weight under two names, and a parameter that is not used at all."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.unused = nn.Parameter(torch.empty(2))
        self.last = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))


def _classifier() -> nn.Module:
    return nn.Sequential(Pool("gap"), nn.Linear(3, CLASSES))


def _zoo(spec: str) -> Callable[[], nn.Module]:
    return lambda: build(parse(f"{spec},classes={CLASSES}"))


_FEW = "conv1.*,*bn1*,layer2.0.*,linear.*"

CASES = (
    Case("conv", _conv),
    Case("conv-bn", lambda: _conv(nn.BatchNorm2d(3))),
    Case("weight-decay", lambda: _conv(nn.BatchNorm2d(3)), {"weight_decay": 0.3}),
    Case("subset", lambda: _conv(nn.BatchNorm2d(3)), {"weight_decay": 0.3, "params": "0.*,!0.bias,1.*"}),
    Case("median", lambda: _conv(head="median")),
    Case("residual-A", lambda: _residual("A"), samples=3),
    Case("residual-B", lambda: _residual("B"), samples=3),
    Case("bottleneck", _bottleneck),
    Case("preactivation", lambda: _preactivation("conv")),
    Case("box", lambda: _smoothed((1, 1), "tanh")),
    Case("binomial", lambda: _smoothed((1, 2, 1), "relu6")),
    Case("mlp", _mlp),
    Case("mc-dropout", lambda: _residual("A", dropout=0.4), {"dropout": "fixed", "seed": 5}),
    Case("mc-dropout-off", lambda: _residual("A", dropout=0.4), samples=3),
    Case("tied", Tied, {"weight_decay": 0.1}, shape=(8,)),
    Case("resnet20", _zoo("cifar-resnet20:width=1"), {"params": _FEW}, shape=(3, 8, 8), samples=3),
    Case(
        "preresnet20-blur",
        _zoo("cifar-preresnet20:width=1,blur,dropout=0.2"),
        {"params": _FEW, "dropout": "fixed", "weight_decay": 0.01},
        shape=(3, 8, 8),
        samples=3,
    ),
)
BY_NAME = {case.name: case for case in CASES}

DROPOUT = Case("dropout", lambda: _conv(nn.Dropout(0.4)), {"dropout": "fixed", "seed": 5})
SIX = (*(BY_NAME[name] for name in ("conv", "bottleneck", "preactivation", "binomial", "mlp")), DROPOUT)
"""Plain, residual, pre-activation, blurred, MLP head, MC dropout: small enough for many dense matrices."""
