"""BatchNorm modes, ensembles of dropout masks and reduced precision, against plain loops."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from landscape.dropout import dropout_masks
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import flatten
from landscape.protocol import Dropout
from tests.cases import BY_NAME, randomised


def network() -> nn.Module:
    return randomised(
        nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 2), nn.BatchNorm2d(4),
            nn.Flatten(), nn.Linear(16, 3),
        )
    ).eval()  # fmt: skip


def data(count: int = 12):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 2, 5, 5, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(0, 3, (count,), generator=generator)


def state(module: nn.Module) -> list:
    return [value.clone() for value in module.state_dict().values()]


@pytest.mark.parametrize("mode", ["batch", "recalibrate"])
def test_batch_norm_modes_leave_the_module_as_it_was(mode: str):
    module = network()
    before = state(module)
    momenta = [layer.momentum for layer in module if isinstance(layer, nn.BatchNorm2d)]
    Objective(module, data(), dtype=torch.float64, batch_norm=mode, micro_batch=4).value()
    assert all(torch.equal(a, b) for a, b in zip(before, state(module), strict=True))
    assert [layer.momentum for layer in module if isinstance(layer, nn.BatchNorm2d)] == momenta
    assert not any(layer.training for layer in module.modules())


def test_batch_mode_uses_the_statistics_of_each_micro_batch():
    module, (inputs, targets) = network(), data()
    found = Objective(module, (inputs, targets), dtype=torch.float64, batch_norm="batch", micro_batch=4)
    module.train()
    losses = [F.cross_entropy(module(inputs[i : i + 4]), targets[i : i + 4]) for i in (0, 4, 8)]
    assert found.value().nll == pytest.approx(float(torch.stack(losses).mean().detach()), rel=1e-12)
    assert found.protocol()["batch_norm"] == "batch"


def test_recalibration_estimates_statistics_where_it_evaluates():
    module, (inputs, targets) = network(), data()
    objective = Objective(
        module, (inputs, targets), dtype=torch.float64, batch_norm="recalibrate", micro_batch=4
    )
    there = {name: 1.3 * value for name, value in objective.parameters.items()}
    plain = network()
    plain.load_state_dict(there, strict=False)
    for layer in plain:
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
    plain.train()
    for start in (0, 4, 8):
        plain(inputs[start : start + 4])
    plain.eval()
    expected = float(F.cross_entropy(plain(inputs), targets).detach())
    assert objective.value(there).nll == pytest.approx(expected, rel=1e-12)
    eval_mode = Objective(module, (inputs, targets), dtype=torch.float64)
    assert eval_mode.value(there).nll != pytest.approx(expected, rel=1e-3)


def test_scaling_a_filter_behind_batch_norm_changes_nothing_once_recalibrated():
    objective = Objective(network(), data(), dtype=torch.float64, batch_norm="recalibrate")
    scaled = dict(objective.parameters)
    for name in ("0.weight", "0.bias"):
        scaled[name] = 7.0 * scaled[name]
    assert objective.value(scaled).nll == pytest.approx(objective.value().nll, rel=1e-4)


def test_an_ensemble_is_the_mean_probability_over_masks():
    case = BY_NAME["mc-dropout"]
    module, (inputs, targets) = case.module(), case.data()
    objective = case.objective(dropout="ensemble:3")
    total = 0
    for draw in range(3):
        with dropout_masks(module, seed=case.options["seed"], draw=draw):
            total = total + module(inputs).softmax(1)
    expected = -(total / 3).log()[torch.arange(len(targets)), targets].mean()
    assert objective.value().nll == pytest.approx(float(expected.detach()), rel=1e-12)
    single = case.objective(dropout="ensemble:1").value().nll
    assert single == pytest.approx(case.objective(dropout="fixed").value().nll, rel=1e-12)
    assert objective.value(draw=5).nll == objective.value().nll
    assert torch.isfinite(flatten(objective.gradient())).all()


@pytest.mark.parametrize("mode", ["ensemble", "ensemble:0", "ensemble:x", "on"])
def test_impossible_dropout_modes_are_explained(mode: str):
    with pytest.raises(LandscapeError, match="ensemble:N with N passes"):
        Dropout(mode)


def test_reduced_precision_is_near_full_precision_and_has_no_derivatives():
    case = BY_NAME["conv-bn"]
    full = case.objective(dtype=torch.float32).value().nll
    reduced = case.objective(dtype=torch.float32, precision="bfloat16")
    assert reduced.value().nll == pytest.approx(full, rel=5e-2)
    assert reduced.value().nll != full
    assert reduced.protocol()["precision"] == "bfloat16"
    with pytest.raises(LandscapeError, match="derivatives need full precision"):
        reduced.gradient()
    with pytest.raises(LandscapeError, match="derivatives need full precision"):
        case.objective(batch_norm="recalibrate").gradient()


@pytest.mark.parametrize(
    ("options", "text"),
    [({"batch_norm": "train"}, "BatchNorm mode is 'train'"), ({"precision": "half"}, "precision is 'half'")],
)
def test_impossible_modes_are_explained(options: dict, text: str):
    with pytest.raises(LandscapeError, match=text):
        BY_NAME["conv"].objective(**options)
