"""Plain chains: what shapes and missing numbers tell, what is only assumed and said, and what is no chain."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from landscape.errors import LandscapeError
from landscape.zoo.chains import chain
from landscape.zoo.parts import parts_of


def conv(*args):
    return [nn.Conv2d(*args), nn.ReLU()]


def normed(a, b):
    return [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]


def dense(*widths, flat=True):
    layers = [part for pair in pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
    return [*([nn.Flatten()] if flat else []), *layers[:-1]]


class Named(nn.Module):
    """Layers with names of their own, pooling and activation in the code."""

    def __init__(self, pools, *layers):
        super().__init__()
        self.pools = pools
        for name, layer in layers:
            self.add_module(name, layer)

    def forward(self, x):
        convs = 0
        for name, layer in self.named_children():
            x = layer(x.flatten(1) if isinstance(layer, nn.Linear) else x)
            if name != list(self._modules)[-1]:
                x = torch.relu(x)
            if isinstance(layer, nn.Conv2d):
                x = nn.functional.max_pool2d(x, 2) if self.pools[convs] else x
                convs += 1
        return x


POOL = nn.MaxPool2d(2)
PAD = nn.ZeroPad2d((1, 2, 1, 2))
NETWORKS = {
    "strided": ((3, 32), nn.Sequential(*conv(3, 4, 4, 2, 1), *conv(4, 6, 4, 2, 1), *dense(384, 8, 5))),
    "unpadded": ((3, 32), nn.Sequential(*conv(3, 4, 4, 2), *conv(4, 6, 4, 2), *dense(216, 8, 7, 5))),
    "two kernels": (
        (3, 32),
        nn.Sequential(*conv(3, 4, 4, 2, 1), *conv(4, 4, 3, 1, 1), *conv(4, 4, 4, 2, 1), *dense(256, 5)),
    ),
    "alternating": (
        (3, 32),
        nn.Sequential(
            *conv(3, 4, 3, 1, 1),
            *conv(4, 4, 4, 2, 1),
            *conv(4, 6, 3, 1, 1),
            *conv(6, 6, 4, 2, 1),
            *dense(384, 5),
        ),
    ),
    "padded apart": ((3, 32), nn.Sequential(PAD, *conv(3, 4, 5, 2), PAD, *conv(4, 6, 4, 2), *dense(384, 5))),
    "grey": ((1, 28), nn.Sequential(*conv(1, 4, 4, 2, 1), *conv(4, 6, 4, 2, 1), *dense(294, 8, 5))),
    "pooled": (
        (3, 32),
        nn.Sequential(
            *conv(3, 4, 3, 1, 1), POOL, *conv(4, 4, 3, 1, 1), *conv(4, 6, 3, 1, 1), POOL, *dense(384, 5)
        ),
    ),
    "normed": (
        (3, 32),
        nn.Sequential(
            *normed(3, 4),
            POOL,
            *normed(4, 6),
            POOL,
            nn.Flatten(),
            nn.Dropout(),
            *dense(384, 8, 5, flat=False),
        ),
    ),
    "activation first": ((3, 32), nn.Sequential(*conv(3, 4, 3), nn.BatchNorm2d(4), POOL, *dense(900, 5))),
    "dense": ((3, 32), nn.Sequential(*dense(3072, 8, 5))),
    "dense, normed": (
        (1, 28),
        nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5)),
    ),
    "LeNet": (
        (3, 32),
        Named(
            [1, 1],
            ("conv1", nn.Conv2d(3, 6, 5)),
            ("conv2", nn.Conv2d(6, 4, 5)),
            ("fc1", nn.Linear(100, 8)),
            ("fc2", nn.Linear(8, 5)),
        ),
    ),
    "pooled once": (
        (1, 28),
        Named(
            [0, 1],
            ("conv1", nn.Conv2d(1, 4, 3)),
            ("conv2", nn.Conv2d(4, 6, 3)),
            ("fc1", nn.Linear(864, 8)),
            ("fc2", nn.Linear(8, 5)),
        ),
    ),
    "in two parts": ((3, 32), nn.Sequential()),
}
NETWORKS["in two parts"][1].add_module(
    "features", nn.Sequential(*normed(3, 4), POOL, *normed(4, 6), POOL, nn.Flatten())
)
NETWORKS["in two parts"][1].add_module(
    "classifier", nn.Sequential(nn.Dropout(), *dense(384, 8, 5, flat=False))
)


def shapes(module, order=list):
    state = module.state_dict()
    return {name: tuple(state[name].shape) for name in order(state)}


def rebuilt(module, order=list, options=None):
    made, words = chain(parts_of(shapes(module, order)), options)
    state, other = module.state_dict(), made.build()
    other.load_state_dict({new: state[old] for new, old in made.names().items()})
    return other, made, words


@pytest.mark.parametrize("order", [list, sorted])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_chain_computes_the_same(name, order):
    (channels, size), module = NETWORKS[name]
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_(generator=generator)
    other, made, words = rebuilt(module.eval(), order)
    images = torch.randn(2, channels, size, size, generator=generator)
    torch.testing.assert_close(other(images), module(images))
    assert (made.channels, made.size) == (channels, size)
    assert "shapes do not show relu between the layers (activation=…)" in words
    assert made.spec in words


def test_layers_keep_their_names():
    other, _, _ = rebuilt(NETWORKS["in two parts"][1])
    assert list(other.state_dict()) == list(NETWORKS["in two parts"][1].state_dict())


def test_what_the_user_says_comes_first():
    module = NETWORKS["pooled"][1]
    options = {"activation": "tanh", "pooling": "avg", "pools": "1-0-1"}
    other, made, words = rebuilt(module, options=options)
    assert [type(part) for part in other][1:3] == [nn.Tanh, nn.AvgPool2d]
    assert "assumed" not in words
    assert rebuilt(module, options={"size": 64, "stride": "2-1-1"})[1].size == 64
    assert made.spec.endswith("pools=1-0-1,pooling=avg,activation=tanh")


def test_its_specification_gives_it_back():
    from landscape.zoo.spec import read_spec

    for _, module in NETWORKS.values():
        parts = parts_of(shapes(module))
        made, _ = chain(parts)
        assert chain(parts, read_spec(made.spec).options)[0] == made


def test_other_readings_of_the_shapes_are_named():
    _, _, words = rebuilt(NETWORKS["LeNet"][1])
    assert "these fit as well: --model sequential:size=32,stride=2-2,padding=0-0,pools=0-0," in words


def test_modules_in_front_are_said_loudly():
    assert "WARN: something without weights stands in front" in rebuilt(NETWORKS["padded apart"][1])[2]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)


@pytest.mark.parametrize(
    "module",
    [
        nn.ModuleDict({"conv1": nn.Conv2d(3, 4, 3), "layer1": nn.Sequential(Block()), "fc": nn.Linear(4, 5)}),
        nn.ModuleDict({"q": nn.Linear(4, 4), "k": nn.Linear(4, 4)}),
        nn.ModuleDict({"encoder": nn.Linear(8, 4), "decoder": nn.Linear(4, 8)}),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten()),
        nn.Sequential(nn.Linear(4, 5)),
        nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(6, 5)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 5)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7, 5)),
        nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 7)),
        nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 4), nn.Linear(4, 5)),
    ],
    ids=str,
)
def test_what_is_no_chain(module):
    assert chain(parts_of(shapes(module))) is None


def test_shapes_without_end_are_refused_at_once():
    kernels = {f"{i}.weight": (3, 3, i + 1, i + 1) for i in range(0, 60, 2)}
    assert chain(parts_of(kernels | {"99.weight": (5, 300)})) is None
    odd = {"0.weight": (4, 9), "1.weight": (4,), "1.running_mean": (4,), "1.running_var": (4,)}
    assert chain(parts_of(odd | {"3.weight": (5, 4)})) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strides": 2}, "known are size, stride"),
        ({"activation": "mish"}, "choose one of relu, tanh"),
        ({"size": "large"}, "write size=32"),
        ({"stride": "2-2-2"}, "has 2 convolutions, but 3 values"),
        (
            {"stride": 1, "padding": 0, "pools": 0},
            "no chain of these layers has stride=1, padding=0, pools=0",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(LandscapeError, match=words):
        chain(parts_of(shapes(NETWORKS["strided"][1])), options)
