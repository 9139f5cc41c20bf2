"""Vision transformer and MLP-Mixer, keyed as in timm."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from landscape.zoo.attention import attended
from landscape.zoo.blocks import mc_dropout
from landscape.zoo.config import ModelConfig


def _norm(config: ModelConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.width, eps=1e-5 if config.dialect == "p2" else 1e-6)


class PatchEmbedding(nn.Module):
    """Images to tokens, row by row: a convolution of the patches, or a dense layer of their pixels."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.image, self.patch = config.image, config.patch
        self.dense = config.dialect == "p2"
        if self.dense:
            self.proj: nn.Module = nn.Linear(3 * self.patch**2, config.width)
        else:
            self.proj = nn.Conv2d(3, config.width, self.patch, self.patch)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, image, image) → (batch, token, channel).

        Raises:
            ValueError: If the images have another size than the embedding of positions.
        """
        if x.shape[2:] != (self.image, self.image):
            raise ValueError(
                f"the network takes images of {self.image}×{self.image}, got {x.shape[2]}×{x.shape[3]}; give "
                f"images of its size, or a network with the option image={x.shape[2]}"
            )
        if not self.dense:
            return self.proj(x).flatten(2).mT
        side = self.patch
        cut = x.reshape(len(x), 3, self.image // side, side, self.image // side, side)
        pixels = cut.permute(0, 2, 4, 3, 5, 1)  # (batch, row, column, row within, column within, channel)
        return self.proj(pixels.reshape(len(x), (self.image // side) ** 2, -1))


class Attention(nn.Module):
    """Multi-head self-attention among tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=config.dialect != "p2")
        self.proj = nn.Linear(config.width, config.width)
        self.proj_drop = mc_dropout(config)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, token, channel) → the same shape."""
        batch, tokens, channels = z.shape
        q, k, v = self.qkv(z).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        joined = attended(q, k, v).transpose(1, 2).reshape(batch, tokens, channels)
        return self.proj_drop(self.proj(joined))


class MLP(nn.Module):
    """Two dense layers with GELU between them and MC dropout behind each."""

    def __init__(
        self, channels: int, hidden: int, config: ModelConfig, layer: type | partial = nn.Linear
    ) -> None:
        super().__init__()
        self.fc1, self.act, self.drop1 = layer(channels, hidden), nn.GELU(), mc_dropout(config)
        self.fc2, self.drop2 = layer(hidden, channels), mc_dropout(config)

    def forward(self, z: Tensor) -> Tensor:
        """(…, channel) → the same shape."""
        return self.drop2(self.fc2(self.drop1(self.act(self.fc1(z)))))


class TokenMLP(MLP):
    """The same over the tokens of each channel, by dense layers or convolutions of size 1."""

    def __init__(self, tokens: int, hidden: int, config: ModelConfig) -> None:
        self.turned = config.dialect != "p2"
        super().__init__(
            tokens, hidden, config, nn.Linear if self.turned else partial(nn.Conv1d, kernel_size=1)
        )

    def forward(self, z: Tensor) -> Tensor:
        """(batch, token, channel) → the same shape."""
        return super().forward(z.mT).mT if self.turned else super().forward(z)


class TransformerBlock(nn.Module):
    """LayerNorm and attention, LayerNorm and MLP, each plus its input."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm1, self.attn = _norm(config), Attention(config)
        self.norm2, self.mlp = _norm(config), MLP(config.width, config.mlp_ratio * config.width, config)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, token, channel) → the same shape."""
        z = z + self.attn(self.norm1(z))
        return z + self.mlp(self.norm2(z))


class MixerBlock(nn.Module):
    """LayerNorm and an MLP over tokens, LayerNorm and an MLP over channels, each plus its input."""

    def __init__(self, tokens: int, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.norm1, self.mlp_tokens = _norm(config), TokenMLP(tokens, max(1, width // 2), config)
        self.norm2, self.mlp_channels = _norm(config), MLP(width, config.mlp_ratio * width, config)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, token, channel) → the same shape."""
        z = z + self.mlp_tokens(self.norm1(z))
        return z + self.mlp_channels(self.norm2(z))


class VisionTransformer(nn.Module):
    """ViT (Dosovitskiy et al. 2021), keys ``cls_token, pos_embed, patch_embed, blocks, norm, head``."""

    initial = "narrow"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        tokens = (config.image // config.patch) ** 2
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + tokens, config.width))
        self.patch_embed = PatchEmbedding(config)
        self.blocks = nn.Sequential(*(TransformerBlock(config) for _ in range(config.depth)))
        self.norm = _norm(config)
        self.head = nn.Linear(config.width, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, image, image) → (batch, class)."""
        z = self.patch_embed(x)
        z = torch.cat([self.cls_token.expand(len(x), -1, -1), z], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(z)[:, 0]))


class Mixer(nn.Module):
    """MLP-Mixer (Tolstikhin et al. 2021), keys ``stem, blocks, norm, head``."""

    initial = "narrow"

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        tokens = (config.image // config.patch) ** 2
        self.stem = PatchEmbedding(config)
        self.blocks = nn.Sequential(*(MixerBlock(tokens, config) for _ in range(config.depth)))
        self.norm = _norm(config)
        self.head = nn.Linear(config.width, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, image, image) → (batch, class)."""
        return self.head(self.norm(self.blocks(self.stem(x))).mean(1))
