"""Layers of users' own networks: their units are followed, with images in memory as commands have them."""

import pytest
import torch
from torch import nn

import landscape as ls
from landscape.connectivity import symmetry


def groups(*layers: nn.Module, size: int = 8) -> list[int]:
    """How many units each group has; a group that is none would be refused."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(6, 3, size, size, generator=generator)
    objective = ls.Objective(nn.Sequential(*layers).eval(), (images, torch.arange(6) % 5))
    return [len(group) for group in symmetry(objective).groups]


POOLS = {
    "adaptive average": (nn.AdaptiveAvgPool2d(1), 1),
    "adaptive maximum": (nn.AdaptiveMaxPool2d(1), 1),
    "four places": (nn.AdaptiveAvgPool2d(2), 4),
    "strided": (nn.LPPool2d(2, 4), 4),
}


@pytest.mark.parametrize("name", POOLS)
def test_channels_are_followed_through_poolings(name):
    pool, places = POOLS[name]
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1))
    assert groups(*layers, pool, nn.Flatten(), nn.Linear(6 * places, 5)) == [8, 6]


ACTIVATIONS = [
    *(nn.Hardswish(), nn.Hardsigmoid(), nn.LogSigmoid(), nn.RReLU(), nn.PReLU(), nn.PReLU(8), nn.Mish()),
    *(nn.Softplus(), nn.SELU(), nn.Softshrink(), nn.ReLU6(inplace=True), nn.GELU(), nn.SiLU(), nn.Tanh()),
]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
def test_units_are_followed_through_activations(activation):
    first, last = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8 * 64, 5)
    assert groups(first, activation, nn.Flatten(), last) == [8]


def test_slopes_of_channels_move_with_them():
    own = nn.PReLU(8)
    with torch.no_grad():
        own.weight.copy_(torch.linspace(0, 1, 8))  # otherwise any order would do
    assert groups(nn.Conv2d(3, 8, 3, padding=1), own, nn.Flatten(), nn.Linear(8 * 64, 5)) == [8]


def test_channels_are_followed_through_transposed_convolutions_and_shuffles():
    up = nn.ConvTranspose2d(8, 6, 2, stride=2)
    assert groups(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), up, nn.Flatten(), nn.Linear(6 * 256, 5)) == [8, 6]
    shuffled = (nn.Conv2d(3, 8, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(2, 4, 3, padding=1), nn.ReLU())
    assert groups(*shuffled, nn.Flatten(), nn.Linear(4 * 256, 5))[-1] == 4


def test_other_strides_than_a_pooling_gives_are_not_followed():
    class Strided(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.as_strided(x, (len(x), 8), (x.stride(0), 1))

    with pytest.raises(ls.errors.LandscapeError, match="could not be followed through as_strided"):
        groups(nn.Conv2d(3, 8, 3, padding=1), Strided(), nn.Linear(8, 5))
