"""Self-attention over windows of feature maps, as blocks of AlterNet (Park & Kim 2022b, section 4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.zoo.config import ModelConfig


def attended(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention, written out so that it has second derivatives everywhere.

    Args:
        q: Queries, (…, point, channel).
        k: Keys, (…, point, channel).
        v: Values, (…, point, channel).
        bias: Added to the scores, broadcastable to (…, point, point).
    """
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    return (scores if bias is None else scores + bias).softmax(-1) @ v


def _point(in_channels: int, out_channels: int, *, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1, bias=bias)


class MapAttention(nn.Module):
    """Multi-head self-attention among all points of a map."""

    initial = "uniform"

    def __init__(self, in_channels: int, out_channels: int, heads: int, config: ModelConfig) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * config.head_dim
        self.to_q = _point(in_channels, inner)
        self.to_kv = _point(in_channels, 2 * inner)
        last = nn.Dropout(config.dropout) if config.dropout else nn.Identity()
        self.to_out = nn.Sequential(_point(inner, out_channels, bias=True), last)

    def forward(self, z: Tensor, bias: Tensor) -> Tensor:
        """(batch, in, h, w), and a bias of the scores (…, h·w, h·w) → (batch, out, h, w)."""
        maps = (self.to_q(z), *self.to_kv(z).chunk(2, 1))
        q, k, v = (each.reshape(len(z), self.heads, -1, z.shape[2] * z.shape[3]).mT for each in maps)
        return self.to_out(attended(q, k, v, bias).mT.reshape(len(z), -1, *z.shape[2:]))


class WindowAttention(nn.Module):
    """Attention within windows that tile a map, with a learned bias for each step from point to point.

    A map that the windows do not tile is filled up with points that nothing attends to, and cut again.
    """

    def __init__(self, in_channels: int, out_channels: int, heads: int, config: ModelConfig) -> None:
        super().__init__()
        self.window = config.window
        self.attn = MapAttention(in_channels, out_channels, heads, config)
        self.pos_embedding = nn.Parameter(torch.empty(2 * self.window - 1, 2 * self.window - 1))

    def forward(self, z: Tensor) -> Tensor:
        """(batch, in, h, w) → (batch, out, h, w)."""
        side, (height, width) = self.window, z.shape[2:]
        low, right = -height % side, -width % side
        bias = self._bias()
        if low or right:
            inside = F.pad(torch.ones(1, 1, height, width, device=z.device), (0, right, 0, low))
            hidden = _tiles(inside, side).flatten(1)[:, None, None, :] == 0
            bias = (
                bias.expand(len(hidden), 1, -1, -1).masked_fill(hidden, float("-inf")).repeat(len(z), 1, 1, 1)
            )
        filled = F.pad(z, (0, right, 0, low))
        out = self.attn(_tiles(filled, side), bias)
        rows, columns = filled.shape[2] // side, filled.shape[3] // side
        out = out.reshape(-1, rows, columns, *out.shape[1:]).permute(0, 3, 1, 4, 2, 5)
        return out.reshape(len(z), -1, rows * side, columns * side)[:, :, :height, :width]

    def _bias(self) -> Tensor:
        """Bias of the score of two points of a window, (point, point), by rows and columns between them."""
        side = self.window
        steps = self.pos_embedding.unfold(0, side, 1).unfold(1, side, 1)
        return steps.flip(0, 1).reshape(side * side, side * side)


def _tiles(maps: Tensor, side: int) -> Tensor:
    """(batch, channel, h, w) → (batch · tile, channel, side, side), the tiles of a map beside each other."""
    batch, channels, height, width = maps.shape
    cut = maps.reshape(batch, channels, height // side, side, width // side, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, side, side)


class AttentionBlock(nn.Module):
    """What AlterNet has for a residual block: a 1×1 convolution and window attention, plus the input.

    With pre-activation BatchNorm and GELU come first, and BatchNorm again in front of the attention; without,
    BatchNorm follows both, and nothing follows the sum. Keys are those of the authors' code.
    """

    def __init__(self, channels: int, inner: int, heads: int, config: ModelConfig) -> None:
        super().__init__()
        self.preactivation = config.preactivation
        if config.preactivation:
            self.norm1, self.relu = nn.BatchNorm2d(channels), nn.GELU()
            self.conv: nn.Module = _point(channels, inner)
            self.norm2 = nn.BatchNorm2d(inner)
        else:
            self.conv = nn.Sequential(_point(channels, inner), nn.BatchNorm2d(inner), nn.GELU())
        self.attn = WindowAttention(inner, channels, heads, config)
        if not config.preactivation:
            self.norm = nn.BatchNorm2d(channels)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → the same shape."""
        if self.preactivation:
            return self.attn(self.norm2(self.conv(self.relu(self.norm1(z))))) + z
        return self.norm(self.attn(self.conv(z))) + z
