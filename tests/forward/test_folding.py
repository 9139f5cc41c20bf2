"""Folding BatchNorm: which pairs are found, that it is exact, and that it leaves no trace."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from landscape.forward.folding import foldable, folded, unseen
from landscape.network import evaluating
from landscape.objective import Objective
from landscape.parameters import flatten
from landscape.zoo import build, parse
from tests.cases import BY_NAME, CASES, Case, random_like, randomised

NORMED = [
    case for case in CASES if any(isinstance(layer, nn.BatchNorm2d) for layer in case.network().modules())
]


def pairs_of(module: nn.Module, inputs: Tensor) -> list[tuple[str, str]]:
    """Names of the pairs found, in the order of the forward pass."""
    names = {layer: name for name, layer in module.named_modules()}
    with evaluating(module), torch.no_grad():
        found = foldable(module, lambda: module(inputs))
    return [(names[convolution], names[norm]) for convolution, norm in found]


def zoo(spec: str, size: int = 8) -> set[tuple[str, str]]:
    return set(pairs_of(build(parse(spec)), torch.zeros(2, 3, size, size)))


# Which pairs


def test_a_postactivation_resnet_folds_every_convolution():
    expected = {("conv1", "bn1")}
    for stage in (1, 2, 3):
        for block in (0, 1, 2):
            place = f"layer{stage}.{block}"
            expected |= {(f"{place}.conv{i}", f"{place}.bn{i}") for i in (1, 2)}
    assert zoo("cifar-resnet20:width=2") == expected


def test_shortcuts_with_batchnorm_fold_too():
    expected = {("layer0.0", "layer0.1")}
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            place = f"layer{stage}.{block}"
            expected |= {(f"{place}.conv{i}", f"{place}.bn{i}") for i in (1, 2)}
        if stage > 1:
            expected |= {(f"layer{stage}.0.shortcut.0", f"layer{stage}.0.shortcut.1")}
    assert zoo("resnet18:width=2") == expected


def test_a_preactivation_resnet_folds_where_batchnorm_alone_follows():
    """Not the stem and the last convolution of a block: the skip connection reads their outputs too."""
    expected = {(f"layer{i}.{j}.conv1", f"layer{i}.{j}.bn2") for i in (1, 2, 3) for j in (0, 1, 2)}
    assert zoo("cifar-preresnet20:width=2") == expected


def test_a_preactivation_vgg_folds_across_its_blocks():
    """Each convolution's output is read by the next block's BatchNorm, unless a pooling is between."""
    assert zoo("prevgg11:width=2", size=32) == {
        (f"layer{i}.{first}.conv", f"layer{i}.{first + 1}.bn") for i, first in ((2, 1), (3, 1), (4, 1))
    }


class Plain(nn.Module):
    """A convolution, BatchNorm, and between or beside them what a test puts there."""

    def __init__(
        self,
        beside: Callable[[Tensor], Tensor | float] = lambda z: 0.0,
        *,
        convolution: nn.Module | None = None,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv = convolution or nn.Conv2d(2, 3, 3)
        self.norm = norm or nn.BatchNorm2d(3)
        self.linear = nn.Linear(3, 3)
        self.beside = beside

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        return self.head(self.norm(z) + self.beside(z))

    def head(self, z: Tensor) -> Tensor:
        return self.linear(z.tanh().flatten(2).mean(2))


class Twice(Plain):
    """Both layers run twice."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)) + self.norm(self.conv(x.square())))


class TwoNorms(Plain):
    """The convolution runs twice, each output read by a BatchNorm of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)) + self.other(self.conv(x.square())))


class Changed(Plain):
    """The output is changed in place before BatchNorm reads it."""

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        z += 1
        return self.head(self.norm(z))


class ByName(Plain):
    """Layers called by the name of their argument."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(input=self.conv(input=x)))


class ConvolutionByName(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(input=x)))


class Kept(Plain):
    """The output is kept and read later."""

    def forward(self, x: Tensor) -> Tensor:
        self.kept = self.conv(x)
        z = self.norm(self.kept).relu()
        return self.head(z * torch.cat([self.kept, z], 1)[:, :3])


