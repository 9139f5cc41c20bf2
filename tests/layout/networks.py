"""Tiny networks in the styles of others: windows, folds, extra tokens, channels last, other heads."""

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """One head, over tokens of shape (batch, n, channel)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return (q @ k.transpose(-2, -1) / 4).softmax(-1) @ v


class Block(nn.Module):
    """Attention and MLP over tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), Attention(width)
        self.norm2, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, width), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Windowed(nn.Module):
    """As Swin: maps with the channel last, attention in windows of a map that is rolled first."""

    def __init__(self, width: int = 8, window: int = 4, roll: int = 1) -> None:
        super().__init__()
        self.patch, self.window, self.roll = nn.Conv2d(3, width, 2, 2), window, roll
        self.block, self.head = Block(width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).permute(0, 2, 3, 1).roll((-self.roll, -self.roll), (1, 2))
        b, h, w, c = x.shape
        n = self.window
        x = x.view(b, h // n, n, w // n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, c)
        x = self.block(x)
        x = x.view(b, h // n, w // n, n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return self.head(x.roll((self.roll, self.roll), (1, 2)).mean((1, 2)))


class Folded(nn.Module):
    """As MobileViT: pixels at the same place of every patch attend to each other."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, width, 3, 2, 1), Block(width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        b, c, h, w = x.shape
        x = x.reshape(b * c * (h // 2), 2, w // 2, 2).transpose(1, 2)
        x = x.reshape(b, c, h * w // 4, 4).transpose(1, 3).reshape(b * 4, h * w // 4, c)
        x = self.block(x)
        x = x.reshape(b, 4, h * w // 4, c).transpose(1, 3).reshape(b * c * (h // 2), w // 2, 2, 2)
        return self.head(x.transpose(1, 2).reshape(b, c, h, w).mean((2, 3)))


class Registers(nn.Module):
    """A class token and registers in front of the patches."""

    def __init__(self, extra: int, width: int = 8) -> None:
        super().__init__()
        self.patch, self.tokens = nn.Conv2d(3, width, 4, 4), nn.Parameter(torch.ones(1, extra, width))
        self.blocks, self.head = nn.Sequential(Block(width), Block(width)), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.blocks(torch.cat([self.tokens.expand(len(x), -1, -1), x], 1))
        return self.head(x.mean(1))


class Permute(nn.Module):
    """As torchvision's."""

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)


class LastBlock(nn.Module):
    """Channel last in and out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.dense = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.dense(self.norm(x))


class ChannelsLast(nn.Module):
    """Two stages with the channel last, subsampled as Swin merges its patches."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 2, 2)
        self.stage1, self.merge = (
            nn.Sequential(LastBlock(width), LastBlock(width)),
            nn.Linear(4 * width, width),
        )
        self.stage2, self.head = nn.Sequential(LastBlock(width), LastBlock(width)), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage1(self.patch(x).permute(0, 2, 3, 1))
        x = self.merge(torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1))
        return self.head(self.stage2(x).mean((1, 2)))


class Fire(nn.Module):
    """As SqueezeNet's."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.squeeze, self.expand = nn.Conv2d(before, width, 1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(self.squeeze(x).relu()).relu()


def squeeze_style() -> nn.Sequential:
    """A convolution to the classes, then pooling: the head is convolutional."""
    features = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Fire(4, 4), Fire(4, 4), nn.MaxPool2d(2), Fire(4, 6))
    classifier = nn.Sequential(nn.Dropout(0.0), nn.Conv2d(6, 5, 1), nn.Identity(), nn.AdaptiveAvgPool2d(1))
    found = nn.Sequential()
    for name, part in (("features", features), ("classifier", classifier), ("flat", nn.Flatten())):
        found.add_module(name, part)
    return found


def vgg_style() -> nn.Sequential:
    """Convolutions and pooling in one row, dense layers behind."""
    rows = [[nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)] for a, b in ((3, 4), (4, 6), (6, 6))]
    found = nn.Sequential()
    found.add_module("features", nn.Sequential(*[layer for row in rows for layer in row]))
    found.add_module("classifier", nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 5)))
    return found


class DenseLayer(nn.Module):
    """As DenseNet's: gives its new channels alone."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(before, growth, 1), nn.Conv2d(growth, growth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x).relu())


class DenseBlock(nn.ModuleDict):
    """Runs its children itself and joins what they give."""

    def __init__(self, before: int, growth: int) -> None:
        super().__init__({f"layer{i}": DenseLayer(before + i * growth, growth) for i in (0, 1)})

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.values():
            x = torch.cat([x, layer(x)], 1)
        return x


def dense_style() -> nn.Sequential:
    """Two dense blocks with a transition between."""
    found = nn.Sequential()
    for name, part in (
        ("conv0", nn.Conv2d(3, 4, 3, padding=1)),
        ("denseblock1", DenseBlock(4, 2)),
        ("transition1", nn.Sequential(nn.Conv2d(8, 4, 1), nn.AvgPool2d(2, 2))),
        ("denseblock2", DenseBlock(4, 2)),
        ("pool", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
        ("classifier", nn.Linear(8, 5)),
    ):
        found.add_module(name, part)
    return found


class Gated(nn.Module):
    """Runs its branch only where a batch is bright, which layers cannot know."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        bright = bool(x.mean() > 0)
        x = self.stem(x)
        return self.head((self.branch(x) if bright else x).mean((2, 3)))
