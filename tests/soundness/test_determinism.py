"""What keeps an objective from being a function: each culprit is found and named, and nobody else is."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from landscape import family
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.samples import CropFlip, Samples
from landscape.soundness.determinism import find_culprit, require_deterministic
from tests.cases import CASES, CLASSES, Case

NOISE = np.random.default_rng(0)  # of layers and samples that draw; the global state stays out of it


def noise(like: Tensor) -> Tensor:
    return torch.from_numpy(NOISE.standard_normal(tuple(like.shape))).to(like)


class Noise(nn.Module):
    def __init__(self, size: float = 0.5) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return x + self.size * noise(x)


class NoiseInPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.add_(noise(x))


class Handing(nn.Module):
    """The noise reaches its only layer as a keyword argument."""

    class Sum(nn.Module):
        def forward(self, x: Tensor, *, other: Tensor) -> Tensor:
            return x + other

    def __init__(self) -> None:
        super().__init__()
        self.sum = self.Sum()

    def forward(self, x: Tensor) -> Tensor:
        return self.sum(x, other=noise(x))


class Always(nn.Module):
    """Dropout that is on in eval mode too, by its class name a leaf like any other."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, training=True)


class MCDropout(Always):
    pass


class StochasticDepth(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.from_numpy(NOISE.uniform(0.5, 1.5, (len(x), 1, 1, 1))).to(x)


class Block(nn.Module):
    """A convolution, with what the forward does around it."""

    def __init__(self, before: Callable = lambda x: x, after: Callable = lambda x: x) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.norm(self.conv(self.before(x))))


class Skipping(nn.Module):
    """Leaves its first layer out at random."""

    def __init__(self, calls: int = 0) -> None:
        super().__init__()
        self.maybe = nn.Conv2d(2, 2, 1)
        self.always = nn.Conv2d(2, 2, 1)
        self.calls = itertools.count(calls + 1)

    def forward(self, x: Tensor) -> Tensor:
        # As random, but surely different from one call to the next.
        return self.always(self.maybe(x) if next(self.calls) % 2 else x)


class Root(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True))
        self.head = nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.body(x).mean((2, 3))
        return self.head(pooled + torch.rand(pooled.shape, dtype=x.dtype))


class MixesSamples(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Bundled(nn.Module):
    """Hands on more than a tensor: keywords, None, tuples and dictionaries."""

    class Inner(nn.Module):
        def forward(self, pair: tuple, *, extra: dict, flag: str) -> dict:
            return {"sum": (pair[0] + extra["x"] + noise(extra["x"]),), "none": pair[1], flag: 3}

    def __init__(self) -> None:
        super().__init__()
        self.inner = self.Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner((x, None), extra={"x": x}, flag="flag")["sum"][0]


def network(*middle: nn.Module) -> nn.Module:
    """Layers before the ones in question, and after them, where everything differs."""
    layers = (nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(inplace=True), *middle, nn.Conv2d(2, 3, 3), nn.ReLU())
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(27, CLASSES)).double().eval()
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return module


def data(count: int = 20) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 2, 5, 5, generator=generator)
    return inputs, torch.randint(0, CLASSES, (count,), generator=generator)


def objective(module: nn.Module, samples=None, **options) -> Objective:
    options = {"dtype": torch.float64} | options
    return Objective(module, data() if samples is None else samples, **options)


def double_batch_norm() -> nn.Module:
    return nn.BatchNorm2d(2, track_running_stats=False)


