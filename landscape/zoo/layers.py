"""The layers that the zoo adds to torch's: Prob, Blur, and the heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.dropout import OrdinaryDropout
from landscape.zoo.config import ModelConfig
from landscape.zoo.smoothing import Smoothing


def activation(name: str) -> nn.Module:
    """`relu` or `relu6` as a module."""
    return nn.ReLU6() if name == "relu6" else nn.ReLU()


class Prob(nn.Module):
    """Bounds a feature map before it is blurred (Park & Kim 2022, eq. 6–8); elementwise, any shape."""

    def __init__(self, kind: str, temperature: float) -> None:
        super().__init__()
        self.kind = kind
        self.temperature = temperature

    def forward(self, z: Tensor) -> Tensor:
        """Elementwise: ReLU(τ·tanh(z/τ)), min(max(z, 0), 6), z/τ, or z."""
        if self.kind == "tanh":
            return F.relu(self.temperature * torch.tanh(z / self.temperature))
        if self.kind == "relu6":
            return F.relu6(z)
        return z / self.temperature if self.kind == "scale" else z

    def extra_repr(self) -> str:
        """Shown inside the module's repr."""
        return f"{self.kind}, temperature={self.temperature:g}"


class Blur(nn.Module):
    """Depth-wise blur with the fixed kernel k kᵀ/‖k‖₁², zero padding counted.

    The kernel is a persistent buffer named `filter`, as in the authors' checkpoints. Odd kernels keep the
    size of the map. The even 2×2 box is `BoxBlur`.
    """

    filter: Tensor

    def __init__(self, channels: int, kernel: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = channels
        self.kernel = kernel
        self.register_buffer("filter", torch.empty(channels, 1, len(kernel), len(kernel)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the kernel in."""
        k = torch.tensor(self.kernel, dtype=torch.float64)
        square = torch.outer(k, k) / k.sum() ** 2
        with torch.no_grad():
            self.filter.copy_(square.expand_as(self.filter))

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → the same shape."""
        return F.conv2d(z, self.filter.to(z.dtype), padding=len(self.kernel) // 2, groups=self.channels)

    def extra_repr(self) -> str:
        """Shown inside the module's repr."""
        return f"{self.kernel}"


class BoxBlur(nn.Module):
    """The paper's default 2×2 box: average pooling at stride 1, so that the map grows by one pixel."""

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → (batch, channel, h + 1, w + 1)."""
        return F.avg_pool2d(z, 2, stride=1, padding=1)


class Smooth(nn.Module):
    """Smooth(z) = Blur(Prob(z)) (Park & Kim 2022, eq. 5)."""

    def __init__(self, channels: int, smoothing: Smoothing) -> None:
        super().__init__()
        self.prob = Prob(smoothing.prob, smoothing.temperature)
        kernel = smoothing.kernel
        if kernel == (1,):
            self.blur: nn.Module = nn.Identity()
        else:
            self.blur = BoxBlur() if kernel == (1, 1) else Blur(channels, kernel)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → the same, or one pixel larger for the box."""
        return self.blur(self.prob(z))


def smooth_stage(config: ModelConfig, stage: int, channels: int) -> nn.Sequential:
    """The smoothing layer at the end of a stage (from 1), empty where the configuration has none."""
    if config.smoothing is None or stage not in config.smoothed_stages:
        return nn.Sequential()
    return nn.Sequential(Smooth(channels, config.smoothing))


class Pool(nn.Module):
    """Global pooling of a map to one value a channel: mean, max, or median as topk(n/2)."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → (batch, channel)."""
        if self.kind == "gap":
            return z.mean((2, 3))
        flat = z.flatten(2)
        if self.kind == "max":
            return flat.amax(2)
        # The authors' median: the smallest of the upper half.
        return flat.topk(max(1, flat.shape[2] // 2), dim=2).values[:, :, -1]

    def extra_repr(self) -> str:
        """Shown inside the module's repr."""
        return self.kind


class GlobalPoolHead(nn.Module):
    """Optional BatchNorm and activation (pre-activation networks), global pooling, linear classifier."""

    def __init__(self, channels: int, config: ModelConfig, *, norm: bool) -> None:
        super().__init__()
        if norm:
            self.bn = nn.BatchNorm2d(channels)
            self.relu = activation(config.activation)
        self.norm = norm
        self.pool = Pool(config.head)
        self.dense = nn.Linear(channels, config.classes)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) → (batch, class)."""
        if self.norm:
            z = self.relu(self.bn(z))
        return self.dense(self.pool(z))


class MLPHead(nn.Module):
    """Three dense layers with ordinary dropout on a small map, as in the paper's VGG and AlexNet."""

    initial = "uniform"

    def __init__(self, features: int, config: ModelConfig) -> None:
        super().__init__()
        self.dense1 = nn.Linear(features, config.hidden)
        self.relu1 = activation(config.activation)
        self.dropout1 = OrdinaryDropout(config.head_dropout)
        self.dense2 = nn.Linear(config.hidden, config.hidden)
        self.relu2 = activation(config.activation)
        self.dropout2 = OrdinaryDropout(config.head_dropout)
        self.dense3 = nn.Linear(config.hidden, config.classes)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, side, side) → (batch, class)."""
        z = self.dropout1(self.relu1(self.dense1(z.flatten(1))))
        return self.dense3(self.dropout2(self.relu2(self.dense2(z))))


def head(
    channels: int, config: ModelConfig, *, norm: bool = False, pool: int = 0, side: int = 7
) -> nn.Sequential:
    """The classifier, keyed as in the authors' checkpoints.

    Args:
        channels: Channels of the last map.
        config: Says which head.
        norm: Whether BatchNorm and an activation come first (pre-activation ResNets).
        pool: Side of the max pooling at stride 2 before the MLP head (VGG, AlexNet); 0 is none.
        side: Of the map that the MLP head reads.
    """
    if config.head != "mlp":
        return nn.Sequential(GlobalPoolHead(channels, config, norm=norm))
    before: list[nn.Module] = []
    if norm:
        before += [nn.BatchNorm2d(channels), activation(config.activation)]
    if pool:
        before.append(nn.MaxPool2d(pool, stride=2))
    return nn.Sequential(*before, nn.AdaptiveAvgPool2d((side, side)), MLPHead(channels * side**2, config))
