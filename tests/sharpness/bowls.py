"""Losses that are known functions of the weights: quadratic bowls and normal crossings."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from landscape.objective import Objective


class Function(nn.Module):
    """A network whose output for every sample is one function of its weights."""

    def __init__(self, weights: Tensor, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(weights.clone())
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.weight) + 0 * x[:, :1]


def itself(outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs[:, 0]


def objective(weights: Tensor, function: Callable[[Tensor], Tensor], count: int = 4) -> Objective:
    """A loss that is the same for each of so many samples."""
    samples = torch.zeros(count, 1, dtype=torch.float64), torch.zeros(count, dtype=torch.int64)
    return Objective(Function(weights.double(), function), samples, loss=itself, dtype=torch.float64)


def bowl(size: int = 6, seed: int = 0) -> tuple[Objective, Tensor]:
    """½(w − w*)ᵀH(w − w*) at its minimum, and H."""
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(size, size, generator=generator, dtype=torch.float64)
    minimum = torch.randn(size, generator=generator, dtype=torch.float64) + 2
    hessian = root @ root.T / size + torch.diag(torch.arange(size, dtype=torch.float64))
    return objective(minimum, lambda w: 0.5 * (w - minimum) @ hessian @ (w - minimum)), hessian