MASKED, TRAINING_ONLY = (
    "use nn.Dropout in the network, which landscape masks by seed",
    "in training mode only",
)
ALONE = "BatchNorm with running statistics"
CULPRITS = {
    "functional dropout in a leaf": (
        lambda: network(Always()),
        ("dropout", "layer '2' (Always)", MASKED),
    ),
    "named dropout": (lambda: network(MCDropout()), ("dropout", "layer '2' (MCDropout)", MASKED)),
    "stochastic depth": (
        lambda: network(StochasticDepth()),
        ("dropout", "layer '2' (StochasticDepth)", MASKED),
    ),
    "functional dropout before a layer": (
        lambda: network(nn.Sequential(Block(), Block(before=lambda x: F.dropout(x, 0.5, True)))),
        ("dropout", "layer '2.1' (Block)", MASKED),
    ),
    "functional dropout after the layers": (
        lambda: network(nn.Sequential(Block(after=lambda x: F.dropout(x, 0.5, True)), Block())),
        ("dropout", "layer '2.0' (Block)", "none of its layers"),
    ),
    "noise layer": (lambda: network(Noise()), ("random numbers", "layer '2' (Noise)", TRAINING_ONLY)),
    "faint noise": (lambda: network(Noise(1e-3)), ("random numbers", "layer '2' (Noise)", TRAINING_ONLY)),
    "the first of two": (
        lambda: network(nn.Sequential(nn.Identity(), Noise()), Noise()),
        ("random numbers", "layer '2.1' (Noise)", TRAINING_ONLY),
    ),
    "noise in a container": (
        lambda: network(nn.Sequential(Block(), Block(before=lambda x: x + noise(x)))),
        ("random numbers", "layer '2.1' (Block)", "none of its layers"),
    ),
    "noise in the root": (
        lambda: Root().double(),
        ("random numbers", "the network itself (Root)", "none of its layers"),
    ),
    "a layer skipped at random": (
        lambda: network(Skipping()),
        ("random numbers", "layer '2' (Skipping)", TRAINING_ONLY),
    ),
    "a layer added at random": (
        lambda: network(Skipping(1)),
        ("random numbers", "layer '2' (Skipping)", TRAINING_ONLY),
    ),
    "noise in place": (
        lambda: network(NoiseInPlace()),
        ("random numbers", "layer '2' (NoiseInPlace)", TRAINING_ONLY),
    ),
    "noise handed on by keyword": (
        lambda: network(Handing()),
        ("random numbers", "layer '2' (Handing)", "none of its layers"),
    ),
    "beside other things than tensors": (
        lambda: network(Bundled()),
        ("random numbers", "layer '2.inner' (Inner)", TRAINING_ONLY),
    ),
    "batch norm": (
        lambda: network(nn.Sequential(nn.Conv2d(2, 2, 1), double_batch_norm()), double_batch_norm()),
        ("batch statistics", "layer '2.1' (BatchNorm2d)", "without running statistics"),
    ),
    "functional batch norm": (
        lambda: network(Block(after=lambda x: F.batch_norm(x, None, None, training=True))),
        ("batch statistics", "layer '2' (Block)", "none of its layers"),
    ),
    "centring": (
        lambda: network(nn.Sequential(MixesSamples())),
        ("batch statistics", "layer '2.0' (MixesSamples)", ALONE),
    ),
    "mask by place in the batch": (
        lambda: network(Block(before=lambda x: x * torch.arange(1.0, 1 + len(x)).view(-1, 1, 1, 1))),
        ("batch statistics", "layer '2' (Block)", ALONE),
    ),
    "noise before batch norm": (
        lambda: network(double_batch_norm(), Noise()),
        ("random numbers", "layer '3' (Noise)", TRAINING_ONLY),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", CULPRITS)
def test_every_culprit_is_found_and_named(name: str, dtype: torch.dtype):
    make, (kind, where, text) = CULPRITS[name]
    culprit = find_culprit(objective(make(), dtype=dtype))
    assert culprit is not None
    assert (culprit.kind, culprit.where) == (kind, where)
    assert where in culprit.message
    assert text in culprit.message
    assert ". " not in culprit.message + " "  # one sentence, as in the other errors
    assert {"dropout": MASKED, "random numbers": MASKED, "batch statistics": ALONE}[kind] in culprit.message


def test_the_micro_batch_to_fix_is_the_number_of_samples():
    culprit = find_culprit(objective(network(double_batch_norm()), micro_batch=3))
    assert culprit is not None
    assert "--batch-size 20," in culprit.message


@pytest.mark.parametrize("count", [2, 3, 5])
def test_two_samples_are_enough(count: int):
    for name, kind in (("batch norm", "batch statistics"), ("noise in a container", "random numbers")):
        culprit = find_culprit(objective(CULPRITS[name][0](), data(count), micro_batch=1))
        assert culprit is not None
        assert (culprit.kind, culprit.where) == (kind, CULPRITS[name][1][1])


def test_dropout_so_rare_that_few_samples_do_not_show_it_is_named_all_the_same():
    class Rare(Always):
        def forward(self, x: Tensor) -> Tensor:
            keep = torch.ones_like(x)
            if len(x) > 8:
                keep[8] = noise(x[8]) > 0
            return x * keep

    culprit = find_culprit(objective(network(Rare())))
    assert culprit is not None
    assert (culprit.kind, culprit.where) == ("dropout", "layer '2' (Rare)")


@dataclass(frozen=True)
class Shuffled(Samples):
    def batch(self, start: int, stop: int, **options) -> tuple[Tensor, Tensor]:
        inputs, targets = super().batch(start, stop, **options)
        order = torch.from_numpy(NOISE.permutation(len(inputs)))
        return inputs[order], targets[order]


@dataclass(frozen=True)
class Augmented(Samples):
    def batch(self, start: int, stop: int, **options) -> tuple[Tensor, Tensor]:
        inputs, targets = super().batch(start, stop, **options)
        return CropFlip.draw(len(inputs), seed=int(NOISE.integers(2**32)), padding=1).apply(inputs), targets


@dataclass(frozen=True)
class AugmentedByPlace(Samples):
    """Repeatable, but a sample's draw depends on where its batch begins."""

    def batch(self, start: int, stop: int, **options) -> tuple[Tensor, Tensor]:
        inputs, targets = super().batch(start, stop, **options)
        return CropFlip.draw(len(inputs), seed=start, padding=1).apply(inputs), targets


@dataclass(frozen=True)
class CroppedAnyhow(Samples):
    """The size changes from one reading to the next, so that the inputs cannot be compared at all."""

    def batch(self, start: int, stop: int, **options) -> tuple[Tensor, Tensor]:
        inputs, targets = super().batch(start, stop, **options)
        return inputs[..., : int(NOISE.permutation(5)[0]) + 1], targets


@pytest.mark.parametrize(
    ("kind", "samples", "remedy"),
    [
        ("shuffling", lambda: Shuffled(*data()), "--sample-seed"),
        ("shuffling", lambda: Shuffled(data()[0], torch.zeros(20, dtype=torch.int64)), "fixed order"),
        ("augmentation", lambda: Augmented(*data()), "samples.augmented(seed) or --augment"),
        ("augmentation", lambda: AugmentedByPlace(*data()), "freeze"),
        ("augmentation", lambda: CroppedAnyhow(*data()), "freeze"),
    ],
    ids=["shuffled", "shuffled within a class", "augmented", "augmented by place", "cropped anyhow"],
)
def test_samples_that_change_are_found(kind: str, samples: Callable[[], Samples], remedy: str):
    culprit = find_culprit(objective(network(), samples()))
    assert culprit is not None
    assert (culprit.kind, culprit.where) == (kind, "the samples")
    assert remedy in culprit.message


def test_frozen_augmentation_and_bytes_are_fine():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 2, 5, 5), generator=generator, dtype=torch.uint8)
    samples = Samples(images, data()[1]).augmented(3, padding=1)
    assert find_culprit(objective(network(), samples)) is None


