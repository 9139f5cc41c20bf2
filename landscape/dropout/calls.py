"""Functions that draw masks, seen while a network runs and handed to whoever draws them."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

ATTENTION = "attention's dropout"
NUMBERS = frozenset(("bernoulli", "bernoulli_", "torch.rand", "torch.rand_like", "uniform_"))
"""Kinds of calls that draw random numbers, for masks or for something else."""


class Draws(Protocol):
    """Who draws. Each method may answer NotImplemented: the call then goes its usual way."""

    def dropout(self, kind: str, values: Tensor, shape: torch.Size, rate: float, *, inplace: bool) -> Any:
        """`values` under a mask of this shape."""

    def bernoulli(self, kind: str, probability: Tensor | float, into: Tensor) -> Any:
        """`into` filled with ones at this probability, with zeros else."""

    def uniform(self, kind: str, into: Tensor) -> Any:
        """`into` filled with numbers from [0, 1)."""

    def unsupported(self, kind: str) -> None:
        """Learn that a call's masks cannot be drawn."""

    def refused(self, kind: str) -> None:
        """Learn of dropout that is more than a mask."""


class Calls(TorchFunctionMode):
    """While open, hands calls that draw masks to `draws`."""

    def __init__(self, draws: Draws) -> None:
        """Say who draws."""
        super().__init__()
        self.draws = draws

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Hand the call over if it draws masks and is not declined; pass everything else on."""
        kwargs = kwargs or {}
        handler = _HANDLERS.get(func)
        result = handler(self.draws, func, *args, **kwargs) if handler else NotImplemented
        return self.ordinary(func, args, kwargs) if result is NotImplemented else result

    def ordinary(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Every other call."""
        return func(*args, **kwargs)


def _dropout(
    draws: Draws,
    func: Any,
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    kind: str = "F.dropout",
    single: int = -1,
    train: bool | None = None,
) -> Any:
    """Dropout of elements; of channels where `single` says how many dimensions an unbatched input has."""
    if not p:
        return NotImplemented
    shape = input.shape
    if single >= 0:
        kept = 1 if input.dim() == single else 2
        shape = torch.Size([*shape[:kept], *(1 for _ in shape[kept:])])
    return draws.dropout(kind, input, shape, p, inplace=inplace)


def _native(draws: Draws, func: Any, input: Tensor, p: float, train: bool | None) -> Any:
    found = _dropout(draws, func, torch.ones_like(input), p, kind="native_dropout")
    return found if found is NotImplemented else (input * found, found != 0)


def _alpha(
    draws: Draws, func: Any, input: Tensor, p: float = 0.5, *args: Any, kind: str, **kwargs: Any
) -> Any:
    if p:
        draws.refused(kind)
    return NotImplemented


def _bernoulli(draws: Draws, func: Any, input: Tensor, p: Any = None, **kwargs: Any) -> Any:
    into = torch.empty_like(input).detach()
    return draws.bernoulli("bernoulli", input if p is None else p, into)


def _bernoulli_(draws: Draws, func: Any, self: Tensor, p: Any = 0.5, **kwargs: Any) -> Any:
    return draws.bernoulli("bernoulli_", p, self)


def _rand(draws: Draws, func: Any, *args: Any, generator: Any = None, **kwargs: Any) -> Any:
    return draws.uniform("torch.rand", torch.empty(*args, **kwargs))


def _rand_like(draws: Draws, func: Any, *args: Any, generator: Any = None, **kwargs: Any) -> Any:
    return draws.uniform("torch.rand_like", torch.empty_like(*args, **kwargs))


def _uniform_(draws: Draws, func: Any, self: Tensor, *bounds: float, generator: Any = None, **kwargs: Any):
    usual = (*bounds, *kwargs.values()) in ((), (0, 1))
    return draws.uniform("uniform_", self) if usual else NotImplemented


