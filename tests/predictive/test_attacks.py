"""Attacks against plain PyTorch loops, a network whose worst case is known, and the family's weights."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape import family
from landscape.data import demo
from landscape.errors import LandscapeError
from landscape.network import Network
from landscape.objective import Objective
from landscape.predictive import attack, evaluate
from landscape.samples import Normalisation, Samples
from tests import build

USUAL = Normalisation((0.5, 0.4, 0.6), (0.2, 0.3, 0.25))
EPSILONS = (0.0, 4 / 255, 16 / 255)


IMAGES = build.images(9, kind="bytes", classes=4)


def objective(rate: float = 0.0, samples: Samples = IMAGES, **options) -> Objective:
    module = build.zoo(f"cifar-resnet20:width=2,classes=4,dropout={rate}", seed=0)
    network = Network(module, normalisation=USUAL)
    return build.objective(network, samples, **{"micro_batch": 4, "seed": 2} | options)


def plain_losses(measured: Objective) -> Callable[[Tensor], Tensor]:
    """Images in 0 … 1 → loss of each sample, through the module itself."""

    def losses(pixels: Tensor) -> Tensor:
        return F.cross_entropy(
            measured.network.module(USUAL(pixels)), measured.samples.targets, reduction="none"
        )

    return losses


def plain_pgd(losses, pixels: Tensor, start: Tensor, epsilon: float, steps: int, size: float) -> Tensor:
    """Madry et al. 2018: step, project onto the ball, clip to valid pixels."""
    images = torch.clamp(pixels + start, 0, 1)
    for _ in range(steps):
        images = images.detach().requires_grad_()
        losses(images).sum().backward()
        images = images.detach() + size * images.grad.sign()
        images = torch.clamp(pixels + torch.clamp(images - pixels, -epsilon, epsilon), 0, 1)
    return images


def test_fgsm_and_pgd_against_plain_loops():
    measured = objective()
    losses, pixels = plain_losses(measured), measured.samples.inputs.double() / 255
    result = attack(measured, epsilons=EPSILONS, steps=5, random_start=False)
    for epsilon in EPSILONS:
        for name, moved in (
            ("fgsm", plain_pgd(losses, pixels, torch.zeros_like(pixels), epsilon, 1, epsilon)),
            ("pgd", plain_pgd(losses, pixels, torch.zeros_like(pixels), epsilon, 5, epsilon / 2)),
        ):
            with torch.no_grad():
                expected = losses(moved)
            here = result.sel(attack=name, epsilon=epsilon)
            assert float(here.nll) == pytest.approx(float(expected.mean()), rel=1e-9), (name, epsilon)
            error = float(expected.std()) / math.sqrt(len(expected))
            assert float(here.nll_standard_error) == pytest.approx(error, rel=1e-9)
    assert float(result.nll.sel(attack="fgsm", epsilon=16 / 255)) > 1.01 * float(result.clean_nll)


def test_random_starts_are_a_function_of_seed_and_index():
    measured = objective()
    pixels = measured.samples.inputs.double() / 255
    starts = np.stack([np.random.default_rng((7, i)).uniform(-1, 1, (3, 8, 8)) for i in range(9)])
    epsilon, size = 0.05, 0.02
    moved = plain_pgd(plain_losses(measured), pixels, epsilon * torch.from_numpy(starts), epsilon, 3, size)
    options = {"epsilons": [epsilon], "steps": 3, "step_size": size}
    found = attack(measured, seed=7, **options).nll.sel(attack="pgd")
    with torch.no_grad():
        assert float(found[0]) == pytest.approx(float(plain_losses(measured)(moved).mean()), rel=1e-9)
    assert float(attack(measured, seed=8, **options).nll.sel(attack="pgd")[0]) != float(found[0])
    some = measured.samples.select([5, 2])
    alone = [float(attack(objective(samples=some.select([i])), seed=7, **options).nll[1, 0]) for i in (0, 1)]
    together = attack(objective(samples=some), seed=7, **options)
    assert float(together.nll[1, 0]) == pytest.approx(np.mean(alone), rel=1e-9)


@pytest.mark.parametrize("dropout", ["off", "fixed", "fresh", "ensemble:2"])
def test_without_a_change_the_images_are_the_clean_ones(dropout: str):
    measured = objective(0.3, dropout=dropout)
    result = attack(measured, epsilons=[0.0, 0.1], steps=2, step_size=0.01)
    clean = evaluate(measured, draw=1)
    for name in ("fgsm", "pgd"):
        here = result.sel(attack=name, epsilon=0)
        assert float(here.nll) == float(result.clean_nll) == float(clean.mean_nll)
        assert float(here.accuracy) == float(result.clean_accuracy) == float(clean.accuracy)
        error = float(here.accuracy_standard_error)
        assert error == float(result.clean_accuracy_standard_error)
        assert error == float(clean.accuracy_standard_error)


def test_the_gradient_of_an_ensemble_is_that_of_its_mean_prediction():
    measured = objective(0.3, dropout="ensemble:3")
    pixels = measured.samples.inputs.double() / 255

    def losses(images: Tensor) -> Tensor:
        logits = measured.forward(measured.parameters, 0, USUAL(images), 0)
        return F.cross_entropy(logits, measured.samples.targets, reduction="none")

    result = attack(measured, epsilons=[0.05], steps=3, random_start=False)
    moved = plain_pgd(losses, pixels, torch.zeros_like(pixels), 0.05, 3, 2.5 * 0.05 / 3)
    with torch.no_grad():
        expected = float(losses(moved).mean())
    assert float(result.nll.sel(attack="pgd")[0]) == pytest.approx(expected, rel=1e-9)


def test_fresh_masks_are_attacked_in_one_draw_and_evaluated_in_another():
    measured = objective(0.3, dropout="fresh")
    pixels = measured.samples.inputs.double() / 255

    def losses(images: Tensor, draw: int = 0) -> Tensor:
        logits = measured.forward(measured.parameters, 0, USUAL(images), draw)
        return F.cross_entropy(logits, measured.samples.targets, reduction="none")

    found = attack(measured, epsilons=[0.05], steps=1).nll.sel(attack="fgsm")
    moved = plain_pgd(losses, pixels, torch.zeros_like(pixels), 0.05, 1, 0.05)
    with torch.no_grad():
        assert float(found[0]) == pytest.approx(float(losses(moved, 1).mean()), rel=1e-9)


class Line(nn.Module):
    """Two classes whose logits are ±w·x/2, so that the worst image within ε is x ∓ ε·sign(w)."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        weight = torch.tensor([1.0, -2.0, 0.5, 3.0])
        self.weight = nn.Parameter(scale * weight)

    def forward(self, x: Tensor) -> Tensor:
        margin = x.flatten(1) @ self.weight / 2
        return torch.stack([margin, -margin], 1)