def noisy_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits, targets, reduction="none") + noise(targets.double())


def centred_loss(logits: Tensor, targets: Tensor) -> Tensor:
    losses = F.cross_entropy(logits, targets, reduction="none")
    return (losses - losses.mean()).square()


def squared_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits - F.one_hot(targets, CLASSES)).square().sum(1)


@pytest.mark.parametrize(
    ("loss", "kind"),
    [(noisy_loss, "random numbers"), (centred_loss, "batch statistics"), (squared_loss, None)],
)
def test_a_loss_of_ones_own_is_checked_too(loss: Callable, kind: str | None):
    culprit = find_culprit(objective(network(), loss=loss))
    assert (culprit.kind if culprit else None) == kind
    assert culprit is None or culprit.where == f"the loss '{loss.__name__}'"
    culprit = find_culprit(objective(network(Noise()), loss=squared_loss))
    assert culprit is not None
    assert culprit.where == "layer '2' (Noise)"


@pytest.mark.parametrize("dropout", ["off", "fixed", "fresh"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_clean_networks_are_clean(case: Case, dropout: str):
    for dtype in (torch.float64, torch.float32):
        assert find_culprit(case.objective(dropout=dropout, dtype=dtype)) is None


@pytest.mark.parametrize(("name", "dropout"), [("gap-blur", "off"), ("mcd-gap-blur", "fresh")])
def test_a_trained_network_in_single_precision_is_clean(name: str, dropout: str):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(20, 3, 32, 32, generator=generator), torch.randint(0, 10, (20,), generator=generator)
    require_deterministic(Objective(family.load(name), images, dropout=dropout))


def test_what_no_loss_sees_is_clean():
    """Values that are not finite, and a shift of all classes by a maximum over the batch."""

    class Last(nn.Module):
        def __init__(self, change: Callable) -> None:
            super().__init__()
            self.change = change

        def forward(self, x: Tensor) -> Tensor:
            return self.change(x)

    for change in (lambda x: x - x.max(), lambda x: x / 0 - x / 0, lambda x: x.abs() / 0):
        assert find_culprit(objective(nn.Sequential(network(), Last(change)))) is None


class Head(nn.Module):
    def __init__(self, change: Callable) -> None:
        super().__init__()
        self.middle = Noise(0.0)
        self.last = nn.Linear(CLASSES, 4)
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(self.last(self.middle(x)))


def test_vanished_losses_hide_nothing():
    module = nn.Sequential(network(), Head(lambda x: 1e6 * x)).double()
    inputs, _ = data()
    with torch.no_grad():
        examined = objective(module, (inputs, module(inputs.double()).argmax(1)))
    module[1].middle.size = 1e-3
    assert examined.sample_losses()[0].abs().max() == 0
    culprit = find_culprit(examined)
    assert culprit is not None
    assert culprit.where == "layer '1.middle' (Noise)"


def test_masked_classes_hide_nothing():
    module = nn.Sequential(network(), Head(lambda x: F.pad(x, (0, 1), value=-1e9))).double()
    module[1].middle.size = 1e-3
    culprit = find_culprit(objective(module))
    assert culprit is not None
    assert culprit.where == "layer '1.middle' (Noise)"


def test_noise_in_hooks_and_weights_is_named_by_the_layer_that_has_it():
    module = network(nn.Conv2d(2, 2, 1))
    module[2].register_forward_pre_hook(lambda layer, args: args[0] + noise(args[0]))
    culprit = find_culprit(objective(module))
    assert culprit is not None
    assert culprit.where == "layer '2' (Conv2d)"
    module = network(nn.Conv2d(2, 2, 1))
    parametrize.register_parametrization(module[2], "weight", Noise())
    culprit = find_culprit(objective(module))
    assert culprit is not None
    assert culprit.where == "layer '2.parametrizations.weight.0' (Noise)"


def test_rounding_is_told_from_noise_and_passes():
    rounding = objective(network(Noise(1e-8)))
    culprit = find_culprit(rounding)
    assert culprit is not None
    assert culprit.kind == "rounding"
    assert "--device cpu" in culprit.message
    require_deterministic(rounding)


def test_rounding_hides_nothing_worse():
    culprit = find_culprit(objective(network(Noise(1e-8), double_batch_norm())))
    assert culprit is not None
    assert (culprit.kind, culprit.where) == ("batch statistics", "layer '3' (BatchNorm2d)")


@pytest.mark.parametrize("name", CULPRITS)
def test_require_deterministic_refuses(name: str):
    make, (_, where, text) = CULPRITS[name]
    with pytest.raises(LandscapeError) as caught:
        require_deterministic(objective(make(), micro_batch=4))
    assert where in str(caught.value)
    assert text in str(caught.value)


def test_an_impossible_number_of_samples_is_explained():
    with pytest.raises(LandscapeError, match=r"0 samples; choose 1 or more"):
        find_culprit(objective(network()), samples=0)


HOOKS = [name for name in vars(nn.Module()) if "hooks" in name]


def state(module: nn.Module) -> dict[str, object]:
    """Everything that must not change, layer by layer."""
    layers = {
        name: (layer.training, [dict(vars(layer)[kind]) for kind in HOOKS], sorted(vars(layer)))
        for name, layer in module.named_modules()
    }
    return layers | {name: value.clone() for name, value in module.state_dict().items()}


def assert_same(before: dict[str, object], after: dict[str, object]) -> None:
    assert before.keys() == after.keys()
    for name, value in before.items():
        same = torch.equal(value, after[name]) if isinstance(value, Tensor) else value == after[name]
        assert same, name


@pytest.mark.parametrize("name", ["clean", *CULPRITS])
def test_nothing_is_changed(name: str):
    module = network(Block(), nn.Dropout(0.5)) if name == "clean" else CULPRITS[name][0]()
    module.train()
    module[-1].eval() if isinstance(module, nn.Sequential) else None
    examined = objective(module, dropout="fixed", micro_batch=7)
    parameters = {key: value.clone() for key, value in examined.parameters.items()}
    before, random = state(module), torch.get_rng_state()
    find_culprit(examined)
    assert_same(before, state(module))
    assert_same(parameters, examined.parameters)
    assert (examined.micro_batch, len(examined.samples)) == (7, 20)
    if name == "clean":
        assert torch.equal(torch.get_rng_state(), random)


def test_hooks_are_removed_when_the_network_fails():
    class Failing(nn.Module):
        """Fails only where it is watched, once the search for the layer has begun."""

        def forward(self, x: Tensor) -> Tensor:
            if self._forward_hooks:
                raise RuntimeError("out of luck")
            return x

    module = network(Noise(), Failing())
    before = state(module)
    with pytest.raises(RuntimeError, match="out of luck"):
        find_culprit(objective(module))
    assert_same(before, state(module))


def test_a_clean_network_costs_few_evaluations_of_few_samples():
    seen = []

    class Counting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert not self._forward_hooks  # nothing is searched
            seen.append(len(x))
            return x

    counted = objective(network(Counting()), data(50))
    assert find_culprit(counted) is None
    assert sum(seen) <= 4 * 16
    seen.clear()
    assert find_culprit(counted, samples=5) is None
    assert max(seen) == 5