class DoubledNorm(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class DoubledConvolution(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class Function(torch.autograd.Function):
    """An operation written by hand."""

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.sin()

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0].cos()


def patched() -> Plain:
    module = Plain()
    module.norm.forward = lambda z: 3 * z
    return module


def parametrised() -> Plain:
    module = Plain()
    parametrizations.weight_norm(module.conv)
    assert parametrize.is_parametrized(module.conv)
    return module


def shared() -> nn.Module:
    """One BatchNorm behind two convolutions."""
    norm = nn.BatchNorm2d(2)
    return nn.Sequential(
        nn.Conv2d(2, 2, 3, padding=1),
        norm,
        nn.Conv2d(2, 2, 3, padding=1),
        norm,
        nn.Flatten(),
        nn.LazyLinear(3),
    )


UNFOLDABLE = {
    "a second reader": lambda: Plain(torch.sin),
    "a view of it": lambda: Plain(lambda z: z[:, :1]),
    "inside a list": lambda: Plain(lambda z: torch.stack([z, z]).sum(0)),
    "another layer": lambda: Plain(nn.Conv2d(3, 3, 1)),
    "a custom function": lambda: Plain(Function.apply),
    "a vectorised function": lambda: Plain(torch.vmap(torch.sin)),
    "kept for later": Kept,
    "changed in place": Changed,
    "both run twice": Twice,
    "run twice": TwoNorms,
    "one norm, two convolutions": shared,
    "no statistics": lambda: Plain(norm=nn.BatchNorm2d(3, track_running_stats=False)),
    "norm subclass": lambda: Plain(norm=DoubledNorm(3)),
    "convolution subclass": lambda: Plain(convolution=DoubledConvolution(2, 3, 3)),
    "patched": patched,
    "parametrised": parametrised,
    "norm called by name": ByName,
    "group norm": lambda: Plain(norm=nn.GroupNorm(1, 3)),
}


@pytest.mark.parametrize("network", UNFOLDABLE.values(), ids=UNFOLDABLE)
def test_what_must_not_be_folded_is_not(network: Callable[[], nn.Module]):
    inputs, targets = BY_NAME["conv"].data()
    module = network().double().eval()
    module(inputs)  # lazy layers take shape
    assert pairs_of(module, inputs[:2]) == []
    module = randomised(module)
    objective = Objective(module, (inputs, targets), dtype=torch.float64, micro_batch=len(inputs))
    expected = nn.functional.cross_entropy(module(inputs), targets)
    assert objective.value().nll == pytest.approx(float(expected.detach()), rel=1e-13)


FOLDABLE = {
    "plain": Plain,
    "its shape is asked for": lambda: Plain(lambda z: float(z.shape[1] * z.dim() * z.is_floating_point())),
    "convolution called by name": ConvolutionByName,
    "no bias": lambda: Plain(convolution=nn.Conv2d(2, 3, 3, bias=False)),
    "not affine": lambda: Plain(norm=nn.BatchNorm2d(3, affine=False)),
    "neither": lambda: Plain(
        convolution=nn.Conv2d(2, 3, 3, bias=False), norm=nn.BatchNorm2d(3, affine=False)
    ),
    "padded with what is there": lambda: Plain(
        convolution=nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect")
    ),
    "padded by name": lambda: Plain(convolution=nn.Conv2d(2, 3, 3, padding="same")),
    "grouped": lambda: Plain(convolution=nn.Conv2d(2, 4, 3, groups=2, dilation=2), norm=nn.BatchNorm2d(4)),
}


@pytest.mark.parametrize("network", FOLDABLE.values(), ids=FOLDABLE)
def test_what_can_be_folded_is(network: Callable[[], nn.Module]):
    module = network()
    if module.norm.num_features == 4:
        module.linear = nn.Linear(4, 3)
    module = randomised(module).eval()
    inputs, targets = BY_NAME["conv"].data()
    assert pairs_of(module, inputs[:2]) == [("conv", "norm")]
    objective = Objective(module, (inputs, targets), dtype=torch.float64, micro_batch=2, weight_decay=0.1)
    assert_folding_changes_nothing(objective)


@pytest.mark.parametrize("dimensions", [1, 3])
def test_convolutions_of_other_dimensions(dimensions: int):
    kinds = {1: (nn.Conv1d, nn.BatchNorm1d), 3: (nn.Conv3d, nn.BatchNorm3d)}[dimensions]
    module = Plain(convolution=kinds[0](2, 3, 2), norm=kinds[1](3))
    module.norm.running_mean += torch.randn(3, generator=torch.Generator().manual_seed(0))
    inputs = torch.randn(3, 2, *[3] * dimensions, generator=torch.Generator().manual_seed(1))
    assert pairs_of(randomised(module), inputs.double()) == [("conv", "norm")]
    targets = torch.tensor([0, 1, 2])
    assert_folding_changes_nothing(Objective(module, (inputs, targets), dtype=torch.float64))


def test_batch_statistics_are_not_folded():
    module = Plain().train()
    assert foldable(module, lambda: module(torch.zeros(2, 2, 5, 5))) == []


# Exact


def assert_folding_changes_nothing(objective: Objective) -> None:
    """Value, gradient and two products, with and without folding."""
    unfolded = objective.replace(forward=objective.forward.plain())
    vectors = [random_like(objective.free, seed) for seed in (2, 3)]
    results = []
    for each in (objective, unfolded):
        matrices = [each.curvature(kind=kind) for kind in ("hessian", "ggn")]
        products = [flatten(matrix(vector)) for matrix in matrices for vector in vectors]
        results.append([each.sample_losses()[0], flatten(each.gradient()), *products])
    assert objective.forward.road.pairs
    for ours, theirs in zip(*results, strict=True):
        scale = max(1.0, float(theirs.abs().max()))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("case", NORMED, ids=lambda case: case.name)
def test_every_case_is_the_same_folded(case: Case):
    assert_folding_changes_nothing(case.objective())


def test_running_statistics_count():
    """The folded weights are made of them: moving one moves the loss as it does unfolded."""
    case = BY_NAME["conv-bn"]
    module = case.module()
    before = case.objective(module).value().nll
    module[1].running_var *= 4
    module[1].running_mean += 1
    objective = case.objective(module)
    assert abs(objective.value().nll - before) > 1e-3
    assert_folding_changes_nothing(objective)


# No trace


def test_the_layers_forward_is_put_back():
    module = BY_NAME["conv-bn"].module()
    inputs, _ = BY_NAME["conv-bn"].data()
    expected = module(inputs)
    with torch.no_grad():
        pairs = foldable(module, lambda: module(inputs))
        with folded(pairs):
            passed_on = module[0](inputs)
            assert module[1](passed_on) is passed_on
            torch.testing.assert_close(module(inputs), expected, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="as asked"), folded(pairs):
        raise ValueError("as asked")
    assert all("forward" not in vars(layer) for layer in module.modules())
    assert torch.equal(module(inputs), expected)


def test_no_hook_survives_the_search():
    module = Plain().eval()

    def run() -> None:
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        foldable(module, run)
    assert not any(layer._forward_hooks for layer in module.modules())
    pairs_of(module, torch.zeros(1, 2, 5, 5))
    assert not any(layer._forward_hooks for layer in module.modules())


def test_an_error_in_the_network_leaves_it_as_it_was():
    module = Plain()
    objective = Objective(module, BY_NAME["conv"].data())
    objective.value()
    module.beside = lambda z: torch.linalg.cholesky(-torch.eye(2))
    with pytest.raises(RuntimeError):
        objective.value()
    assert all("forward" not in vars(layer) for layer in module.modules())
    assert module.training


def test_layers_that_somebody_looks_at_run_as_written():
    """A hook on a layer sees its own output, whether or not the pairs were found before."""
    module = randomised(Plain())
    inputs, targets = BY_NAME["conv"].data()
    objective = Objective(module, (inputs, targets), dtype=torch.float64, micro_batch=len(inputs))
    expected = objective.value().nll
    assert objective.forward.road.pairs
    seen = []
    for layer in (module.conv, module.norm):
        layer.register_forward_hook(lambda layer, args, output: seen.append((args[0], output)))
    for each in (objective, Objective(module, (inputs, targets), dtype=torch.float64)):
        seen.clear()
        assert each.value().nll == pytest.approx(expected, rel=1e-13)
        (x, z), (read, normed) = seen[-2:]
        torch.testing.assert_close(z, nn.functional.conv2d(x, module.conv.weight, module.conv.bias))
        assert torch.equal(read, z)
        assert not torch.allclose(normed, z)


def test_hooks_on_whole_blocks_leave_folding_on_and_see_the_maps_as_written():
    case = BY_NAME["preactivation"]
    objective = case.objective()
    module, seen = objective.network.module, []
    names = [name for name, layer in module.named_modules() if name and list(layer.children())]
    assert names

    def pass_with_hooks(objective: Objective) -> list[torch.Tensor]:
        seen.clear()
        handles = [
            module.get_submodule(name).register_forward_hook(
                lambda layer, args, output: seen.append(output.clone())
            )
            for name in names
        ]
        for logits, _ in objective.outputs():
            seen.append(logits)
        for handle in handles:
            handle.remove()
        return list(seen)

    objective.value()  # the first one looks at the network, which hooks would see
    unfolded, folded_ = (
        pass_with_hooks(objective.replace(forward=objective.forward.plain())),
        pass_with_hooks(objective),
    )
    assert objective.forward.road.pairs
    assert len(folded_) == len(unfolded)
    for one, other in zip(folded_, unfolded, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_only_pairs_that_a_hook_could_look_between_are_left_alone():
    first, second = (nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)) for _ in range(2))
    whole = nn.Sequential(first, second)
    pairs = [(first[0], first[1]), (second[0], second[1])]
    assert unseen(pairs, []) == pairs
    assert unseen(pairs, [whole, first]) == pairs
    assert unseen(pairs, [first[0]]) == pairs[1:]
    assert unseen(pairs, [second[1], whole]) == pairs[:1]
