"""Operations whose second derivative PyTorch lacks, or has wrong, written so that they have the right one.

Found by trying every differentiable operation of PyTorch 2.13 against a difference of its first derivative
(`tests/derivatives/test_operations.py` tries those of `torch.nn.functional`). Missing are the second
derivatives of `hardsigmoid`, `embedding_bag`, `cdist`, `pdist`, the two multi-class margin losses, cuDNN's
recurrent layers and fused attention (see `landscape.forward`); those of weight normalisation and of the
chunked `linear_cross_entropy` are computed without an error, and wrong. What is left, `ctc_loss`,
`segment_reduce` and functions that users wrote, takes finite differences, see `landscape.hessian.operators`.

Values stay those of PyTorch's own kernel, to the last bit (chunks aside); derivatives of every order are
those of a formula for the same function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

from landscape.derivatives.convolution import conv2d


class TwiceDifferentiable(TorchFunctionMode):
    """While open, graphs are built of operations that can be differentiated twice, and fast."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call what stands in for a function, or the function."""
        return REPLACEMENTS.get(func, func)(*args, **(kwargs or {}))


class _Rewritten(Function):
    """The values of one function, the derivatives of another, of the same tensors."""

    @staticmethod
    def forward(ctx: Any, values: Callable, formula: Callable, *tensors: Tensor) -> Tensor:
        ctx.formula = formula
        ctx.save_for_backward(*tensors)
        return values(*tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        again, needed = torch.is_grad_enabled(), ctx.needs_input_grad[2:]
        with torch.enable_grad():
            # Views, which keep the history, or the derivative would run on into it.
            inputs = [each.view_as(each) if again else each.detach() for each in ctx.saved_tensors]
            wanted = [each for each, need in zip(inputs, needed, strict=True) if need]
            for each in wanted:
                each.requires_grad_()
            found = iter(torch.autograd.grad(ctx.formula(*inputs), wanted, gradients, create_graph=again))
        return None, None, *(next(found) if need else None for need in needed)


def _hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    def formula(x: Tensor) -> Tensor:
        return torch.where((x > -3) & (x < 3), x, x.detach()) * (1 / 6)

    if inplace:
        return input.copy_(_hardsigmoid(input.clone()))
    return _Rewritten.apply(torch._C._nn.hardsigmoid, formula, input)


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """PyTorch takes the norm for a constant in the second derivative."""
    return _Rewritten.apply(
        lambda v, g: torch._weight_norm(v, g, dim),
        lambda v, g: v * (g / torch.norm_except_dim(v, 2, dim)),
        v,
        g,
    )


def _cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"):
    return _Rewritten.apply(
        lambda a, b: torch.cdist(a, b, p, compute_mode),
        lambda a, b: _length(a.unsqueeze(-2) - b.unsqueeze(-3), p),
        x1,
        x2,
    )


def _pdist(input: Tensor, p: float = 2.0) -> Tensor:
    first, second = torch.triu_indices(len(input), len(input), 1, device=input.device)
    return _Rewritten.apply(lambda x: torch.pdist(x, p), lambda x: _length(x[first] - x[second], p), input)


def _length(difference: Tensor, p: float) -> Tensor:
    """The p-norm over the last dimension; derivatives where something is zero are zero, as PyTorch's."""
    if p == 0:
        return 0 * difference.sum(-1)  # the number of non-zeros, whose derivative is zero
    size = difference.abs()
    if math.isinf(p):
        return size.amax(-1)
    if p == 1:
        return size.sum(-1)
    total = torch.where(size > 0, torch.where(size > 0, size, 1) ** p, 0).sum(-1)
    return torch.where(total > 0, torch.where(total > 0, total, 1) ** (1 / p), 0)


def _embedding_bag(input: Tensor, weight: Tensor, offsets: Tensor | None = None, **options: Any) -> Tensor:
    if any(options.get(name) for name in ("max_norm", "scale_grad_by_freq", "sparse")):
        return F.embedding_bag(input, weight, offsets, **options)
    mode, scales = options.get("mode", "mean"), options.pop("per_sample_weights", None)
    places = torch.arange(input.numel(), device=input.device)
    if offsets is None:
        bag, count = places // input.shape[1], len(input)
    else:
        bag = torch.searchsorted(offsets, places, right=True) - 1
        count = len(offsets) - bool(options.get("include_last_offset"))
    index, padding = input.flatten(), options.get("padding_idx")
    used = torch.ones_like(index, dtype=torch.bool)
    if padding is not None:
        used = index != padding % len(weight)
    index, bag = index[used], bag[used]

    def formula(weight: Tensor, *scales: Tensor) -> Tensor:
        rows = weight[index]
        for scale in scales:
            rows = rows * scale.flatten()[used, None]
        empty = rows.new_zeros(count, weight.shape[1])
        if mode == "max":
            return empty.scatter_reduce(0, bag[:, None].expand_as(rows), rows, "amax", include_self=False)
        total = empty.index_add(0, bag, rows)
        return total if mode == "sum" else total / torch.bincount(bag, minlength=count).clamp(min=1)[:, None]

    def values(weight: Tensor, *scales: Tensor) -> Tensor:
        given: dict[str, Any] = {"per_sample_weights": scales[0]} if scales else {}
        return F.embedding_bag(input, weight, offsets, **options, **given)

    return _Rewritten.apply(values, formula, weight, *([] if scales is None else [scales]))


def _multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *names: Any,
    **reduction: Any,
) -> Tensor:
    def formula(x: Tensor) -> Tensor:
        rows, classes = torch.atleast_2d(x), target.reshape(-1, 1)
        short = F.relu(margin - rows.gather(1, classes) + rows) ** p
        short = short.scatter(1, classes, 0.0)
        each = (short if weight is None else weight[classes] * short).mean(1)
        return _reduced(each.reshape(x.shape[:-1]), *names, **reduction)

    def values(x: Tensor) -> Tensor:
        return F.multi_margin_loss(x, target, p, margin, weight, *names, **reduction)

    return _Rewritten.apply(values, formula, input)


