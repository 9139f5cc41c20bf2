"""Smoothing put into trained networks, against networks that were built with it."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.features import capture, find_layers
from landscape.network import Network
from landscape.objective import Objective
from landscape.parameters import dot
from landscape.samples import Normalisation
from landscape.surface import random_directions
from landscape.zoo import SURGERIES, build, operated, parse, parse_surgery, smoothed
from landscape.zoo.layers import Smooth
from tests.build import zoo
from tests.cases import random_like
from tests.references import flat

IMAGES = torch.from_numpy(np.random.default_rng(0).uniform(size=(5, 3, 16, 16)))
TARGETS = torch.tensor([0, 3, 1, 9, 4])


def network(spec: str = "cifar-resnet20:width=2", name: str = "gap") -> Network:
    return Network(zoo(spec, seed=0), name=name, architecture=spec)


def objective(one: Network | nn.Module, **options) -> Objective:
    return Objective(one, (IMAGES, TARGETS), **{"dtype": torch.float64, "micro_batch": 3} | options)


def trained_with(spec: str, weights: nn.Module) -> nn.Module:
    """A network built with smoothing, with the weights of one without."""
    module = build(parse(spec)).double()
    missing = module.load_state_dict(weights.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(key.endswith("blur.filter") for key in missing.missing_keys)
    return module.eval()


BUILT = [
    ("cifar-resnet20:width=2", "kernel=1-1,prob=none", "blur"),
    ("cifar-resnet20:width=2", "blur", "prob-blur"),
    ("cifar-resnet20:width=2,dropout=0.3", "kernel=1-2-1,prob=relu6", "relu6-blur3"),
    ("cifar-resnet20:width=2", "kernel=1-4-6-4-1,prob=scale", "scale-blur5"),
    ("cifar-preresnet20:width=2", "kernel=1,prob=relu6", "relu6"),
    ("resnet18:width=2", "blur", "prob-blur"),
    ("preresnet18:width=2", "blur,prob=relu6", "relu6-blur"),
    ("resnet18:width=2,head=mlp,hidden=8", "kernel=1,prob=tanh", "prob"),
    ("vgg11:width=2,hidden=8", "blur", "prob-blur"),
    ("prevgg11:width=2,hidden=8", "kernel=1-2-1,prob=none", "blur3"),
]


@pytest.mark.parametrize(("spec", "smoothing", "kind"), BUILT)
def test_default_places_give_the_network_that_is_built_with_smoothing(spec: str, smoothing: str, kind: str):
    before = network(spec)
    made = operated(before, kind)
    built = trained_with(f"{spec},{smoothing}" if ":" in spec else f"{spec}:{smoothing}", before.module)
    images = IMAGES.repeat(1, 1, 2, 2)
    torch.testing.assert_close(made.module(images), built(images), rtol=1e-12, atol=1e-12)
    # Layers go by the same names, so that results of both align.
    assert find_layers(made.module) == find_layers(built)


@pytest.mark.parametrize("kind", SURGERIES)
@pytest.mark.parametrize("place", [None, "layer1,layer2", "layer1.2"])
def test_weights_and_names_stay(kind: str, place: str | None):
    before = network()
    kept = copy.deepcopy(before.module.state_dict())
    kernel, activation = SURGERIES[kind]
    made = smoothed(before, place, kernel=kernel, activation=activation)
    for state in (made.module.state_dict(), before.module.state_dict()):
        assert list(state) == list(kept)
        assert all(torch.equal(state[key], kept[key]) for key in kept)
    for part in ("named_parameters", "named_buffers"):
        assert [name for name, _ in getattr(made.module, part)()] == [
            name for name, _ in getattr(before.module, part)()
        ]


@pytest.mark.parametrize("place", [None, "layer1.2,layer2.2"])
def test_the_original_is_unchanged(place: str | None):
    before = network()
    parts, logits = [name for name, _ in before.module.named_modules()], before.module(IMAGES)
    made = smoothed(before, place)
    assert [name for name, _ in before.module.named_modules()] == parts
    assert torch.equal(before.module(IMAGES), logits)
    assert not torch.allclose(made.module(IMAGES), logits)
    with torch.no_grad():
        made.module.conv1.weight.zero_()
    assert torch.equal(before.module(IMAGES), logits)


@pytest.mark.parametrize("place", [None, "layer1,layer2,layer3", "layer1.2,layer2.2,layer3.2"])
@pytest.mark.parametrize("dropout", ["off", "fixed"])
def test_objectives_of_both_networks(place: str | None, dropout):
    """At the ends of stages, slot, appended layer and hook all give the network built with smoothing."""
    before = network("cifar-resnet20:width=2,dropout=0.2")
    built = trained_with("cifar-resnet20:width=2,dropout=0.2,kernel=1-1,prob=none", before.module)
    options = {"params": "layer1.2.*,linear.*", "dropout": dropout, "weight_decay": 0.1}
    one, expected = objective(smoothed(before, place), **options), objective(built, **options)
    assert one.value().total == pytest.approx(expected.value().total, rel=1e-12)
    vector = random_like(one.free)
    for found, reference in (
        (one.gradient(), expected.gradient()),
        (one.hvp(vector), expected.hvp(vector)),
        (one.curvature(kind="ggn")(vector), expected.curvature(kind="ggn")(vector)),
    ):
        torch.testing.assert_close(flat(found), flat(reference), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("place", [None, "layer2.2"])
def test_products_against_a_difference_of_gradients(place: str | None):
    one = objective(smoothed(network(), place, kernel=3, activation="tanh"), params="layer1.1.*")
    vector, step = random_like(one.free), 1e-6
    ahead, behind = (
        one.gradient({**one.parameters, **{n: one.free[n] + sign * step * v for n, v in vector.items()}})
        for sign in (1, -1)
    )
    difference = {name: (ahead[name] - behind[name]) / (2 * step) for name in ahead}
    product = one.hvp(vector)
    expected = float(dot(difference, vector))
    assert float(dot(product, vector)) == pytest.approx(expected, rel=1e-5)


def test_directions_of_both_networks_are_the_same():
    before = network()
    first, second = (random_directions(objective(one), seed=3) for one in (before, smoothed(before)))
    for one, other in zip(first, second, strict=True):
        assert list(one) == list(other)
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("place", ["layer1", "layer1.2"])
def test_copies_and_pickles_run_their_own_smoothing(place: str):
    made = smoothed(network(), place)
    logits = made.module(IMAGES)
    for other in (copy.deepcopy(made.module), pickle.loads(pickle.dumps(made.module))):
        assert torch.equal(other(IMAGES), logits)
        other.get_submodule(place).smoothing.blur = nn.Identity()
        assert not torch.allclose(other(IMAGES), logits)
    assert torch.equal(made.module(IMAGES), logits)


@pytest.mark.parametrize("place", ["layer2", "layer2.2"])
def test_smoothing_is_a_layer_like_others(place: str):
    made = smoothed(network(), place)
    layer = next(layer for layer in find_layers(made.module) if layer.name == f"{place}.smoothing")
    assert (layer.kind, layer.stage) == ("smoothing", 2)
    seen: dict[str, Tensor] = {}
    with capture(made.module, ["layer2.1", layer.name], lambda name, maps: seen.setdefault(name, maps)):
        made.module(IMAGES)
    assert seen[layer.name].shape[2:] == (9, 9)
    assert seen["layer2.1"].shape[2:] == (8, 8)


def test_the_record_says_what_was_done():
    before = Network(
        network().module, Normalisation((0.5,) * 3, (0.2,) * 3), "gap", "resnet", notes=("first",)
    )
    made = operated(before, "relu6-blur3@layer2,layer1")
    assert made.name == "gap+relu6-blur3@layer1,layer2"
    assert made.architecture == "resnet+relu6-blur3@layer1,layer2"
    assert made.notes == ("first", "relu6-blur3 was put in behind layer1, layer2 after training")
    assert made.normalisation == before.normalisation
    assert smoothed(before).name == "gap+blur"
    assert smoothed(before).architecture == "resnet+blur@smooth1,smooth2,smooth3"


def test_places_by_pattern():
    made = smoothed(network(), ["layer?", "conv1"])
    found = [name for name, part in made.module.named_modules() if isinstance(part, Smooth)]
    assert found == ["conv1.smoothing", *(f"layer{i}.smoothing" for i in (1, 2, 3))]


def user_network() -> nn.Module:
    module = nn.Sequential()
    module.add_module("stem", nn.Conv2d(3, 4, 3))
    module.add_module("first", nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()))
    module.add_module("second", nn.Sequential(nn.Conv2d(4, 4, 3, stride=2), nn.ReLU()))
    module.add_module("pool", nn.AdaptiveAvgPool2d(1))
    module.add_module("head", nn.Sequential(nn.Flatten(), nn.Linear(4, 10)))
    return module.double()


def test_other_networks_are_smoothed_at_the_ends_of_their_stages():
    made = smoothed(Network(user_network()), example=IMAGES)
    assert made.architecture == "+blur@first,second"
    assert list(dict(made.module.first.named_children())) == ["0", "1", "smoothing"]


class Own(nn.Sequential):
    """Runs its children in an order of its own."""

    def forward(self, x: Tensor) -> Tensor:
        for part in reversed(self):
            x = part(x)
        return x


@pytest.mark.parametrize(
    ("at", "options", "message"),
    [
        ("layer7", {}, r"no place is named 'layer7'; this network has layer\d"),
        ("layer1,lay*z", {}, "no place is named 'lay.z'"),
        ([], {}, "no place to smooth is named"),
        (None, {"kernel": 4}, "the kernel is 4; choose one of 1, 2, 3, 5"),
        (None, {"activation": "gelu"}, "the activation is 'gelu'; choose one of tanh, relu6, scale, none"),
        (None, {"kernel": 1}, "changes nothing"),
    ],
)
def test_bad_requests(at, options: dict, message: str):
    with pytest.raises(LandscapeError, match=message):
        smoothed(network(), at, **options)


def test_a_place_smoothed_already_is_refused():
    for place in ("layer1", "layer1.2"):
        with pytest.raises(LandscapeError, match=f"'{place}' ends with smoothing already"):
            smoothed(smoothed(network(), place), place)
    with pytest.raises(LandscapeError, match="no stage that ends without smoothing"):
        smoothed(network("cifar-resnet20:width=2,blur"))
    assert smoothed(network("cifar-resnet20:width=2,blur,stages=2")).architecture.endswith("@smooth1,smooth3")


def test_what_cannot_be_extended_is_refused():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), Own(nn.ReLU()), nn.ModuleList([nn.ReLU()]))
    for place, kind in (("1", "Own"), ("2", "ModuleList")):
        with pytest.raises(LandscapeError, match=f"'{place}' is a {kind}.*last layer inside"):
            smoothed(Network(module), place)
    with pytest.raises(LandscapeError, match="has no stage that ends without smoothing; name the places"):
        smoothed(Network(module))
    with pytest.raises(LandscapeError, match=r"wrap the module as landscape.Network"):
        smoothed(module)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["linear", "pool"])
def test_a_place_without_a_map_is_refused(place: str):
    message = rf"'{place}' cannot be smoothed: it outputs shape \(5, \d+\), not a map"
    with pytest.raises(LandscapeError, match=message):
        smoothed(network(), place, example=IMAGES)
    made = smoothed(network(), place)
    with pytest.raises(LandscapeError, match=message):
        made.module(IMAGES)


def test_an_example_shows_what_does_not_fit():
    with pytest.raises(
        LandscapeError, match=r"gap\+blur@layer1.1.conv1 does not run: .*kernel of 3 or 5 keeps"
    ):
        smoothed(network(), "layer1.1.conv1", example=IMAGES)
    assert smoothed(network(), "layer1.1.conv1", kernel=3, example=IMAGES.float()).notes
    relu = nn.ReLU()
    twice = nn.Sequential(nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 4, 3), relu)
    with pytest.raises(LandscapeError, match="'1' runs 2 times a pass"):
        smoothed(Network(twice), "1", example=IMAGES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blur", ("blur", None)),
        ("prob-blur@layer1", ("prob-blur", ("layer1",))),
        ("relu6@layer1, layer2.*", ("relu6", ("layer1", "layer2.*"))),
        ("blur5@layer1,layer2", ("blur5", ("layer1", "layer2"))),
    ],
)
def test_surgery_is_read(text: str, expected: tuple):
    assert parse_surgery(text) == expected


@pytest.mark.parametrize("text", ["", "blurr", "blur4@layer1", "@layer1", "gelu-blur"])
def test_unknown_surgery_is_refused(text: str):
    with pytest.raises(
        LandscapeError, match=r"unknown surgery .*choose one of blur, blur3, blur5, prob, prob-blur"
    ):
        parse_surgery(text)


@pytest.mark.parametrize("text", ["blur@", "blur@layer1,", "blur@ ,layer1"])
def test_empty_places_are_refused(text: str):
    with pytest.raises(LandscapeError, match="names an empty place; write blur@layer1,layer2, or blur alone"):
        parse_surgery(text)
