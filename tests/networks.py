"""Small networks of the kinds that people bring: healthy ones, and ones that no number can be had of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

FEATURES, CLASSES, COUNT = 6, 3, 12


def data(count: int = COUNT) -> tuple[Tensor, Tensor]:
    """Inputs (sample, feature) and classes."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, FEATURES, generator=generator), torch.arange(count) % CLASSES


def images(count: int = COUNT, size: int = 8) -> tuple[Tensor, Tensor]:
    """Inputs (sample, 3, size, size) and classes."""
    generator = torch.Generator().manual_seed(3)
    return torch.rand(count, 3, size, size, generator=generator), torch.arange(count) % CLASSES


class Shared(nn.Module):
    """One layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(FEATURES, FEATURES)
        self.encoder = nn.Sequential(self.first, nn.Tanh())
        self.decoder = nn.Sequential(self.first, nn.Tanh(), nn.Linear(FEATURES, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class Tied(nn.Module):
    """One weight in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, FEATURES)
        self.b.weight = self.a.weight
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.b(torch.tanh(self.a(x)))))


class InAList(nn.Module):
    """Weights that are used through a list of tuples."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(FEATURES, 5), nn.Linear(5, CLASSES)])
        self.pairs = [(layer.weight, layer.bias) for layer in self.layers]

    def forward(self, x: Tensor) -> Tensor:
        (w, b), (v, c) = self.pairs
        return F.linear(torch.tanh(F.linear(x, w, b)), v, c)


class Recurrent(nn.Module):
    """Layers that keep a list of their weights."""

    def __init__(self, kind: type[nn.RNNBase] = nn.LSTM) -> None:
        super().__init__()
        self.layer, self.head = kind(FEATURES, 4, 2, batch_first=True), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        steps = x[:, None] * torch.arange(1, 4).to(x)[:, None]
        return self.head(self.layer(steps)[0][:, -1])


class Lazily(nn.Module):
    """A value computed from a weight is kept for the next pass."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Linear(FEATURES, FEATURES, bias=False), nn.Linear(FEATURES, CLASSES)
        self.unit: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.unit is None:
            self.unit = self.a.weight / self.a.weight.norm()
        return self.head(torch.tanh(F.linear(x, self.unit)))


class Recomputed(nn.Module):
    """A segment under activation checkpointing."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(FEATURES, 5), nn.Linear(5, 5), nn.Linear(5, CLASSES)
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        z = torch.tanh(self.a(x))
        if self.reentrant is None:
            return self.c(torch.tanh(self.b(z)))
        return self.c(checkpoint(lambda z: torch.tanh(self.b(z)), z, use_reentrant=self.reentrant))


class Gate(nn.Module):
    """BatchNorm that some batches skip."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, CLASSES)
        self.skips = lambda x: False

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        z = z if self.skips(x) else self.norm(z)
        return self.head(z.tanh().mean((2, 3)))


class Flat(nn.Module):
    """`view` after a convolution, as most code for CIFAR-10 has it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.conv(x)).view(x.size(0), -1))


class Inplace(nn.Module):
    """The inputs are changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2)
        return self.head(x)


def normed(kind: str) -> nn.Module:
    """Weights behind a reparametrisation by hooks, by `parametrize`, or under a pruning mask."""
    layer = nn.Linear(FEATURES, 5)
    if kind == "weight_norm by hooks":
        layer = nn.utils.weight_norm(layer)
    elif kind == "spectral_norm by hooks":
        layer = nn.utils.spectral_norm(layer)
    elif kind == "weight_norm":
        layer = parametrizations.weight_norm(layer)
    elif kind == "pruned":
        prune.l1_unstructured(layer, "weight", amount=0.4)
    return nn.Sequential(layer, nn.Tanh(), nn.Linear(5, CLASSES))


HEALTHY = {
    "plain": lambda: nn.Sequential(nn.Linear(FEATURES, 5), nn.Tanh(), nn.Linear(5, CLASSES)),
    "a layer under two names": Shared,
    "a layer twice in a row": lambda: nn.Sequential(
        *(2 * [nn.Linear(FEATURES, FEATURES), nn.Tanh()]), nn.Linear(FEATURES, CLASSES)
    ),
    "a weight in two layers": Tied,
    "weights in a list": InAList,
    "LSTM": Recurrent,
    "GRU": lambda: Recurrent(nn.GRU),
    "a computed weight kept": Lazily,
    "checkpointing": lambda: Recomputed(False),
    "reentrant checkpointing": lambda: Recomputed(True),
    "inputs changed in place": Inplace,
    **{
        kind: lambda kind=kind: normed(kind)
        for kind in ("weight_norm by hooks", "spectral_norm by hooks", "weight_norm", "pruned")
    },
}
"""Networks from `data` to logits that every analysis must be right for."""


class Closure(nn.Module):
    """A weight that is used through a function made before."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, CLASSES)
        weight = self.a.weight
        self.apply_weight = lambda x: F.linear(x, weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.apply_weight(x)))


class Holder:
    """An object that is no module."""

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight


class Elsewhere(nn.Module):
    """A weight that is used through another object."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.head = nn.Linear(FEATURES, FEATURES), nn.Linear(FEATURES, CLASSES)
        self.holder = Holder(self.a.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(F.linear(x, self.holder.weight)))


class Buffered(nn.Module):
    """Weights that are views of one flat parameter, made before."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.head = nn.Parameter(torch.randn(FEATURES * 5)), nn.Linear(5, CLASSES)
        self.weight = self.flat.detach().view(5, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(F.linear(x, self.weight)))


class Writing(nn.Module):
    """The weights are changed as the network runs."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.a.weight.div_(self.a.weight.norm())
        return self.a(x)


def cached() -> nn.Module:
    """A computed weight that an earlier pass has left behind."""
    module = Lazily()
    module(data()[0])
    return module


IMMOVABLE = {
    "a closure": (Closure, "a.weight"),
    "another object": (Elsewhere, "a.weight"),
    "views of a flat parameter": (Buffered, "flat"),
    "a cached value": (cached, "unit"),
    "weights written to": (Writing, "changes its weights"),
}
"""Networks that do not compute with the weights they are handed, and what the message names."""


class Doubled(torch.autograd.Function):
    """The identity, with twice its gradient."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return 2 * gradient


class Cut(torch.autograd.Function):
    """The square, with a backward that a second derivative does not see through."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * 2 * ctx.saved_tensors[0].detach()


class Middle(nn.Module):
    """Two layers, and something between them."""

    def __init__(self, between) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(FEATURES, 5), nn.Linear(5, CLASSES)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.between(torch.tanh(self.a(x))))


UNDIFFERENTIABLE = {
    "a wrong backward": lambda: Middle(Doubled.apply),
    "a detach beside": lambda: Middle(lambda z: z + z.square().detach()),
    "a straight-through estimator": lambda: Middle(lambda z: z + (z.round() - z).detach()),
}
"""Networks whose gradient is not the derivative of their loss."""

CUT = {"a detach in a backward": lambda: Middle(Cut.apply)}
"""Networks whose gradient is right, and whose Hessian–vector products are not."""