def _multilabel_margin_loss(input: Tensor, target: Tensor, *names: Any, **reduction: Any) -> Tensor:
    def formula(x: Tensor) -> Tensor:
        rows, labels = torch.atleast_2d(x), torch.atleast_2d(target)
        listed = (labels >= 0).long().cumprod(1)  # labels end at the first negative one
        labels = labels.clamp(min=0)
        right = torch.zeros_like(labels).scatter_add(1, labels, listed) > 0
        short = F.relu(1 - rows.gather(1, labels)[:, :, None] + rows[:, None, :])
        each = (short * (listed[:, :, None] * ~right[:, None, :])).sum((1, 2)) / rows.shape[1]
        return _reduced(each.reshape(x.shape[:-1]), *names, **reduction)

    return _Rewritten.apply(
        lambda x: F.multilabel_margin_loss(x, target, *names, **reduction), formula, input
    )


def _reduced(
    each: Tensor, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
) -> Tensor:
    if size_average is not None or reduce is not None:  # the names before `reduction`
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    return each if reduction == "none" else each.sum() if reduction == "sum" else each.mean()


def _whole(*args: Any, options: Any = None, **keywords: Any) -> Tensor:
    """`linear_cross_entropy` without chunks, whose second derivative lacks most of its terms."""
    return F.linear_cross_entropy(*args, **keywords)


def _without_cudnn(function: Callable) -> Callable:
    """A recurrent layer on PyTorch's own kernel; cuDNN's has no derivative in eval mode, nor a second one."""

    def run(*args: Any, **keywords: Any) -> Any:
        # Not cudnn.flags(…), which reads a setting that our own full precision makes ambiguous.
        before, torch.backends.cudnn.enabled = torch.backends.cudnn.enabled, False
        try:
            return function(*args, **keywords)
        finally:
            torch.backends.cudnn.enabled = before

    return run


REPLACEMENTS: dict[Any, Callable] = {
    torch.conv2d: conv2d,
    F.hardsigmoid: _hardsigmoid,
    torch._C._nn.hardsigmoid: _hardsigmoid,
    torch._C._nn.hardsigmoid_: lambda input: _hardsigmoid(input, inplace=True),
    torch._weight_norm: _weight_norm,
    torch.cdist: _cdist,
    torch.pdist: _pdist,
    F.embedding_bag: _embedding_bag,
    F.multi_margin_loss: _multi_margin_loss,
    F.multilabel_margin_loss: _multilabel_margin_loss,
} | {each: _without_cudnn(each) for each in (torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu)}
"""Function → what stands in for it."""
if hasattr(F, "linear_cross_entropy"):  # since PyTorch 2.13
    REPLACEMENTS[F.linear_cross_entropy] = _whole