def line(scale: float = 1.0, **options) -> Objective:
    images = torch.tensor([[0.6, 0.3, 0.4, 0.7], [0.1, 0.9, 0.2, 0.1]]).view(2, 1, 2, 2)
    return Objective(Line(scale), (images, torch.tensor([0, 1])), **options)


def test_both_attacks_find_the_worst_case_of_a_linear_network():
    measured = line(dtype=torch.float64)
    result = attack(measured, epsilons=[0.05, 0.2], steps=4)
    margins = measured.samples.inputs.double().flatten(1) @ torch.tensor([1.0, -2.0, 0.5, 3.0]).double()
    signed = margins * torch.tensor([1, -1])
    for i, epsilon in enumerate((0.05, 0.2)):
        worst = float(F.softplus(-(signed - epsilon * 6.5)).mean())
        assert result.nll[:, i].values.tolist() == pytest.approx([worst, worst], rel=1e-6)


def test_pixels_stay_valid():
    black = Samples(torch.zeros(1, 1, 2, 2), torch.tensor([0]))
    result = attack(Objective(Line(), black, dtype=torch.float64), epsilons=[0.5], steps=2)
    # Only the pixel with a negative weight can move: from black, the others would have to go below zero.
    assert result.nll[:, 0].values.tolist() == pytest.approx([math.log1p(math.exp(1))] * 2, rel=1e-9)


