"""Transformers and mixers against formulas written out, and the dialect of the second paper."""

import pytest
import torch
from torch import Tensor, nn

from landscape.zoo import build, parse
from landscape.zoo.transformers import Attention, PatchEmbedding, TokenMLP
from tests.cases import randomised

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TINY = "width=6,patch=4,image=8"


@torch.no_grad()
def test_both_dialects_cut_the_same_patches():
    conv, dense = (randomised(PatchEmbedding(parse(f"vit1:{TINY},dialect={d}"))) for d in ("timm", "p2"))
    dense.proj.weight.copy_(conv.proj.weight.permute(0, 2, 3, 1).flatten(1))  # pixels first, then colours
    dense.proj.bias.copy_(conv.proj.bias)
    torch.testing.assert_close(dense(IMAGES), conv(IMAGES))
    torch.testing.assert_close(conv(IMAGES)[:, 1], conv.proj(IMAGES[:, :, :4, 4:])[:, :, 0, 0])


@torch.no_grad()
def test_attention_is_pytorchs():
    ours = randomised(Attention(parse(f"vit1:{TINY},heads=3")))
    theirs = nn.MultiheadAttention(6, 3, batch_first=True).double()
    for mine, other in ((ours.qkv, "in_proj_"), (ours.proj, "out_proj.")):
        for word in ("weight", "bias"):
            theirs.get_parameter(f"{other}{word}").copy_(getattr(mine, word))
    z = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(ours(z), theirs(z, z, z)[0])


@torch.no_grad()
def test_both_dialects_mix_tokens_alike():
    one, other = (randomised(TokenMLP(4, 3, parse(f"mixer1:{TINY},dialect={d}"))) for d in ("timm", "p2"))
    z = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for layer in ("fc1", "fc2"):
        mine, theirs = one.get_submodule(layer), other.get_submodule(layer)
        theirs.weight.copy_(mine.weight[:, :, None])
        theirs.bias.copy_(mine.bias)
    torch.testing.assert_close(one(z), other(z))
    torch.testing.assert_close(one(z)[:, :, 2], one.fc2(nn.functional.gelu(one.fc1(z[:, :, 2]))))


@torch.no_grad()
@pytest.mark.parametrize("dialect", ["timm", "p2"])
def test_networks_by_hand(dialect: str):
    vit = randomised(build(parse(f"vit1:{TINY},heads=2,dialect={dialect}")))
    block, z = vit.blocks[0], vit.patch_embed(IMAGES)
    z = torch.cat([vit.cls_token.expand(2, 1, 6), z], 1) + vit.pos_embed
    z = z + block.attn(block.norm1(z))
    z = z + block.mlp.fc2(nn.functional.gelu(block.mlp.fc1(block.norm2(z))))
    torch.testing.assert_close(vit(IMAGES), vit.head(vit.norm(z[:, 0])))
    assert vit.norm.eps == {"timm": 1e-6, "p2": 1e-5}[dialect]
    assert (block.attn.qkv.bias is None) == (dialect == "p2")


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"takes images of 8×8, got 4×4; .*option image=4"):
        build(parse(f"vit1:{TINY}"))(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("spec", ["vit2:width=64,patch=4,image=8", "mixer1:width=64,patch=2,image=16"])
def test_fresh_weights_are_narrow_and_from_the_seed(spec: str):
    state = torch.get_rng_state()
    module, other = build(parse(spec), seed=1), build(parse(spec), seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    dense: list[Tensor] = [m.weight.detach() for m in module.modules() if isinstance(m, nn.Linear)]
    assert all(0.015 < float(weight.std()) < 0.02 and float(weight.abs().max()) <= 0.04 for weight in dense)
    assert all((m.weight == 1).all() for m in module.modules() if isinstance(m, nn.LayerNorm))
    assert not torch.equal(dense[0], next(m for m in other.modules() if isinstance(m, nn.Linear)).weight)
    assert all(torch.isfinite(value).all() for value in module.state_dict().values())
