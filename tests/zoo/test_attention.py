"""Attention in maps against a loop over windows and points, and where AlterNet has it."""

import math

import pytest
import torch
from torch import Tensor

from landscape.zoo import build, parse
from landscape.zoo.attention import AttentionBlock, WindowAttention
from tests.cases import randomised

CONFIG = parse("alternet18:width=2,heads=2,head_dim=3,window=2")


def by_hand(layer: WindowAttention, z: Tensor) -> Tensor:
    """One sample, (channel, h, w): each point attends to those of its window that the map has."""
    side, inner = layer.window, layer.attn
    height, width = z.shape[1:]
    q, kv = (torch.einsum("oc,chw->ohw", m.weight[:, :, 0, 0], z) for m in (inner.to_q, inner.to_kv))
    k, v = kv.chunk(2)
    size = len(q) // inner.heads
    out = torch.zeros_like(q)
    for y in range(height):
        for x in range(width):
            rows = range(y // side * side, min(height, y // side * side + side))
            columns = range(x // side * side, min(width, x // side * side + side))
            for head in range(inner.heads):
                part = slice(head * size, (head + 1) * size)
                points = [(r, c) for r in rows for c in columns]
                scores = torch.stack(
                    [
                        q[part, y, x] @ k[part, r, c] / math.sqrt(size)
                        + layer.pos_embedding[r - y + side - 1, c - x + side - 1]
                        for r, c in points
                    ]
                )
                shares = scores.exp() / scores.exp().sum()
                out[part, y, x] = sum(s * v[part, r, c] for s, (r, c) in zip(shares, points, strict=True))
    last = inner.to_out[0]
    return torch.einsum("oc,chw->ohw", last.weight[:, :, 0, 0], out) + last.bias[:, None, None]


@torch.no_grad()
@pytest.mark.parametrize("size", [(4, 2), (3, 5), (1, 1)])
def test_windows_against_a_loop(size: tuple[int, int]):
    layer = randomised(WindowAttention(3, 4, 2, CONFIG))
    z = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(layer(z), torch.stack([by_hand(layer, each) for each in z]))


@torch.no_grad()
@pytest.mark.parametrize("preactivation", ["yes", "no"])
def test_blocks_by_hand(preactivation: str):
    config = parse(f"resnet18:attend=0-1-1-1,heads=1,head_dim=2,window=2,preactivation={preactivation}")
    block = randomised(AttentionBlock(4, 2, 2, config)).eval()
    z = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gelu = torch.nn.functional.gelu
    if config.preactivation:
        branch = block.attn(block.norm2(block.conv(gelu(block.norm1(z)))))
    else:
        branch = block.norm(block.attn(gelu(block.conv[1](block.conv[0](z)))))
    torch.testing.assert_close(block(z), branch + z)


@pytest.mark.parametrize(
    ("spec", "attending"),
    [
        ("alternet18", ["2.1", "3.1", "4.1"]),
        ("alternet34", ["2.3", "3.1", "3.3", "3.5", "4.1", "4.3"]),
        ("resnet18:attend=0-0-0-1", ["4.1"]),
        ("cifar-resnet20:attend=1-0-1", ["1.2", "3.2"]),
    ],
)
def test_attention_takes_every_other_block_from_the_end_of_a_stage(spec: str, attending: list[str]):
    options = "heads=2,head_dim=1,width=1"
    module = build(parse(f"{spec}{',' if ':' in spec else ':'}{options}"))
    found = {name: part for name, part in module.named_modules() if isinstance(part, AttentionBlock)}
    assert list(found) == [f"layer{place}" for place in attending]
    for name, block in found.items():
        assert block.attn.attn.heads == 2 ** int(name[5])  # 2, 4, 8, 16 from stage to stage


def test_alternet_has_the_authors_keys():
    held = [name for name in build(CONFIG).state_dict() if name.startswith("layer4.1") and "norm" not in name]
    assert held == [
        f"layer4.1.{name}"
        for name in (
            *("conv.weight", "attn.pos_embedding", "attn.attn.to_q.weight", "attn.attn.to_kv.weight"),
            *("attn.attn.to_out.0.weight", "attn.attn.to_out.0.bias"),
        )
    ]
