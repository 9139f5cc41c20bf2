"""Inputs that a normalisation, or bytes, would take for images from 0 to 1 although they are none."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from landscape import Network, Normalisation, Objective, Samples, data
from landscape.errors import LandscapeError
from landscape.features import frequency_noise

SCALE = Normalisation((0.5,) * 3, (0.25,) * 3)
NEUTRAL = Normalisation((0, 0, 0), (1, 1, 1))
TARGETS = torch.arange(20) % 4
IMAGES = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(scale: Normalisation | None = SCALE, *front: nn.Module) -> Network:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    return Network(nn.Sequential(*front, *layers).eval(), scale)


def nll(net: Network, inputs: Tensor) -> float:
    return Objective(net, (inputs, TARGETS)).value().nll


def test_images_normalised_already_need_no_second_normalisation():
    with pytest.raises(LandscapeError, match=r"go from -2 to 2, and would be normalised with mean 0\.5"):
        nll(network(), SCALE(IMAGES))
    assert nll(network(NEUTRAL), SCALE(IMAGES)) == pytest.approx(nll(network(), IMAGES), rel=1e-6)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (IMAGES * 255, "go from 0.0.* to 255"),
        ((IMAGES > 0.5).byte(), "are bytes of 0 and 1"),
        (IMAGES[:, :, None], r"a normalisation is of images .* have shape \(16, 3, 1, 8, 8\)"),
    ],
)
def test_what_is_no_image_from_0_to_1_is_refused(inputs: Tensor, words: str):
    with pytest.raises(LandscapeError, match=words):
        nll(network(), inputs)


class Standardise(nn.Module):
    """As robustness benchmarks build it in."""

    def __init__(self, keep: Callable[[nn.Module, str, Tensor], None]) -> None:
        super().__init__()
        for name, value in (("mean", 0.5), ("std", 0.25)):
            keep(self, name, torch.full((1, 3, 1, 1), value))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


@pytest.mark.parametrize("keep", [nn.Module.register_buffer, setattr])
def test_a_network_that_normalises_itself_is_asked_which_normalisation_applies(keep):
    samples = data.demo("test").take(8)
    inside = network(None, Standardise(keep))
    with pytest.raises(LandscapeError, match=r"layer .0. holds a mean .* usual normalisation of demo would"):
        Objective(inside, samples)
    own = Objective(replace(inside, normalisation=NEUTRAL), samples).value().nll
    assert own == pytest.approx(Objective(network(SCALE), samples).value().nll, rel=1e-6)


@pytest.mark.parametrize("shape", [(6,), (2, 3)])
def test_bytes_that_are_no_images_stay_whole_numbers(shape: tuple[int, ...]):
    tokens = torch.randint(0, 4, (20, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    embedded = nn.Sequential(nn.Embedding(4, 2), nn.Flatten(), nn.Linear(12, 4))
    plain = nn.functional.cross_entropy(embedded(tokens.long()), TARGETS)
    assert nll(Network(embedded), tokens) == pytest.approx(float(plain.detach()), rel=1e-6)


def test_noise_is_in_the_scale_of_images_from_0_to_1():
    samples = Samples(SCALE(IMAGES), TARGETS)
    with pytest.raises(LandscapeError, match="in the scale of images from 0 to 1, and those of tensors go"):
        frequency_noise(Objective(network(NEUTRAL), samples))