def _attention(draws: Draws, func: Any, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any):
    names = ("attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    options = dict(zip(names, args, strict=False)) | kwargs
    if not options.get("dropout_p"):
        return NotImplemented
    return attention(partial(_masked, draws, ATTENTION), query, key, value, **options)


def _multihead(draws: Draws, func: Any, *args: Any, **kwargs: Any) -> Any:
    if not multihead_rate(*args, **kwargs):
        return NotImplemented
    return multihead_attention(partial(_masked, draws, ATTENTION), *args, **kwargs)


def _recurrent(draws: Draws, func: Any, *args: Any, kind: str) -> Any:
    padded = isinstance(args[3], bool)  # packed sequences bring their batch sizes first
    layers, rate = args[4:6] if padded else args[5:7]
    if not rate or layers == 1:
        return NotImplemented
    if not padded:
        draws.unsupported(f"{kind} over packed sequences")
        return NotImplemented
    return recurrent(partial(_masked, draws, kind), func, *args)


def _masked(draws: Draws, kind: str, values: Tensor, rate: float) -> Tensor:
    """Masked inside another function, where what is declined is left off."""
    result = draws.dropout(kind, values, values.shape, rate, inplace=False)
    return values if result is NotImplemented else result


_HANDLERS: dict[Any, Callable[..., Any]] = {
    F.dropout: _dropout,
    F.dropout1d: partial(_dropout, kind="F.dropout1d", single=2),
    F.dropout2d: partial(_dropout, kind="F.dropout2d", single=0),
    F.dropout3d: partial(_dropout, kind="F.dropout3d", single=4),
    torch.dropout: partial(_dropout, kind="torch.dropout"),
    torch.dropout_: partial(_dropout, kind="torch.dropout_", inplace=True),
    torch.feature_dropout: partial(_dropout, kind="feature_dropout", single=0),
    torch.feature_dropout_: partial(_dropout, kind="feature_dropout_", single=0, inplace=True),
    torch.native_dropout: _native,
    F.alpha_dropout: partial(_alpha, kind="F.alpha_dropout"),
    F.feature_alpha_dropout: partial(_alpha, kind="F.feature_alpha_dropout"),
    torch.alpha_dropout: partial(_alpha, kind="torch.alpha_dropout"),
    torch.alpha_dropout_: partial(_alpha, kind="torch.alpha_dropout_"),
    torch.feature_alpha_dropout: partial(_alpha, kind="torch.feature_alpha_dropout"),
    torch.feature_alpha_dropout_: partial(_alpha, kind="torch.feature_alpha_dropout_"),
    torch.bernoulli: _bernoulli,
    Tensor.bernoulli: _bernoulli,
    Tensor.bernoulli_: _bernoulli_,
    torch.rand: _rand,
    torch.rand_like: _rand_like,
    Tensor.uniform_: _uniform_,
    F.scaled_dot_product_attention: _attention,
    F.multi_head_attention_forward: _multihead,
    torch.lstm: partial(_recurrent, kind="LSTM's dropout"),
    torch.gru: partial(_recurrent, kind="GRU's dropout"),
    torch.rnn_tanh: partial(_recurrent, kind="RNN's dropout"),
    torch.rnn_relu: partial(_recurrent, kind="RNN's dropout"),
}


Drop = Callable[[Tensor, float], Tensor]
"""A tensor and the rate at which its elements are dropped → the tensor, masked."""

_MULTIHEAD = inspect.signature(F.multi_head_attention_forward)
_MASK_VALUE = -torch.inf


def attention(
    drop: Drop,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Scaled dot-product attention, its arguments those of PyTorch's function."""
    if enable_gqa:
        key, value = (each.repeat_interleave(query.shape[-3] // each.shape[-3], -3) for each in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, _MASK_VALUE)
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = scores.softmax(-1).to(value.dtype)
    return drop(weights, dropout_p) @ value


def multihead_attention(drop: Drop, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
    """`multi_head_attention_forward` as if training, its arguments those of PyTorch's function.

    It is PyTorch's own code, with its two uses of dropout replaced.
    """
    call = _MULTIHEAD.bind(*args, **kwargs)
    call.arguments["training"] = True
    replaced = {
        "has_torch_function": lambda _tensors: False,
        "dropout": lambda weights, p=0.5, training=True: drop(weights, p),
        "scaled_dot_product_attention": lambda *qkv, **options: attention(drop, *qkv, **options),
    }
    own = F.multi_head_attention_forward
    forward = types.FunctionType(
        own.__code__, {**own.__globals__, **replaced}, own.__name__, own.__defaults__
    )
    return forward(*call.args, **call.kwargs)


def multihead_rate(*args: Any, **kwargs: Any) -> float:
    """The rate of dropout in a call of `multi_head_attention_forward`."""
    return float(_MULTIHEAD.bind(*args, **kwargs).arguments["dropout_p"])


def recurrent(
    drop: Drop,
    layer: Callable[..., tuple[Tensor, ...]],
    inputs: Tensor,
    state: Tensor | Sequence[Tensor],
    weights: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Several recurrent layers, one after the other, with dropout between them.

    `drop` masks the outputs of a layer; `layer` is `torch.lstm`, `torch.gru`, `torch.rnn_tanh` or
    `torch.rnn_relu`, whose own arguments follow.
    """
    states = (state,) if isinstance(state, Tensor) else tuple(state)
    directions = 2 if bidirectional else 1
    share = len(weights) // num_layers
    ends: list[tuple[Tensor, ...]] = []
    for index in range(num_layers):
        own = tuple(part[index * directions : (index + 1) * directions] for part in states)
        inputs, *last = layer(
            inputs,
            own[0] if isinstance(state, Tensor) else own,
            list(weights[index * share : (index + 1) * share]),
            has_biases,
            1,
            0.0,
            train,
            bidirectional,
            batch_first,
        )
        ends.append(tuple(last))
        if index + 1 < num_layers:
            inputs = drop(inputs, dropout)
    return (inputs, *(torch.cat(parts) for parts in zip(*ends, strict=True)))
