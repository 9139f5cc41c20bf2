"""What each operator of torch does to the units of its arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from landscape.connectivity.layers import Layered, compact, fixed_along, met, reduced
from landscape.connectivity.products import (
    Arguments,
    Rule,
    Trace,
    batch_norm,
    convolution,
    embedding,
    group_norm,
    layer_norm,
    matmul,
)
from landscape.connectivity.units import FIXED, NOTHING, Units


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VIEWS = _names(
    "view _unsafe_view reshape _reshape_alias permute transpose t expand slice select squeeze unsqueeze "
    "unbind split split_with_sizes chunk narrow flip roll repeat alias detach unfold index_select index "
    "diagonal movedim pixel_shuffle pixel_unshuffle channel_shuffle tril triu repeat_interleave"
)
_SAME = _names("clone _to_copy contiguous lift_fresh native_dropout dropout")
_PLACE_BY_PLACE = _names(
    "_prelu_kernel hardswish log_sigmoid_forward rrelu_with_noise rrelu_with_noise_functional"
)
"""Operators that work place by place without saying so."""
_CONSTANTS = _names(
    "zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty new_empty_strided"
)
_SOFTMAX = _names("_softmax _log_softmax _safe_softmax softmax log_softmax")
_ORDERED = _names("cumsum cumprod sort argsort")
_REDUCING = _names(
    "mean sum amax amin max min var std var_mean std_mean median logsumexp prod norm linalg_vector_norm "
    "topk argmax argmin any all nanmean"
)
_SPATIAL = re.compile(
    r"_?(adaptive_)?(avg|max)_pool\dd(_with_indices)?|upsample_\w+?\dd\w*|(reflection|replication)_pad\dd"
)


def outcome(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    """What is known of the output of an operator; None where no rule knows it."""
    name = func._schema.name.rpartition("::")[2]
    if not func._schema.name.startswith("aten::"):
        return None
    name = name[:-1] if name.endswith("_") and not name.startswith("__") else name
    if name in _RULES:
        return _RULES[name](trace, func, given, out)
    if name in _CONSTANTS:
        return Layered((), (False,) * out.dim())
    if name in _VIEWS:
        return _view(trace, func, given, out)
    if _SPATIAL.fullmatch(name):
        count = int(next(filter(str.isdigit, name)))
        return _spatial(trace, first_of(given), count)
    if torch.Tag.pointwise in func.tags or name in _PLACE_BY_PLACE:
        return _pointwise(trace, given, out)
    return None


def first_of(given: Arguments) -> Tensor:
    """The first tensor among arguments."""
    return next(value for value in given.values() if isinstance(value, Tensor))


def _axis(axis: int, tensor: Tensor) -> int:
    return axis % max(tensor.dim(), 1)


def _pointwise(trace: Trace, given: Arguments, out: Any) -> Layered:
    shape = (out if isinstance(out, Tensor) else out[0]).shape
    result: Layered | None = None
    for value in given.values():
        if isinstance(value, Tensor) and value.dim():
            places = range(len(shape) - value.dim(), len(shape))
            one = trace.of(value).reshaped(len(shape), places)
            result = one if result is None else met(trace.units, result, one)
    return result or Layered((), (False,) * len(shape))


def _same(trace: Trace, func: Any, given: Arguments, out: Any) -> Layered:
    return trace.of(first_of(given))


def _strided(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered | None:
    """Other strides along axes of one place, as global pooling gives its output in channels-last layout."""
    tensor = first_of(given)
    return trace.of(tensor) if trace.unmoved(tensor, out) else None


def _view(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    """Views and whatever else only moves places: done to the units themselves."""
    tensor = first_of(given)
    found = trace.of(tensor)
    others = [value for value in given.values() if isinstance(value, Tensor) and value is not tensor]
    if any(trace.of(value).layers for value in others):
        return None  # places chosen by what units hold
    name = next(key for key, value in given.items() if value is tensor)
    several = isinstance(out, list | tuple)
    outs = list(out) if several else [out]
    columns: list[list[Tensor]] = [[] for _ in outs]
    for layer in found.layers:
        whole = layer.expand(tensor.shape).contiguous()
        made = _called(func, {**given, name: whole})
        for column, part in zip(columns, made if several else [made], strict=True):
            column.append(compact(part))
            _marked(trace.units, layer, part)
    results = [_viewed(found, column, part) for column, part in zip(columns, outs, strict=True)]
    return results if several else results[0]


def _called(func: Any, given: Arguments) -> Any:
    """Call an operator with arguments by name, as its schema takes them."""
    named = {a.name for a in func._schema.arguments if a.kwarg_only}
    positional = [value for key, value in given.items() if key not in named]
    return func(*positional, **{key: value for key, value in given.items() if key in named})


def _marked(units: Units, before: Tensor, after: Tensor) -> None:
    """Note which units were taken, where not all were."""
    taken = after[after >= 0].unique()
    if 0 < len(taken) < len(before[before >= 0].unique()):
        units.mark(taken.numpy())


def _viewed(found: Layered, layers: Sequence[Tensor], out: Tensor) -> Layered:
    """Axes of a view have places of their own, unless everything was repeated."""
    own = any(found.present)
    repeated = [out.stride(axis) == 0 for axis in range(out.dim())]
    present = tuple(own and size > 1 and not again for size, again in zip(out.shape, repeated, strict=True))
    return Layered(tuple(layers), present)


def _padded(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered:
    """New places hold one constant."""
    tensor, pad = first_of(given), given["pad"]
    found = trace.of(tensor)
    layers = [
        compact(torch.nn.functional.pad(layer.expand(tensor.shape), pad, value=NOTHING))
        for layer in found.layers
    ]
    return _viewed(found, layers, out)


def _joined(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered:
    """Tensors one behind the other, or stacked."""
    tensors, axis = list(given["tensors"]), given.get("dim", 0)
    axis = axis % out.dim()
    stacked = func._schema.name.endswith("stack")
    found = [trace.of(tensor) for tensor in tensors]
    along = -1 if stacked else axis
    kinds = {_kind(layer, along): None for each in found for layer in each.layers}
    layers = []
    for kind in kinds:
        parts = []
        for tensor, each in zip(tensors, found, strict=True):
            layer = next((layer for layer in each.layers if _kind(layer, along) == kind), None)
            if layer is None:
                own = any(each.present[a] for a in (kind or (axis,)) if a < tensor.dim())
                layer = torch.full([1] * tensor.dim(), FIXED if own else NOTHING)
            parts.append(layer.expand(tensor.shape))
        layers.append(compact(torch.stack(parts, axis) if stacked else torch.cat(parts, axis)))
    return Layered(tuple(layers), tuple(size > 1 for size in out.shape))


def _kind(layer: Tensor, axis: int) -> tuple[int, ...]:
    """Along which axes a layer changes besides the one along which tensors are joined."""
    return tuple(a for a, size in enumerate(layer.shape) if size > 1 and a != axis)


def _spatial(trace: Trace, tensor: Tensor, count: int) -> Layered:
    """Poolings and resizings: rows and columns change, channels stay."""
    last = list(range(tensor.dim() - count, tensor.dim()))
    return fixed_along(trace.units, trace.of(tensor), last)


def _softmax(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered:
    tensor = first_of(given)
    found = trace.of(tensor)
    reduced(trace.units, found, [_axis(given["dim"], tensor)])  # the units that share a sum are a block
    return found


def _ordered(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    tensor = first_of(given)
    found = fixed_along(trace.units, trace.of(tensor), [_axis(given["dim"], tensor)])
    return [found, found] if isinstance(out, list | tuple) else found


def _reducing(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    tensor = first_of(given)
    which = given.get("dim")
    which = range(tensor.dim()) if which is None or which == [] else which
    gone = [_axis(axis, tensor) for axis in (which if isinstance(which, list | tuple | range) else [which])]
    found = reduced(trace.units, trace.of(tensor), gone)
    one = out if isinstance(out, Tensor) else out[0]
    if one.dim() < tensor.dim():
        kept = [axis for axis in range(tensor.dim()) if axis not in gone]
        layers = tuple(layer.reshape([layer.shape[axis] for axis in kept]) for layer in found.layers)
        found = Layered(layers, tuple(found.present[axis] for axis in kept))
    return found if isinstance(out, Tensor) else [found] * len(out)


_RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME, _same),
    "as_strided": _strided,
    **dict.fromkeys(_SOFTMAX, _softmax),
    **dict.fromkeys(_ORDERED, _ordered),
    **dict.fromkeys(_REDUCING, _reducing),
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), matmul),
    **{"convolution": convolution, "cat": _joined, "stack": _joined, "constant_pad_nd": _padded},
    **dict.fromkeys(("native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit"), batch_norm),
    **{"_native_batch_norm_legit_no_training": batch_norm, "_batch_norm_no_update": batch_norm},
    **{"native_layer_norm": layer_norm, "native_group_norm": group_norm},
    **{"_fused_rms_norm": layer_norm, "embedding": embedding},
}
