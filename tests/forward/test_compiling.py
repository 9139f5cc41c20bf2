"""Passes through torch.compile: compared with plain ones, and left where they fail or differ."""

from functools import partial

import pytest
import torch
from torch import nn

import landscape as ls

original = torch.compile


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def objective(module: nn.Module | None = None, **fields) -> ls.Objective:
    samples = torch.rand(30, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.arange(30) % 3
    return ls.Objective(module or network().eval(), samples, micro_batch=12, **fields)


def surfaces(*objectives: ls.Objective):
    directions = ls.surface.random_directions(objectives[0], seed=0)
    return [ls.surface.plane(each, directions, span=0.5, steps=3) for each in objectives]


@pytest.fixture
def quick(monkeypatch):
    """Traces as usual, and runs what it has traced as it is."""
    monkeypatch.setattr(torch, "compile", partial(original, backend="eager"))


def test_a_surface_follows_the_weights(quick):
    compiled = objective(compiled=True)
    plain, fast = surfaces(objective(), compiled)
    assert compiled.forward.road.compiled is not None
    assert not compiled.forward.road.compiled.left
    assert fast.nll.values == pytest.approx(plain.nll.values, rel=1e-5)
    assert float(plain.nll.std()) > 0.01


@pytest.mark.full
def test_a_surface_through_the_usual_compiler_is_the_plain_one():
    compiled = objective(compiled=True)
    plain, fast = surfaces(objective(), compiled)
    assert not compiled.forward.road.compiled.left
    assert fast.nll.values == pytest.approx(plain.nll.values, rel=1e-5)


def frozen(run, **_):
    """A compiler that takes the weights at its first call for constants."""
    kept = []

    def fast(inputs):
        if not kept:
            (module,) = run.args
            kept.append({name: value.clone() for name, value in module.state_dict().items()})
        return torch.func.functional_call(run.args[0], kept[0], (inputs,))

    return fast


def broken(run, **_):
    def fast(inputs):
        raise RuntimeError("no compiler")

    return fast


def rounded(run, **_):
    return lambda inputs: run(inputs) * (1 + 1e-3)


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [(frozen, "outputs differ by"), (broken, r"it fails \(RuntimeError\)"), (rounded, "outputs differ by")],
)
def test_a_compiler_that_fails_or_differs_is_left(monkeypatch, compiler, reason):
    (plain,) = surfaces(objective())
    monkeypatch.setattr(torch, "compile", compiler)
    compiled = objective(compiled=True)
    with pytest.warns(UserWarning, match=f"torch.compile is not used: {reason}"):
        (found,) = surfaces(compiled)
    assert found.nll.values == pytest.approx(plain.nll.values, rel=1e-6)


def test_derivatives_masks_and_checks_are_plain(monkeypatch):
    monkeypatch.setattr(torch, "compile", broken)
    compiled = objective(compiled=True)
    compiled.checked("product")
    vector = {name: torch.ones_like(value) for name, value in compiled.free.items()}
    assert torch.equal(compiled.hvp(vector)["0.weight"], objective().hvp(vector)["0.weight"])
    masked = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 3))
    assert objective(masked, compiled=True, dropout="fixed").value().nll > 0
    assert compiled.forward.road.compiled is None


def test_the_protocol_names_it_where_it_is_asked_for():
    assert objective(compiled=True).protocol()["compiled"] is True
    assert "compiled" not in objective().protocol()
