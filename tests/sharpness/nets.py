"""Small networks with BatchNorm, ReLU and layers that one other layer reads."""

import torch
from torch import nn

from landscape.objective import Objective
from tests.cases import randomised


def convolutional(seed: int = 0) -> nn.Module:
    """Convolutions with and without bias, BatchNorm, ReLU, a flattened map."""
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 3, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 6),
        nn.ReLU(),
        nn.Linear(6, 3),
    )
    return randomised(module, seed).eval()


def dense(activation: type[nn.Module] = nn.ReLU, seed: int = 0) -> nn.Module:
    """Three dense layers."""
    return randomised(
        nn.Sequential(nn.Linear(5, 6), activation(), nn.Linear(6, 4), activation(), nn.Linear(4, 3)), seed
    )


def loss(module: nn.Module, count: int = 12, **options) -> Objective:
    """Cross-entropy on random inputs that suit the first layer."""
    generator = torch.Generator().manual_seed(1)
    first = next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    shape = (first.in_channels, 4, 4) if isinstance(first, nn.Conv2d) else (first.in_features,)
    inputs = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 3, (count,), generator=generator)
    return Objective(module, (inputs, targets), **{"dtype": torch.float64} | options)
