"""Convolutional networks of one configuration, keyed as in the public checkpoints, and how all begin."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landscape.zoo.blocks import EXPANSION, ConvBlock, conv, residual_stage
from landscape.zoo.config import ModelConfig
from landscape.zoo.families import BOTTLENECK
from landscape.zoo.layers import Blur, MLPHead, Pool, activation, head, smooth_stage
from landscape.zoo.transformers import Mixer, VisionTransformer

VGG_CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class CifarResNet(nn.Module):
    """Three-stage residual network of He et al. (2016), keys ``conv1, bn1, layer1…3, linear``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        channels = (width, 2 * width, 4 * width)
        self.preactivation = config.preactivation
        self.conv1 = conv(3, width)
        if not config.preactivation:
            self.bn1 = nn.BatchNorm2d(width)
        self.relu = activation(config.activation)
        in_channels = width
        for i, out in enumerate(channels, 1):
            self.add_module(f"layer{i}", residual_stage("basic", in_channels, out, i, config))
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
        kind = "bottleneck" if config.depth >= BOTTLENECK else "basic"
        width = config.width
        self.layer0 = self._stem(config)
        in_channels = width
        for i in range(1, config.stages + 1):
            channels = width * 2 ** (i - 1)
            stage = residual_stage(kind, in_channels, channels, i, config)
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


class ConvNet(nn.Module):
    """Stages of plain convolutions, keys ``layer0…, smooth0…, classifier`` as in Park & Kim's code.

    VGG with BatchNorm has five stages, AlexNet three without.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.stages = config.stages
        in_channels, pool = 3, 3 if config.stem == "imagenet" else 2
        for i, row in enumerate(_vgg(config) if config.architecture == "vgg" else _alexnet(config)):
            layers: list[nn.Module] = [nn.MaxPool2d(pool, stride=2)] if i else []
            for channels, size, stride, pad in row:
                layers.append(ConvBlock(in_channels, channels, config, size=size, stride=stride, pad=pad))
                in_channels = channels
            self.add_module(f"layer{i}", nn.Sequential(*layers))
            self.add_module(f"smooth{i}", smooth_stage(config, i + 1, in_channels))
        side = 7 if config.architecture == "vgg" else 6 if config.stem == "imagenet" else 2
        self.classifier = head(in_channels, config, pool=pool, side=side)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, h, w) → (batch, class)."""
        z = x
        for i in range(self.stages):
            z = self.get_submodule(f"layer{i}")(z)
            z = self.get_submodule(f"smooth{i}")(z)
        return self.classifier(z)


Row = list[tuple[int, int, int, int]]
"""Channels, size, stride and padding of the convolutions of a stage."""


def _vgg(config: ModelConfig) -> list[Row]:
    counts = VGG_CONVOLUTIONS[config.depth]
    return [[(config.width * min(2**i, 8), 3, 1, 1)] * count for i, count in enumerate(counts)]


def _alexnet(config: ModelConfig) -> list[Row]:
    width = config.width
    first = (11, 4, 2) if config.stem == "imagenet" else (3, 2, 1)
    last = [(6 * width, 3, 1, 1), (4 * width, 3, 1, 1), (4 * width, 3, 1, 1)]
    return [[(width, *first)], [(3 * width, 5, 1, 2)], last]


_ARCHITECTURES: dict[str, type[nn.Module]] = {
    "cifar-resnet": CifarResNet,
    "resnet": ResNet,
    "vgg": ConvNet,
    "alexnet": ConvNet,
    "vit": VisionTransformer,
    "mixer": Mixer,
}


def skeleton(config: ModelConfig) -> nn.Module:
    """The network's names and shapes alone, on torch's meta device: no memory, no random numbers."""
    with torch.device("meta"):
        return _ARCHITECTURES[config.architecture](config)


def build(config: ModelConfig, *, seed: int = 0) -> nn.Module:
    """The network of a configuration, freshly initialised, in eval mode.

    Convolutions and the classifier of the pooling heads draw He-normal weights (fan in). The dense layers of
    the MLP head, gates and attention in maps draw uniform ones in ±1/√fan in, torch's default and so the
    authors': thousands of positive inputs with He's larger weights leave a layer of dead units, and scores of
    such queries and keys saturate the softmax. Transformers and mixers draw normal ones of 0.02, cut off at
    ±0.04, as do embeddings, but for the patches', which keep the variance of the image. All draw from a
    generator of their own, so that the global random state is neither read nor changed.

    Args:
        config: What to build.
        seed: Seed of the weights.
    """
    module = skeleton(config).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    ways = {
        layer: part.initial
        for part in module.modules()
        if hasattr(part, "initial")
        for layer in part.modules()
    }
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            _draw(layer, str(ways.get(layer, "he")), generator)
        elif isinstance(layer, nn.BatchNorm2d | nn.LayerNorm | Blur):
            layer.reset_parameters()
        else:
            for embedding in layer.parameters(recurse=False):
                nn.init.trunc_normal_(
                    embedding, std=_NARROW, a=-2 * _NARROW, b=2 * _NARROW, generator=generator
                )
    return module.eval()


_NARROW = 0.02


def _draw(layer: nn.Conv1d | nn.Conv2d | nn.Linear, way: str, generator: torch.Generator) -> None:
    """Weights of one layer; biases are zero but for the uniform way."""
    fan_in = layer.weight[0].numel()
    if way == "uniform":
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5, generator)
        return
    if way == "he":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    else:
        std = fan_in**-0.5 if isinstance(layer, nn.Conv2d) else _NARROW
        nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
