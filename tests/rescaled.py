"""Pairs of networks that are one function: filters scaled, and the BatchNorm behind them adapted."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, weight_norm

from landscape.objective import Objective


def pruned(layer: nn.Module) -> nn.Module:
    """Without every third weight, so that no filter is gone whole: BatchNorm would divide by its rounding."""
    mask = torch.ones_like(layer.weight)
    mask.view(-1)[::3] = 0
    prune.custom_from_mask(layer, "weight", mask)
    return layer


LAYERS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "Conv1d": (lambda: nn.Conv1d(4, 6, 2), 1),
    "Conv2d": (lambda: nn.Conv2d(4, 6, (1, 2), bias=False), 2),
    "Conv3d": (lambda: nn.Conv3d(4, 6, (1, 1, 2)), 3),
    "grouped": (lambda: nn.Conv2d(4, 6, (1, 2), groups=2), 2),
    "depthwise": (lambda: nn.Conv2d(4, 4, (1, 2), groups=4), 2),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 2), 1),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, (1, 2), bias=False), 2),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(4, 6, (1, 1, 2)), 3),
    "grouped ConvTranspose1d": (lambda: nn.ConvTranspose1d(4, 6, 2, groups=2), 1),
    "grouped ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, (1, 2), groups=2), 2),
    "depthwise ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 4, (1, 2), groups=4), 2),
    "Linear": (lambda: nn.Linear(4, 6), 0),
    "pruned Conv2d": (lambda: pruned(nn.Conv2d(4, 6, (1, 2))), 2),
    "pruned ConvTranspose2d": (lambda: pruned(nn.ConvTranspose2d(4, 6, (1, 2), groups=2)), 2),
}
"""A layer of each kind with four channels in, and how many dimensions its maps have."""

NORMALISED: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "hooks": (lambda: weight_norm(nn.Conv2d(4, 6, (1, 2))), 2),
    "parametrized": (lambda: parametrizations.weight_norm(nn.Conv1d(4, 6, 2)), 1),
    "by input channel": (lambda: parametrizations.weight_norm(nn.ConvTranspose2d(4, 6, (1, 2), groups=2)), 2),
    "by output channel": (lambda: parametrizations.weight_norm(nn.ConvTranspose1d(4, 6, 2), dim=1), 1),
    "as a whole": (lambda: parametrizations.weight_norm(nn.Linear(4, 6), dim=None), 0),
}
"""Layers with weight normalisation, whose v has any length."""

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def twins(name: str, seed: int) -> tuple[Objective, Objective]:
    """Objectives over two networks of such a layer that compute the same."""
    first, inputs = _network(name, seed)
    second, _ = _network(name, seed)
    with torch.no_grad():
        (_rescale if name in LAYERS else _lengthen)(second)
        torch.testing.assert_close(second(inputs), first(inputs))
    data = inputs, torch.arange(len(inputs)) % 3
    return Objective(first, data, dtype=torch.float64), Objective(second, data, dtype=torch.float64)


def _network(name: str, seed: int) -> tuple[nn.Sequential, Tensor]:
    make, dims = (LAYERS | NORMALISED)[name]
    torch.manual_seed(seed)
    inputs = torch.randn(5, 4, *[2] * dims, dtype=torch.float64)
    layer = make().double()
    outputs = layer(inputs)
    norm = _BATCH_NORMS[dims](outputs.shape[1], eps=1e-30, momentum=None).double()
    network = nn.Sequential(layer, norm, nn.Tanh(), nn.Flatten(), nn.Linear(outputs[0].numel(), 3).double())
    network(inputs)  # for the statistics
    return network.eval(), inputs


def _rescale(network: nn.Sequential) -> None:
    """Each output channel of the layer times a number, which BatchNorm takes away again."""
    layer, norm = network[0], network[1]
    factors = 10 ** (2 * torch.rand(norm.num_features, dtype=torch.float64) - 1)
    weight = next(p for key, p in layer.named_parameters() if key != "bias")
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        _rescale_transposed(weight, factors, layer.groups)
    else:
        weight *= factors.view(-1, *[1] * (weight.dim() - 1))
    if layer.bias is not None:
        layer.bias *= factors
    norm.running_mean *= factors
    norm.running_var *= factors**2


def _rescale_transposed(weight: Tensor, factors: Tensor, groups: int) -> None:
    """By the definition of transposed convolutions: channel g·m + j comes from the inputs of group g."""
    inputs, outputs = len(weight) // groups, weight.shape[1]
    for group in range(groups):
        for j in range(outputs):
            weight[group * inputs : (group + 1) * inputs, j] *= factors[group * outputs + j]


def _lengthen(network: nn.Sequential) -> None:
    """Each slice of v that has a g of its own times a number."""
    g, v = (p for key, p in network[0].named_parameters() if key != "bias")
    v *= 10 ** (2 * torch.rand_like(g) - 1)
