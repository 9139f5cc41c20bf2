"""The objective against dense references, and the promise that it changes nothing but its own cache."""

import gc
import json
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.network import evaluating
from landscape.objective import Objective
from landscape.parameters import dot, flatten, shifted, unflatten
from landscape.samples import Normalisation, Samples
from landscape.soundness.compatibility import require_compatible
from tests.cases import BY_NAME, CASES, Case, random_like, randomised
from tests.references import dense_reference, flat

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def close(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Equal up to a share of the largest entry."""
    torch.testing.assert_close(
        actual.double(), expected, rtol=0, atol=tolerance * max(1.0, float(expected.abs().max()))
    )


def columns(objective: Objective) -> Tensor:
    """The whole Hessian, product by product."""
    hessian, like = objective.curvature(), objective.free
    size = flatten(like).numel()
    identity = torch.eye(size, dtype=objective.dtype)
    return torch.stack([flatten(hessian(unflatten(row, like))) for row in identity])


# Derivatives


@every_case
def test_value_gradient_and_hessian_against_the_dense_reference(case: Case):
    objective = case.objective()
    dense = dense_reference(case)
    assert objective.value().total == pytest.approx(dense.value, abs=1e-12)
    close(flatten(objective.gradient()), dense.gradient, 1e-10)
    assert float(dense.hessian.abs().max()) > 1e-3
    close(columns(objective), dense.hessian, 1e-10)
    vector = random_like(objective.free)
    close(flatten(objective.hvp(vector)), dense.hessian @ flat(vector), 1e-10)


@every_case
def test_float32_agrees_with_the_dense_reference(case: Case):
    objective = case.objective(dtype=torch.float32)
    dense = dense_reference(case)
    assert objective.value().total == pytest.approx(dense.value, rel=1e-5)
    close(flatten(objective.gradient()), dense.gradient, 1e-4)
    vector = random_like(objective.free)
    product = flatten(objective.hvp(vector))
    assert product.dtype == torch.float32
    close(product, dense.hessian @ flat(vector), 1e-4)


@every_case
def test_central_differences(case: Case):
    objective, step = case.objective(), 1e-6
    along = random_like(objective.free)
    ends = [shifted(objective.parameters, (sign * step, along)) for sign in (1, -1)]
    values = [objective.value(end).total for end in ends]
    slope = float(dot(objective.gradient(), along))
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-7)
    gradients = [flatten(objective.gradient(end)) for end in ends]
    close((gradients[0] - gradients[1]) / (2 * step), flatten(objective.hvp(along)), 1e-6)


@every_case
def test_streaming_and_kept_graphs_agree(case: Case, monkeypatch: pytest.MonkeyPatch):
    objective = case.objective()
    vectors = [random_like(objective.free, seed) for seed in (3, 4)]
    kept = objective.curvature()
    once = [flatten(kept(vector)) for vector in vectors]
    again = [flatten(kept(vector)) for vector in vectors]
    streaming = objective.curvature(keep=0)
    for first, second, vector in zip(once, again, vectors, strict=True):
        assert torch.equal(first, second)
        close(flatten(streaming(vector)), first, 1e-12)


@every_case
def test_the_micro_batch_changes_nothing(case: Case):
    vector = random_like(case.objective().free)
    results = []
    for micro_batch in (1, 2, case.samples, 100):
        objective = case.objective(micro_batch=micro_batch)
        losses, correct = objective.sample_losses()
        results.append(
            (losses, flatten(objective.gradient()), flatten(objective.hvp(vector)), correct.double())
        )
    for other in results[1:]:
        for actual, expected in zip(other, results[0], strict=True):
            close(actual, expected, 1e-12)


def test_derivatives_at_other_parameters():
    case = BY_NAME["weight-decay"]
    objective = case.objective()
    along = random_like(objective.parameters)
    there = shifted(objective.parameters, (0.1, along))
    elsewhere = case.module()
    elsewhere.load_state_dict(there, strict=False)
    expected = case.objective(elsewhere)
    vector = random_like(objective.free, seed=9)
    assert objective.value(there).total == pytest.approx(expected.value().total, abs=1e-13)
    close(flatten(objective.gradient(there)), flatten(expected.gradient()), 1e-12)
    close(flatten(objective.hvp(vector, there)), flatten(expected.hvp(vector)), 1e-12)
    close(flatten(objective.curvature(there)(vector)), flatten(expected.hvp(vector)), 1e-12)


# Closed forms


def linear(inputs: int = 4, classes: int = 3) -> nn.Module:
    return randomised(nn.Sequential(nn.Linear(inputs, classes, bias=False)))


def test_a_linear_softmax_model_has_its_closed_form_hessian():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 3, (7,), generator=generator)
    module = linear()
    objective = Objective(module, (inputs, targets), dtype=torch.float64, micro_batch=3)
    expected = torch.zeros(12, 12, dtype=torch.float64)
    for x in inputs:
        p = torch.softmax(module(x[None])[0].detach(), 0)
        expected += torch.kron(torch.diag(p) - torch.outer(p, p), torch.outer(x, x)) / 7
    close(columns(objective), expected, 1e-12)


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (logits - F.one_hot(targets, logits.shape[1])).square().sum(1)


def test_a_linear_model_under_squared_error_is_a_quadratic_bowl():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 3, (7,), generator=generator)
    objective = Objective(
        linear(), (inputs, targets), loss=squared_error, dtype=torch.float64, weight_decay=0.2
    )
    moment = inputs.T @ inputs / 7
    identity = torch.eye(3, dtype=torch.float64)
    expected = torch.kron(identity, moment) + 0.2 * torch.eye(12, dtype=torch.float64)
    close(columns(objective), expected, 1e-12)
    weight = objective.parameters["0.weight"]
    residual = inputs @ weight.T - F.one_hot(targets, 3)
    close(objective.gradient()["0.weight"], residual.T @ inputs / 7 + 0.2 * weight, 1e-12)
    assert objective.protocol()["loss"] == "squared_error"


def test_a_loss_linear_in_the_parameters_has_no_curvature():
    data = torch.ones(2, 4, dtype=torch.float64), torch.tensor([0, 1])
    objective = Objective(linear(), data, loss=lambda logits, targets: logits[:, 0], dtype=torch.float64)
    assert torch.count_nonzero(columns(objective)) == 0


# The two terms


def test_nll_and_l2_are_kept_apart():
    case = BY_NAME["subset"]
    objective = case.objective()
    value = objective.value()
    squares = sum(float(p.detach().square().sum()) for p in case.module().parameters())
    assert value.l2 == pytest.approx(0.5 * 0.3 * squares, rel=1e-14)
    plain = case.objective(weight_decay=0.0)
    assert plain.value().l2 == 0
    assert plain.value().nll == value.nll
    assert value.total == value.nll + value.l2


def test_value_is_the_mean_of_the_samples_losses():
    case = BY_NAME["conv-bn"]
    objective = case.objective()
    losses, correct = objective.sample_losses()
    inputs, targets = case.data()
    logits = case.module()(inputs).detach()
    close(losses, F.cross_entropy(logits, targets, reduction="none"), 1e-12)
    assert torch.equal(correct, logits.argmax(1) == targets)
    assert losses.dtype == torch.float64
    assert objective.value().nll == float(losses.mean())


def test_only_chosen_parameters_are_free():
    objective = BY_NAME["subset"].objective()
    assert list(objective.free) == ["0.weight", "1.weight", "1.bias"]
    assert list(objective.gradient()) == list(objective.free)
    assert list(objective.hvp(random_like(objective.free))) == list(objective.free)


def test_the_networks_own_normalisation_wins_and_bytes_are_scaled():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (4, 2, 5, 5), generator=generator, dtype=torch.uint8)
    targets = torch.tensor([0, 1, 2, 0])
    module = BY_NAME["conv"].module()
    samples = Samples(pixels, targets, normalisation=Normalisation((0.4, 0.5), (0.2, 0.3)))
    objective = Objective(module, samples, dtype=torch.float64)
    mean = torch.tensor([0.4, 0.5], dtype=torch.float64).view(1, 2, 1, 1)
    std = torch.tensor([0.2, 0.3], dtype=torch.float64).view(1, 2, 1, 1)
    expected = F.cross_entropy(module((pixels.double() / 255 - mean) / std), targets)
    assert objective.value().nll == pytest.approx(float(expected.detach()), abs=1e-12)
    assert objective.protocol()["normalisation"] == {"mean": (0.4, 0.5), "std": (0.2, 0.3)}


# Dropout


def test_off_fixed_and_fresh_dropout():
    case = BY_NAME["mc-dropout"]
    off, fixed, fresh = (case.objective(dropout=mode) for mode in ("off", "fixed", "fresh"))
    assert off.value().nll != fixed.value().nll
    assert fixed.value(draw=3).nll == fixed.value().nll
    assert fresh.value(draw=3).nll != fresh.value(draw=4).nll
    assert fresh.value(draw=3).nll == fresh.value(draw=3).nll
    assert fresh.value(draw=0).nll == fixed.value().nll
    vector = random_like(fresh.free)
    close(flatten(fresh.curvature(draw=3)(vector)), flatten(fresh.hvp(vector, draw=3)), 1e-12)
    assert not torch.equal(flatten(fresh.gradient(draw=3)), flatten(fresh.gradient(draw=4)))
    assert case.objective(seed=6).value().nll != fixed.value().nll


def test_dropout_off_equals_the_module_in_eval_mode():
    case = BY_NAME["mc-dropout-off"]
    inputs, targets = case.data()
    expected = F.cross_entropy(case.module()(inputs), targets)
    assert case.objective().value().nll == pytest.approx(float(expected.detach()), abs=1e-13)


def test_a_subset_keeps_its_samples_masks_and_the_protocol():
    case = BY_NAME["mc-dropout"]
    whole = case.objective(weight_decay=0.1)
    losses, correct = whole.sample_losses()
    part = whole.subset(1, 5).subset(1, 3)
    part_losses, part_correct = part.sample_losses()
    close(part_losses, losses[2:4], 1e-12)
    assert torch.equal(part_correct, correct[2:4])
    assert part.value().l2 == whole.value().l2
    assert {**part.protocol(), "data": 0} == {**whole.protocol(), "data": 0}
    close(whole.sample_losses()[0], losses, 0.0)


def test_mini_batches_average_to_the_whole():
    objective = BY_NAME["mc-dropout"].objective()
    vector = random_like(objective.free)
    parts = [objective.subset(0, 2), objective.subset(2, 5)]
    mean = sum(len(part.samples) * flatten(part.hvp(vector)) for part in parts) / 5
    close(mean, flatten(objective.hvp(vector)), 1e-12)


# Nothing is changed


class Fragile(nn.Module):
    """BatchNorm and dropout in training mode, a hook, and an error on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.bn = nn.BatchNorm2d(3)
        self.dropout = nn.Dropout(0.5)
        self.frozen = nn.BatchNorm2d(3)
        self.linear = nn.Linear(3, 3)
        self.fail = False

    def forward(self, x: Tensor) -> Tensor:
        z = self.frozen(self.dropout(self.bn(self.conv(x)))).relu()
        if self.fail:
            raise RuntimeError("as asked")
        return self.linear(z.mean((2, 3)))


def fragile() -> Fragile:
    module = randomised(Fragile()).train()
    module.frozen.eval()
    return module


def snapshot(module: nn.Module) -> dict:
    return {
        "state": {name: (value.clone(), value.data_ptr()) for name, value in module.state_dict().items()},
        "ids": {name: id(value) for name, value in [*module.named_parameters(), *module.named_buffers()]},
        "training": [layer.training for layer in module.modules()],
        "hooks": [(len(layer._forward_hooks), len(layer._forward_pre_hooks)) for layer in module.modules()],
        "grads": [(p.grad, p.requires_grad) for p in module.parameters()],
    }


def assert_same(before: dict, after: dict) -> None:
    for name, (value, place) in before["state"].items():
        assert torch.equal(after["state"][name][0], value), name
        assert after["state"][name][1] == place, name
    assert {**before, "state": 0} == {**after, "state": 0}


CALLS = {
    "value": lambda o: o.value(draw=1),
    "gradient": lambda o: o.gradient(),
    "hvp": lambda o: o.hvp(o.free),
    "hessian": lambda o: o.curvature()(o.free),
    "subset": lambda o: o.subset(1, 3).value(),
    "outputs": lambda o: next(o.outputs()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("dropout", ["off", "fresh"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("fail", [False, True])
def test_the_module_is_untouched(call, dropout: str, dtype: torch.dtype, fail: bool):
    module = fragile().to(dtype)
    module.dropout.register_forward_hook(lambda layer, args, output: None)
    objective = Objective(module, BY_NAME["conv"].data(), dropout=dropout, dtype=dtype, weight_decay=0.1)
    before, state = snapshot(module), torch.get_rng_state()
    module.fail = fail
    if fail:
        with pytest.raises((RuntimeError, LandscapeError), match="as asked"):
            call(objective)
    else:
        call(objective)
    assert_same(before, snapshot(module))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_gradients_stay_enabled_between_outputs():
    for logits, _ in BY_NAME["conv"].objective().outputs():
        assert torch.is_grad_enabled()
        assert not logits.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_training_the_module_afterwards_does_not_move_the_objective(dtype: torch.dtype):
    module = fragile().to(dtype)
    objective = Objective(module, BY_NAME["conv"].data(), dtype=dtype)
    before = objective.value()
    with torch.no_grad():
        for value in [*module.parameters(), module.bn.running_mean]:
            value.add_(1)
    assert objective.value() == before
    assert objective.subset(0, 5).value() == before


def test_training_mode_is_put_back_layer_by_layer():
    module = fragile()
    with evaluating(module):
        assert not any(layer.training for layer in module.modules())
    assert [name for name, layer in module.named_modules() if not layer.training] == ["frozen"]


def test_the_parameters_handed_in_are_untouched():
    objective = BY_NAME["weight-decay"].objective()
    there = shifted(objective.parameters, (0.1, random_like(objective.parameters)))
    copies = {name: value.clone() for name, value in there.items()}
    vector = random_like(objective.free)
    kept = {name: value.clone() for name, value in vector.items()}
    objective.value(there)
    objective.gradient(there)
    objective.hvp(vector, there)
    assert all(torch.equal(there[name], copies[name]) for name in there)
    assert all(torch.equal(vector[name], kept[name]) for name in vector)
    assert not any(value.requires_grad for value in [*there.values(), *objective.parameters.values()])


# Memory


class Token:
    """Lives as long as the graph that holds it."""


class Witness(torch.autograd.Function):
    """The identity; its graph node keeps a token alive."""

    tokens: list[weakref.ref] = []  # noqa: RUF012

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        ctx.token = Token()
        Witness.tokens.append(weakref.ref(ctx.token))
        return z.view_as(z)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


class Witnessed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.module = BY_NAME["conv-bn"].module()

    def forward(self, x: Tensor) -> Tensor:
        return Witness.apply(self.module(x))


def alive() -> int:
    return sum(token() is not None for token in Witness.tokens)


def test_graphs_live_exactly_as_long_as_they_are_needed(monkeypatch: pytest.MonkeyPatch):
    Witness.tokens.clear()
    gc.disable()
    try:
        objective = BY_NAME["conv"].objective(Witnessed())
        objective.value()
        objective.gradient()
        vector = random_like(objective.free)
        objective.hvp(vector)
        assert Witness.tokens
        assert alive() == 0
        hessian = objective.curvature()
        hessian(vector)
        assert alive() == 3  # micro-batches
        del hessian
        assert alive() == 0
        hessian = objective.curvature(keep=0)
        hessian(vector)
        assert alive() == 0
    finally:
        gc.enable()


# Checks and errors


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dropout": "on"}, "dropout is 'on'; choose one of off, fixed, fresh"),
        ({"weight_decay": -0.1}, "weight decay must be finite and not negative, got -0.1"),
        ({"weight_decay": float("inf")}, "weight decay must be finite and not negative, got inf"),
        ({"weight_decay": float("nan")}, "weight decay must be finite and not negative, got nan"),
        ({"micro_batch": -1}, "micro-batch must be finite and not negative, got -1"),
        ({"seed": -1}, "seed must be finite and not negative, got -1"),
        ({"params": "layer9.*"}, "no parameter matches 'layer9.*'; this network's are named 0.weight"),
        ({"dtype": torch.float16}, "float32 or float64, not torch.float16"),
    ],
)
def test_impossible_requests_are_explained(options: dict, text: str):
    with pytest.raises(LandscapeError) as caught:
        BY_NAME["conv"].objective(**options)
    assert text in str(caught.value)


def test_parameters_that_do_not_fit_are_named():
    objective = BY_NAME["conv"].objective()
    renamed = {name.replace("0.weight", "conv.weight"): v for name, v in objective.parameters.items()}
    for call in (objective.value, objective.gradient, objective.curvature):
        with pytest.raises(LandscapeError, match=r"0\.weight, conv\.weight on one side only"):
            call(renamed)
    reshaped = objective.parameters | {"0.bias": torch.zeros(1, dtype=torch.float64)}
    with pytest.raises(LandscapeError, match=r"0\.bias has shape \(1,\), expected \(3,\)"):
        objective.value(reshaped)


def test_a_vector_that_does_not_fit_is_named():
    objective = BY_NAME["subset"].objective()
    with pytest.raises(LandscapeError, match=r"0\.bias"):
        objective.hvp(random_like(objective.parameters))
    with pytest.raises(LandscapeError, match=r"1\.bias on one side only"):
        objective.curvature()({name: value for name, value in objective.free.items() if name != "1.bias"})


def test_a_subset_beyond_the_samples_is_an_error():
    with pytest.raises(LandscapeError, match="no samples"):
        BY_NAME["conv"].objective().subset(5, 9)


@pytest.mark.parametrize(
    ("module", "channels", "target", "text"),
    [
        (BY_NAME["conv"].module(), 3, 0, r"fails on inputs of shape \(3, 5, 5\)"),
        (BY_NAME["conv"].module(), 2, 3, "target 3 .* none of the 3 classes"),
        (nn.Conv2d(2, 3, 1), 2, 0, r"returns shape \(2, 3, 5, 5\)"),
    ],
)
def test_check_meets_what_does_not_fit_together(module: nn.Module, channels: int, target: int, text: str):
    data = torch.zeros(2, channels, 5, 5), torch.tensor([0, target])
    with pytest.raises(LandscapeError, match=text):
        require_compatible(Objective(module, data))


def test_check_passes_in_silence():
    assert require_compatible(BY_NAME["mc-dropout"].objective()) is None


def test_the_protocol_is_ready_for_json():
    protocol = BY_NAME["mc-dropout"].objective(weight_decay=0.1).protocol()
    assert json.loads(json.dumps(protocol))["dropout"] == "fixed"
    assert protocol["dtype"] == "float64"
    assert protocol["data"]["samples"] == 5
    assert protocol["weight_decay"] == 0.1


def test_the_usual_micro_batch_fits_the_samples():
    assert BY_NAME["conv"].objective(micro_batch=0).micro_batch == 5
    large = torch.zeros(3, 3, 224, 224), torch.zeros(3, dtype=torch.int64)
    module = nn.Sequential(nn.Conv2d(3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert Objective(module, large).micro_batch in (1, 2, 3)


def test_sums_run_in_double_precision():
    """100,000 equal losses in float32 would drift by more than one part in a million."""
    inputs = torch.full((100_000, 1), 0.1)
    module = nn.Sequential(nn.Linear(1, 1, bias=False))
    nn.init.ones_(module[0].weight)
    objective = Objective(
        module,
        (inputs, torch.zeros(len(inputs), dtype=torch.int64)),
        loss=lambda z, y: z[:, 0],
        micro_batch=len(inputs),
    )
    assert objective.value().nll == pytest.approx(float(np.float32(0.1)), rel=1e-12)