def test_a_prediction_that_is_certain_in_single_precision_still_has_a_gradient():
    result = attack(line(scale=60.0), epsilons=[0.5], steps=3)
    assert float(result.clean_nll) < 1e-12
    assert (result.accuracy == 0).all()


def test_attacks_on_trained_weights_cost_accuracy():
    measured = Objective(family.load("gap"), demo("test").take(40), micro_batch=20)
    result = attack(measured, epsilons=[2 / 255, 8 / 255], steps=3)
    assert float(result.clean_accuracy) == float(evaluate(measured).accuracy) > 0.6
    assert (result.accuracy <= result.clean_accuracy).all()
    assert (result.nll > result.clean_nll).all()
    assert (result.accuracy.sel(epsilon=8 / 255) < 0.5 * result.clean_accuracy).all()
    assert (result.nll.sel(attack="pgd") > result.nll.sel(attack="fgsm")).all()


def test_micro_batches_do_not_change_the_result():
    whole = attack(objective(0.3, dropout="fixed", micro_batch=9), epsilons=[0.03], steps=2)
    parts = attack(objective(0.3, dropout="fixed", micro_batch=2), epsilons=[0.03], steps=2)
    for name, variable in whole.data_vars.items():
        np.testing.assert_allclose(parts[name], variable, rtol=1e-9)


def test_dataset():
    result = attack(objective(), epsilons=[0.01, 0.02], steps=4, seed=5)
    assert result.accuracy.dims == result.nll_standard_error.dims == ("attack", "epsilon")
    assert result.clean_nll.dims == ()
    assert list(result["attack"].values) == ["fgsm", "pgd"]
    assert result.step_size.values.tolist() == pytest.approx([0.00625, 0.0125])
    assert result.attrs["steps"] == 4
    assert result.attrs["seed"] == 5
    assert all({"long_name", "units"} <= variable.attrs.keys() for variable in result.data_vars.values())


def test_network_and_settings_are_left_as_they_were():
    measured = objective(0.3, dropout="fixed")
    module = measured.network.module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    attack(measured, epsilons=[0.03], steps=1)
    assert all(layer.training for layer in module.modules())
    assert build.hooks(module) == 0
    assert all(parameter.grad is None for parameter in module.parameters())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilons": [8.0]}, "from 0 to 1, in units of their range; got \\[8.0\\]"),
        ({"epsilons": []}, "got \\[\\]"),
        ({"epsilons": [math.nan]}, "got \\[nan\\]"),
        ({"steps": 0}, "at least 1 step"),
        ({"step_size": 0.0}, "of a positive size"),
    ],
)
def test_impossible_numbers_are_refused(options: dict, message: str):
    with pytest.raises(LandscapeError, match=message):
        attack(objective(), **options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: objective(batch_norm="batch"), "BatchNorm in eval mode and full precision, not batch"),
        (lambda: objective(precision="bfloat16", dtype=torch.float32), "not eval and bfloat16"),
        (
            lambda: objective(samples=replace(IMAGES, inputs=USUAL(IMAGES.inputs / 255))),
            "before their normalisation",
        ),
        (
            lambda: Objective(Line(), (torch.ones(2, 4), torch.tensor([0, 1]))),
            r"needs images, .* got inputs of shape \(4,\)",
        ),
    ],
)
def test_what_has_no_gradient_or_no_pixels_is_refused(given: Callable, message: str):
    with pytest.raises(LandscapeError, match=message):
        attack(given())
