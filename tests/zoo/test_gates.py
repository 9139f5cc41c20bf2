"""Gates of SE and CBAM against their formulas, and where they stand in a block."""

import pytest
import torch
from torch import Tensor, nn

from landscape.zoo import build, parse
from landscape.zoo.gates import ChannelGate, SpatialGate
from tests.cases import randomised

MAPS = torch.randn(2, 32, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def dense(gate: ChannelGate, values: Tensor) -> Tensor:
    return torch.relu(values @ gate.ff[0].weight.T) @ gate.ff[2].weight.T


@torch.no_grad()
@pytest.mark.parametrize("maximum", [False, True])
def test_a_factor_for_each_channel(maximum: bool):
    gate = randomised(ChannelGate(32, maximum=maximum))
    score = dense(gate, MAPS.flatten(2).mean(2))
    if maximum:
        score = (score + dense(gate, MAPS.flatten(2).max(2).values)) / 2
    torch.testing.assert_close(gate(MAPS), MAPS / (1 + torch.exp(-score))[:, :, None, None])
    assert gate.ff[0].weight.shape == (2, 32)  # a sixteenth


@torch.no_grad()
def test_a_factor_for_each_point():
    gate = randomised(SpatialGate()).eval()
    padded = nn.functional.pad(torch.stack([MAPS.mean(1), MAPS.max(1).values], 1), (3, 3, 3, 3))
    norm = gate.ff[1]
    for y in range(3):
        for x in range(4):
            score = (padded[:, :, y : y + 7, x : x + 7] * gate.ff[0].weight[0]).sum((1, 2, 3))
            score = (score - norm.running_mean) / (
                norm.running_var + norm.eps
            ).sqrt() * norm.weight + norm.bias
            expected = MAPS[:, :, y, x] * torch.sigmoid(score)[:, None]
            torch.testing.assert_close(gate(MAPS)[:, :, y, x], expected)


KEYS = {
    "se": ["gate.ff.0.weight", "gate.ff.2.weight"],
    "cbam": ["gate.0.ff.0.weight", "gate.0.ff.2.weight", "gate.1.ff.0.weight", "gate.1.ff.1.weight"],
}


@torch.no_grad()
@pytest.mark.parametrize("kind", ["se", "cbam"])
@pytest.mark.parametrize("base", ["resnet18", "preresnet18"])
def test_gates_stand_before_the_sum_under_the_authors_keys(kind: str, base: str):
    block = randomised(build(parse(f"{base}:width=4,gate={kind}"))).eval().layer1[0]
    held = [name for name in block.state_dict() if "gate" in name]
    assert [name for name in held if name in KEYS[kind]] == KEYS[kind]
    seen: list[Tensor] = []
    block.gate.register_forward_hook(lambda _m, _a, out: seen.append(out))
    z = MAPS[:, :4]
    out = block(z)
    torch.testing.assert_close(out, z + seen[0] if block.preactivation else torch.relu(z + seen[0]))
