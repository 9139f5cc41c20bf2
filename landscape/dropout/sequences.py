"""Attention and recurrent layers written out, with dropout where PyTorch's fused ones have it inside.

A fused kernel draws its masks where nobody sees them. Here `drop` receives what is to be masked.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

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
