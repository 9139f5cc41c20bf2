"""Networks whose dropout is no layer of PyTorch's, each beside its masks written out."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLES, WIDTH = 7, 8


def data() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.standard_normal((SAMPLES, 8))), torch.from_numpy(rng.integers(0, 4, SAMPLES))


class Calling(nn.Module):
    """A layer whose forward is a function of itself and its input."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor], **attributes) -> None:
        super().__init__()
        self.function = function
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def flat(middle: nn.Module) -> nn.Module:
    """Features (n, 8) before and after the layer in question; twice differentiable."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, WIDTH), nn.Tanh(), middle, nn.Linear(WIDTH, 4)).double()


def sequence(middle: nn.Module, *, batch_first: bool = True) -> nn.Module:
    """Four steps of 8 features before the layer in question, the mean over steps after it."""
    torch.manual_seed(0)
    steps = torch.arange(1, 5).double() / 4

    def unrolled(_layer: nn.Module, x: Tensor) -> Tensor:
        each = steps.to(x.dtype)[:, None]
        return x[:, None] * each if batch_first else x * each[..., None]

    def mean(_layer: nn.Module, x: Tensor | tuple[Tensor, ...]) -> Tensor:
        x = x[0] if isinstance(x, tuple) else x
        return x.mean(1 if batch_first else 0)

    return nn.Sequential(Calling(unrolled), middle, Calling(mean), nn.Linear(8, 4)).double()


class DropPath(nn.Module):
    """Stochastic depth, one number a sample, in one of the ways in which people draw it."""

    def __init__(self, rate: float, how: str) -> None:
        super().__init__()
        self.rate, self.how = rate, how

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep, shape = 1 - self.rate, (len(x), *[1] * (x.dim() - 1))
        if self.how == "filled":
            return x * x.new_empty(shape).bernoulli_(keep).div_(keep)
        if self.how == "floor":
            return x / keep * (keep + torch.rand(shape, dtype=x.dtype)).floor_()
        if self.how == "compared":
            return x * (torch.rand(shape, dtype=torch.float64) < keep) / keep
        if self.how == "where":
            return torch.where(keep > torch.rand(shape, dtype=torch.float64), x / keep, torch.zeros_like(x))
        if self.how == "filled where dropped":
            return (x / keep).masked_fill(torch.rand(shape, dtype=torch.float64) >= keep, 0.0)
        if self.how == "inverted":
            return x / keep * ~(torch.rand(shape, dtype=torch.float64) >= keep)
        return x * torch.bernoulli(torch.full(shape, keep, dtype=torch.float64)) / keep


WAYS = ("filled", "floor", "compared", "where", "filled where dropped", "inverted", "drawn")


class Attention(nn.Module):
    """Self-attention as image models write it: `attn_drop` is asked for its rate, and never called."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.attn_drop = nn.Linear(8, 24), nn.Dropout(0.4)

    def forward(self, x: Tensor) -> Tensor:
        count, steps, _ = x.shape
        q, k, v = self.qkv(x).reshape(count, steps, 3, 2, 4).permute(2, 0, 3, 1, 4)
        rate = self.attn_drop.p if self.training else 0.0
        heads = F.scaled_dot_product_attention(q, k, v, dropout_p=rate)
        return heads.transpose(1, 2).reshape(count, steps, 8)


class MultiHead(nn.Module):
    def __init__(self, *, weights: bool, batch_first: bool = True) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.4, batch_first=batch_first)
        self.weights = weights

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=self.weights)[0]


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 8, 2, dropout=0.4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, [x.shape[1]] * len(x), batch_first=True)
        return nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


def functional(rate: float = 0.4) -> nn.Module:
    return Calling(lambda layer, x: F.dropout(x, rate, layer.training))


MASKED: dict[str, Callable[[], nn.Module]] = {
    "F.dropout": lambda: flat(functional()),
    "F.dropout in place": lambda: flat(Calling(lambda layer, x: F.dropout(x * 1, 0.4, layer.training, True))),
    "F.dropout when training": lambda: flat(Calling(lambda layer, x: F.dropout(x) if layer.training else x)),
    "F.dropout with a rate when training": lambda: flat(
        Calling(lambda layer, x: F.dropout(x, 0.4 if layer.training else 0.0))
    ),
    "F.dropout always": lambda: flat(Calling(lambda layer, x: F.dropout(x, 0.4))),
    "torch.dropout": lambda: flat(Calling(lambda layer, x: torch.dropout(x, 0.4, layer.training))),
    "native dropout": lambda: flat(Calling(lambda layer, x: torch.native_dropout(x, 0.4, layer.training)[0])),
    "a layer when training": lambda: flat(
        Calling(lambda layer, x: layer.drop(x) if layer.training else x, drop=nn.Dropout(0.4))
    ),
    "a dropped weight": lambda: flat(
        Calling(
            lambda layer, x: F.linear(x, F.dropout(layer.w, 0.4, layer.training)),
            w=nn.Parameter(torch.eye(WIDTH)),
        )
    ),
    "twice in a pass": lambda: flat(
        Calling(lambda layer, x: layer.drop(torch.tanh(layer.drop(x))), drop=functional())
    ),
    **{f"stochastic depth {way}": lambda way=way: flat(DropPath(0.4, way)) for way in WAYS},
    "fused attention": lambda: sequence(Attention()),
    "multi-head attention": lambda: sequence(MultiHead(weights=False)),
    "multi-head attention with weights": lambda: sequence(MultiHead(weights=True)),
    "steps first": lambda: sequence(MultiHead(weights=True, batch_first=False), batch_first=False),
    "transformer": lambda: sequence(nn.TransformerEncoderLayer(8, 2, 16, 0.4, batch_first=True)),
    "transformer, steps first": lambda: sequence(
        nn.TransformerEncoderLayer(8, 2, 16, 0.4), batch_first=False
    ),
    "LSTM": lambda: sequence(nn.LSTM(8, 8, 3, dropout=0.4, batch_first=True)),
    "LSTM, steps first": lambda: sequence(nn.LSTM(8, 8, 2, dropout=0.4), batch_first=False),
    "GRU both ways": lambda: sequence(nn.GRU(8, 4, 2, dropout=0.4, batch_first=True, bidirectional=True)),
    "RNN": lambda: sequence(nn.RNN(8, 8, 2, dropout=0.4, batch_first=True)),
    "LSTM with projections": lambda: sequence(nn.LSTM(8, 12, 2, dropout=0.4, batch_first=True, proj_size=8)),
}
"""Networks of which every dropout is masked."""
