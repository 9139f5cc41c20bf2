"""Networks that nobody here wrote, each number against plain PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

import landscape as ls
from tests.foreign.networks import NETWORKS, Foreign
from tests.foreign.plain import Named, Plain

pytestmark = pytest.mark.filterwarnings("ignore")


@dataclass
class Case:
    """A network with its objective, its plain twin, and what it looked like before anybody touched it."""

    foreign: Foreign
    module: nn.Module
    objective: ls.Objective
    plain: Plain
    before: dict[str, Any]


def parameter(foreign: Foreign) -> Any:
    marks = [pytest.mark.xdist_group(foreign.name)] + ([] if foreign.sample else [pytest.mark.full])
    return pytest.param(foreign, id=foreign.name, marks=marks)


@pytest.fixture(scope="module", params=[parameter(foreign) for foreign in NETWORKS])
def case(request: pytest.FixtureRequest) -> Case:
    foreign: Foreign = request.param
    module = foreign.module()
    plain, before = Plain(foreign, module), state(module)
    return Case(foreign, module, foreign.objective(module), plain, before)


def state(module: nn.Module) -> dict[str, Any]:
    """Everything about a module that a measurement could change."""
    hooks = [name for name in vars(nn.Module()) if "hooks" in name]
    parts = dict(module.named_modules())
    slots = {
        f"{name}:{key}": value
        for name, part in parts.items()
        for key, value in (*part._parameters.items(), *part._buffers.items())
        if value is not None
    }
    return {
        "identity": {name: id(value) for name, value in slots.items()},
        "values": {name: value.detach().clone() for name, value in slots.items()},
        "requires grad": {name: value.requires_grad for name, value in slots.items()},
        "gradients": [name for name, value in slots.items() if value.grad is not None],
        "training": {name: part.training for name, part in parts.items()},
        "classes": {name: type(part) for name, part in parts.items()},
        "attributes": {name: attributes(part) for name, part in parts.items()},
        "hooks": {
            f"{name}:{hook}": len(getattr(part, hook) or ()) for name, part in parts.items() for hook in hooks
        },
    }


def attributes(part: nn.Module) -> dict[str, list[Any]]:
    """What a module keeps in attributes of its own, in lists and dicts too: some keep tensors there."""
    return {
        key: [
            float(leaf.double().sum()) if isinstance(leaf, Tensor) else type(leaf)
            for leaf in tree_leaves(value)
        ]
        for key, value in vars(part).items()
        if key not in vars(nn.Module())
    }


def distance(actual: Mapping[str, Tensor], expected: Named) -> float:
    """‖actual − expected‖ / ‖expected‖ over all entries, which have to be the same ones."""
    assert set(actual) == set(expected)
    error = sum(float((actual[name].double() - value).square().sum()) for name, value in expected.items())
    size = sum(float(value.square().sum()) for value in expected.values())
    assert size > 0
    return (error / size) ** 0.5


def test_value(case: Case):
    assert case.objective.value().nll == pytest.approx(case.plain.value(), rel=1e-4)


def test_derivatives(case: Case):
    generator = torch.Generator().manual_seed(2)
    vector = {n: torch.randn(p.shape, generator=generator) for n, p in case.module.named_parameters()}
    gradient, product = case.plain.derivatives(vector)
    # In float32 rounding decides on which side of its kink a ReLU is, and what a pooling layer picks.
    objective = case.foreign.objective(case.module, torch.float64)
    assert distance(objective.gradient(), gradient) < 1e-6
    assert distance(objective.hvp({n: v.double() for n, v in vector.items()}), product) < 1e-6


def test_surface(case: Case):
    directions = ls.surface.random_directions(case.objective, seed=0)
    surface = ls.surface.plane(case.objective, directions, span=0.2, steps=3)
    own = dict(case.module.named_parameters())
    for x in surface.x.values:
        for y in surface.y.values:
            weights = {
                n: p.detach().double() + x * directions[0][n] + y * directions[1][n] for n, p in own.items()
            }
            assert float(surface.nll.sel(x=x, y=y)) == pytest.approx(case.plain.value(weights), rel=1e-4)


def test_feature_maps(case: Case):
    found = ls.features.measure(case.objective)
    for name, channel in case.foreign.layers.items():
        assert name in found.layer.values
        variance = case.plain.spatial_variance(name, channel, case.foreign.extra)
        assert float(found.spatial_variance.sel(layer=name)) == pytest.approx(variance, rel=1e-4)


def test_what_if(case: Case):
    name, channel = case.foreign.place
    smoothed = ls.zoo.smoothed(ls.Network(case.module), name, kernel=3)
    blurred = case.plain.blurred(name, channel)
    assert blurred != pytest.approx(case.plain.value(), rel=5e-4)
    assert case.foreign.objective(smoothed).value().nll == pytest.approx(blurred, rel=1e-4)


def test_network_is_unchanged(case: Case):
    """Last of all: after everything above."""
    after = state(case.module)
    values, before = after.pop("values"), dict(case.before)
    for name, value in before.pop("values").items():
        assert torch.equal(values[name], value), name
    assert after == before
    assert Plain(case.foreign, case.module).value() == case.plain.value()
