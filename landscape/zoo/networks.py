"""The three architectures, built from one configuration, keyed as in the public checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landscape.zoo.blocks import EXPANSION, ConvBlock, conv, residual_stage
from landscape.zoo.config import ModelConfig
from landscape.zoo.layers import Blur, MLPHead, Pool, activation, head, smooth_stage

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
VGG_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class CifarResNet(nn.Module):
    """Three-stage residual network of He et al. (2016), keys ``conv1, bn1, layer1…3, linear``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, blocks = config.width, (config.depth - 2) // 6
        channels = (width, 2 * width, 4 * width)
        self.preactivation = config.preactivation
        self.conv1 = conv(3, width)
        if not config.preactivation:
            self.bn1 = nn.BatchNorm2d(width)
        self.relu = activation(config.activation)
        in_channels = width
        for i, out in enumerate(channels, 1):
            stride = 1 if i == 1 else 2
            self.add_module(f"layer{i}", residual_stage("basic", in_channels, out, blocks, stride, config))
            self.add_module(f"smooth{i}", smooth_stage(config, i, out))
            in_channels = out
        if config.preactivation:
            self.bn = nn.BatchNorm2d(in_channels)
        if config.head == "mlp":
            self.pool: nn.Module = nn.AdaptiveAvgPool2d((7, 7))
            self.linear: nn.Module = MLPHead(in_channels * 49, config)
        else:
            self.pool = Pool(config.head)
            self.linear = nn.Linear(in_channels, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, h, w) → (batch, class)."""
        z = self.conv1(x)
        if not self.preactivation:
            z = self.relu(self.bn1(z))
        for i in (1, 2, 3):
            z = self.get_submodule(f"layer{i}")(z)
            z = self.get_submodule(f"smooth{i}")(z)
        if self.preactivation:
            z = self.relu(self.bn(z))
        return self.linear(self.pool(z))


class ResNet(nn.Module):
    """Four-stage residual network, keys ``layer0…layer4, smooth1…4, classifier`` as in Park & Kim's code."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        kind = "bottleneck" if config.depth >= 50 else "basic"
        width = config.width
        self.layer0 = self._stem(config)
        in_channels = width
        for i, count in enumerate(BLOCKS[config.depth], 1):
            channels = width * 2 ** (i - 1)
            stage = residual_stage(kind, in_channels, channels, count, 1 if i == 1 else 2, config)
            in_channels = channels * EXPANSION[kind]
            self.add_module(f"layer{i}", stage)
            self.add_module(f"smooth{i}", smooth_stage(config, i, in_channels))
        self.classifier = head(in_channels, config, norm=config.preactivation)

    @staticmethod
    def _stem(config: ModelConfig) -> nn.Sequential:
        imagenet = config.stem == "imagenet"
        layers: list[nn.Module] = [conv(3, config.width, 7, 2) if imagenet else conv(3, config.width)]
        if not config.preactivation:
            layers += [nn.BatchNorm2d(config.width), activation(config.activation)]
        if imagenet:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, h, w) → (batch, class)."""
        z = self.layer0(x)
        for i in (1, 2, 3, 4):
            z = self.get_submodule(f"layer{i}")(z)
            z = self.get_submodule(f"smooth{i}")(z)
        return self.classifier(z)


class VGG(nn.Module):
    """Five-stage VGG with BatchNorm, keys ``layer0…4, smooth0…4, classifier`` as in Park & Kim's code."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        in_channels = 3
        for i, count in enumerate(VGG_CONVOLUTIONS[config.depth]):
            channels = config.width * min(2**i, 8)
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if i else []
            for _ in range(count):
                layers.append(ConvBlock(in_channels, channels, config))
                in_channels = channels
            self.add_module(f"layer{i}", nn.Sequential(*layers))
            self.add_module(f"smooth{i}", smooth_stage(config, i + 1, channels))
        self.classifier = head(in_channels, config, halve=config.head == "mlp")

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, h, w) → (batch, class)."""
        z = x
        for i in range(5):
            z = self.get_submodule(f"layer{i}")(z)
            z = self.get_submodule(f"smooth{i}")(z)
        return self.classifier(z)


_ARCHITECTURES = {"cifar-resnet": CifarResNet, "resnet": ResNet, "vgg": VGG}


def skeleton(config: ModelConfig) -> nn.Module:
    """The network's names and shapes alone, on torch's meta device: no memory, no random numbers."""
    with torch.device("meta"):
        return _ARCHITECTURES[config.architecture](config)


def build(config: ModelConfig, *, seed: int = 0) -> nn.Module:
    """The network of a configuration, freshly initialised, in eval mode.

    Convolutions and the classifier of the pooling heads draw He-normal weights (fan in), the dense layers of
    the MLP head uniform ones in ±1/√fan in, torch's default and so the authors': thousands of positive inputs
    with He's larger weights leave a layer of dead units. They draw from a generator of their own, so that the
    global random state is neither read nor changed.

    Args:
        config: What to build.
        seed: Seed of the weights.
    """
    module = skeleton(config).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    in_mlp = {part for head in module.modules() if isinstance(head, MLPHead) for part in head.children()}
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and layer in in_mlp:
            bound = layer.in_features**-0.5
            for parameter in layer.parameters():
                nn.init.uniform_(parameter, -bound, bound, generator)
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | Blur):
            layer.reset_parameters()
    return module.eval()
