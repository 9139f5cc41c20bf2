"""Gates behind the last convolution of residual blocks, keyed as in the authors' checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_REDUCTION = 16


class ChannelGate(nn.Module):
    """A factor from 0 to 1 for each channel, from its mean (Hu et al. 2018) and, if asked for, its maximum.

    The dense layers see each of the pooled values, and what they give is averaged, as in the authors' code.
    """

    initial = "uniform"

    def __init__(self, channels: int, *, maximum: bool) -> None:
        super().__init__()
        self.maximum = maximum
        hidden = max(1, channels // _REDUCTION)
        self.ff = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False)
        )

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → the same shape."""
        pooled = [z.mean((2, 3)), *([z.amax((2, 3))] if self.maximum else [])]
        scale = torch.sigmoid(self.ff(torch.stack(pooled, 1)).mean(1))
        return z * scale[:, :, None, None]


class SpatialGate(nn.Module):
    """A factor from 0 to 1 for each point, from mean and maximum over channels (Woo et al. 2018, eq. 3)."""

    def __init__(self, size: int = 7) -> None:
        super().__init__()
        self.ff = nn.Sequential(nn.Conv2d(2, 1, size, padding=size // 2, bias=False), nn.BatchNorm2d(1))

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → the same shape."""
        return z * torch.sigmoid(self.ff(torch.stack([z.mean(1), z.amax(1)], 1)))


def gate(kind: str, channels: int) -> nn.Module:
    """`se`, the channels' gate from means; or `cbam`, from both pooled values, and then the points' gate."""
    if kind == "se":
        return ChannelGate(channels, maximum=False)
    return nn.Sequential(ChannelGate(channels, maximum=True), SpatialGate())
