"""Every architecture of the zoo through value, derivatives, surface, feature maps and lesions."""

import numpy as np
import pytest
import torch

from landscape import features, surface
from landscape.parameters import dot, norm, shifted
from tests import build

NETWORKS = {
    "vit1:width=4,heads=2,patch=4,image=16": {"patch_embed": "stem", "blocks.0.attn": "attention"},
    "mixer1:width=4,patch=4,image=16": {"stem": "stem", "blocks.0.mlp_channels": "mlp"},
    "mixer1:width=4,patch=4,image=16,dialect=p2": {"stem": "stem", "blocks.0": "block"},
    "alternet18:width=1,heads=1,head_dim=2": {"layer2.1": "block", "layer2.1.attn": "attention"},
    "resnet18:width=1,attend=0-0-0-1,heads=1,head_dim=2": {"layer4.1.attn": "attention"},
    "cbamresnet18:width=1": {"layer0": "stem", "layer4.1": "block"},
    "seresnet18:width=1,kernel=1-2-1": {"layer4.1": "block", "smooth3.0": "smoothing"},
    "alexnet:width=1,hidden=2,blur": {"layer2": "block", "smooth2.0": "smoothing"},
    "resnext50:width=1,cardinality=2": {"layer4.2": "block"},
    "wideresnet50:width=1": {"layer4.2": "block"},
}
HALVES = {
    "vit1": ["blocks.0.attn", "blocks.0.mlp"],
    "mixer1": ["blocks.0.mlp_tokens", "blocks.0.mlp_channels"],
}


def parameter(spec: str) -> object:
    long = spec.startswith(("resnext", "wide", "seresnet", "resnet18"))
    return pytest.param(spec, marks=[pytest.mark.full] if long else [])


@pytest.mark.parametrize("spec", [parameter(spec) for spec in NETWORKS])
def test_what_runs_on_it(spec: str):
    module = build.zoo(spec, seed=0)
    objective = build.objective(module, count=2, size=16)
    plain = torch.nn.functional.cross_entropy(module(objective.samples.inputs), objective.samples.targets)
    np.testing.assert_allclose(objective.value().nll, float(plain.detach()), rtol=1e-9)

    gradient = objective.gradient()
    expected = torch.autograd.grad(plain, list(module.parameters()))
    for value, other in zip(gradient.values(), expected, strict=True):
        torch.testing.assert_close(value, other, rtol=1e-7, atol=1e-9)
    unit = {name: value / norm(gradient) for name, value in gradient.items()}
    ahead, behind = (objective.gradient(shifted(objective.parameters, (s * 1e-6, unit))) for s in (1, -1))
    product = objective.hvp(unit)
    differences = {name: (ahead[name] - behind[name]) / 2e-6 for name in product}
    assert float(dot(product, differences)) == pytest.approx(float(dot(product, product)), rel=1e-3)

    plane = surface.plane(objective, surface.random(objective, count=1), span=0.1, steps=3)
    np.testing.assert_allclose(float(plane.nll.sel(x=0)), float(plain.detach()), rtol=1e-9)
    kinds = dict(zip(*(features.measure(objective)[name].values for name in ("layer", "kind")), strict=True))
    assert NETWORKS[spec].items() <= kinds.items()

    halves = HALVES.get(spec.partition(":")[0])
    found = features.lesion(objective, blocks=halves)
    assert np.isfinite(found.nll).all()
    assert list(found.block.values) == halves or len(found.block) > 0
