"""Networks of every kind of symmetry, small, with random weights, and permuted copies of them."""

import torch
from torch import Tensor, nn

from landscape.connectivity import Copy, symmetry
from tests import build
from tests.cases import randomised


class Grouped(nn.Module):
    """Convolutions in groups and by channel, with a residual sum around them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.wide = nn.Conv2d(8, 12, 1)
        self.groups = nn.Conv2d(12, 6, 3, padding=1, groups=3)
        self.back = nn.Conv2d(6, 8, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.relu(self.first(self.stem(x)))
        z = z + self.back(torch.relu(self.groups(torch.relu(self.wide(z)))))
        return self.head(torch.relu(self.depthwise(z)).mean((2, 3)))


class Attending(nn.Module):
    """PyTorch's own multi-head attention, with positions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 12, 4, stride=4)
        self.positions = nn.Parameter(torch.zeros(1, 4, 12))
        self.norm, self.attention = nn.LayerNorm(12), nn.MultiheadAttention(12, 3, batch_first=True)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        z = self.embed(x).flatten(2).mT + self.positions
        y = self.norm(z)
        z = z + self.attention(y, y, y, need_weights=False)[0]
        return self.head(z.mean(1))


class Split(nn.Module):
    """Half of the channels is a gate of the other half, and a part is passed on unchanged."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(12, 12), nn.Linear(6, 8), nn.Linear(4, 5)
        self.head = nn.Linear(9, 4)

    def forward(self, x: Tensor) -> Tensor:
        a, gate = self.one(x.flatten(1)[:, :12]).chunk(2, 1)
        z = self.two(a * torch.sigmoid(gate))
        return self.head(torch.cat([z[:, :4], torch.tanh(self.three(z[:, 4:]))], 1))


def sequential() -> nn.Module:
    """A user's own network, flattened in front of its dense layers."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 3, padding=1)),
        *(nn.GroupNorm(1, 5), nn.GELU(), nn.Flatten(), nn.Linear(80, 7), nn.Tanh(), nn.Linear(7, 4)),
    )


NETWORKS = {
    "resnet20": lambda: build.zoo("cifar-resnet20:width=4"),
    "resnet20-B": lambda: build.zoo("cifar-resnet20:width=4,shortcut=B,kernel=1-2-1"),
    "preresnet20": lambda: build.zoo("cifar-preresnet20:width=4"),
    "vgg11": lambda: build.zoo("vgg11:width=4,head=gap"),
    "vit": lambda: build.zoo("vit2:width=12,heads=3,image=8,patch=4"),
    "mixer": lambda: build.zoo("mixer2:width=12,image=8,patch=4"),
    "sequential": sequential,
    "grouped": Grouped,
    "attention": Attending,
    "split": Split,
}


def objective(name: str, count: int = 32):
    """A network in float64 with random weights over random images."""
    size = 32 if name == "vgg11" else 8
    return build.objective(randomised(NETWORKS[name](), seed=3), count=count, size=size, classes=4)


def with_copy(name: str, seed: int = 5):
    """An objective, its symmetry, and its copy with every unit in another place."""
    one = objective(name)
    found = symmetry(one)
    return one, found, Copy.of(one).permuted(found, found.random(seed))
