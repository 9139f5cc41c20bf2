"""Residual blocks, post- and pre-activation, keyed as in the public checkpoints."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from landscape.zoo.attention import AttentionBlock
from landscape.zoo.config import ModelConfig
from landscape.zoo.gates import gate
from landscape.zoo.layers import activation


def conv(in_channels: int, out_channels: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the map's size at stride 1."""
    return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2, groups=groups, bias=False)


class PadShortcut(nn.Module):
    """Option A of He et al.: subsample, and pad the new channels with zeros on both sides."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, z: Tensor) -> Tensor:
        """(batch, in, h, w) → (batch, out, ⌈h/stride⌉, ⌈w/stride⌉)."""
        return F.pad(z[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def shortcut(in_channels: int, out_channels: int, stride: int, option: str) -> nn.Sequential:
    """The residual block's shortcut; empty (the identity) where the shapes agree."""
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential()
    if option == "A":
        return nn.Sequential(PadShortcut(in_channels, out_channels, stride))
    layers: list[nn.Module] = [conv(in_channels, out_channels, 1, stride)]
    if option == "B":
        layers.append(nn.BatchNorm2d(out_channels))
    return nn.Sequential(*layers)


def mc_dropout(config: ModelConfig) -> nn.Module:
    """The block's MC-dropout layer, or nothing for a deterministic network."""
    return nn.Dropout(config.dropout) if config.dropout else nn.Identity()


def _plan(
    kind: str, in_channels: int, channels: int, stride: int, config: ModelConfig
) -> list[tuple[int, int, int, int, int]]:
    """(in, out, size, stride, groups) of the block's convolutions."""
    if kind == "basic":
        return [(in_channels, channels, 3, stride, 1), (channels, channels, 3, 1, 1)]
    inner = channels * config.widening
    middle = (inner, inner, 3, stride, config.cardinality)
    return [(in_channels, inner, 1, 1, 1), middle, (inner, 4 * channels, 1, 1, 1)]


EXPANSION = {"basic": 1, "bottleneck": 4}


class ResidualBlock(nn.Module):
    """Convolution–BatchNorm–activation twice (`basic`) or three times (`bottleneck`), plus the shortcut.

    MC dropout sits before the last convolution, after its activation; a gate before the sum.
    """

    preactivation = False

    def __init__(self, kind: str, in_channels: int, channels: int, stride: int, config: ModelConfig) -> None:
        super().__init__()
        convolutions = _plan(kind, in_channels, channels, stride, config)
        self.count = len(convolutions)
        self.shortcut = shortcut(in_channels, channels * EXPANSION[kind], stride, config.shortcut)
        for i, (wide_in, wide_out, size, step, groups) in enumerate(convolutions, 1):
            self.add_module(f"conv{i}", conv(wide_in, wide_out, size, step, groups))
            self.add_module(f"bn{i}", nn.BatchNorm2d(wide_in if self.preactivation else wide_out))
            self.add_module(f"relu{i}", activation(config.activation))
        self.dropout = mc_dropout(config)
        self.gated = bool(config.gate)
        if self.gated:
            self.gate = gate(config.gate, channels * EXPANSION[kind])

    def forward(self, z: Tensor) -> Tensor:
        """(batch, in, h, w) → (batch, out, ⌈h/stride⌉, ⌈w/stride⌉)."""
        skip = self.shortcut(z)
        for i in range(1, self.count + 1):
            if i == self.count:
                z = self.dropout(z)
            z = self._part("bn", i)(self._part("conv", i)(z))
            if i == self.count:
                z = (self.gate(z) if self.gated else z) + skip
            z = self._part("relu", i)(z)
        return z

    def _part(self, name: str, i: int) -> nn.Module:
        return self.get_submodule(f"{name}{i}")


class PreactivationBlock(ResidualBlock):
    """BatchNorm–activation–convolution; a shortcut that is not the identity sees the activated map too."""

    preactivation = True

    def forward(self, z: Tensor) -> Tensor:
        """(batch, in, h, w) → (batch, out, ⌈h/stride⌉, ⌈w/stride⌉)."""
        activated = self._part("relu", 1)(self._part("bn", 1)(z))
        skip = self.shortcut(activated if len(self.shortcut) else z)
        out = self._part("conv", 1)(activated)
        for i in range(2, self.count + 1):
            out = self._part("relu", i)(self._part("bn", i)(out))
            if i == self.count:
                out = self.dropout(out)
            out = self._part("conv", i)(out)
        return (self.gate(out) if self.gated else out) + skip


def residual_stage(
    kind: str, in_channels: int, channels: int, stage: int, config: ModelConfig
) -> nn.Sequential:
    """The blocks of a stage, from 1; some may attend, and all stages but the first begin with stride 2."""
    block = PreactivationBlock if config.preactivation else ResidualBlock
    out = channels * EXPANSION[kind]
    blocks: list[nn.Module] = []
    for i in range(config.stage_blocks[stage - 1]):
        if config.attends(stage, i):
            blocks.append(AttentionBlock(out, channels, config.heads << (stage - 1), config))
        else:
            stride = 2 if i == 0 and stage > 1 else 1
            blocks.append(block(kind, in_channels if i == 0 else out, channels, stride, config))
    return nn.Sequential(*blocks)


class ConvBlock(nn.Module):
    """Unit of VGG and AlexNet: convolution–BatchNorm–activation–dropout, or pre-activated with dropout last.

    AlexNet has no BatchNorm.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        config: ModelConfig,
        *,
        size: int = 3,
        stride: int = 1,
        pad: int = 1,
    ) -> None:
        super().__init__()
        self.preactivation = config.preactivation
        self.conv = nn.Conv2d(in_channels, channels, size, stride, padding=pad, bias=False)
        self.normed = config.architecture != "alexnet"
        if self.normed:
            self.bn = nn.BatchNorm2d(in_channels if config.preactivation else channels)
        self.relu = activation(config.activation)
        self.dropout = mc_dropout(config)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, in, h, w) → (batch, out, h, w), subsampled by the stride."""
        if self.preactivation:
            return self.dropout(self.conv(self.relu(self.bn(z))))
        z = self.conv(z)
        return self.dropout(self.relu(self.bn(z) if self.normed else z))
