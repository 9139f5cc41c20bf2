"""What each operator of torch does to the units of its arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from landscape.connectivity.layers import Layered, compact, fixed_along, met, reduced
from landscape.connectivity.units import FIXED, NOTHING, Units


class Trace(Protocol):
    """What rules ask of a trace."""

    units: Units

    def of(self, tensor: Tensor) -> Layered:
        """What is known of a tensor; of one that nobody has seen, what its values show."""

    def grouped(self, weight: Tensor, groups: int) -> Layered | None:
        """Of the weight of a convolution in groups, whose inputs are others in each; None if unknown."""


Arguments = dict[str, Any]
Rule = Callable[[Trace, Any, Arguments, Any], Any]
"""(trace, operator, arguments by name, what it gave) → `Layered` of its output, or a list of them."""

_VIEWS = frozenset(
    "view _unsafe_view reshape _reshape_alias permute transpose t expand slice select squeeze unsqueeze unbind "
    "split split_with_sizes chunk narrow flip roll repeat alias detach unfold index_select index diagonal "
    "movedim pixel_shuffle pixel_unshuffle channel_shuffle tril triu repeat_interleave".split()
)
_SAME = frozenset("clone _to_copy contiguous lift_fresh native_dropout dropout _prelu_kernel".split())
_CONSTANTS = frozenset(
    "zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty new_empty_strided".split()
)
_SOFTMAX = frozenset("_softmax _log_softmax _safe_softmax softmax log_softmax".split())
_ORDERED = frozenset("cumsum cumprod sort argsort".split())
_REDUCING = frozenset(
    "mean sum amax amin max min var std var_mean std_mean median logsumexp prod norm linalg_vector_norm topk "
    "argmax argmin any all nanmean".split()
)
_SPATIAL = re.compile(
    r"(_?adaptive_)?(avg|max)_pool(\d)d(_with_indices)?|_adaptive_avg_pool(\d)d|upsample_\w+?(\d)d.*|"
    r"(reflection|replication)_pad(\d)d|grid_sampler_(\d)d"
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
    if torch.Tag.pointwise in func.tags:
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


def product(trace: Trace, one: Layered, other: Layered, shared: int) -> Layered:
    """Combined place by place, and summed over one axis, which goes."""
    found = reduced(trace.units, met(trace.units, one, other), [shared])
    keep = [axis for axis in range(len(found.present)) if axis != shared]
    layers = tuple(layer.reshape([layer.shape[axis] for axis in keep]) for layer in found.layers)
    return Layered(layers, tuple(found.present[axis] for axis in keep))


def _matrices(trace: Trace, a: Tensor, b: Tensor) -> Layered:
    """(…, n, k) times (…, k, m)."""
    dims = a.dim() + 1
    batch = list(range(a.dim() - 2))
    left = trace.of(a).reshaped(dims, [*batch, dims - 3, dims - 2])
    right = trace.of(b).reshaped(dims, [*batch, dims - 2, dims - 1])
    return product(trace, left, right, dims - 2)


def _matmul(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered | None:
    tensors = [value for value in given.values() if isinstance(value, Tensor)]
    *before, a, b = tensors
    if a.dim() != b.dim():
        return None
    found = _matrices(trace, a, b)
    for bias in before:
        places = range(len(found.present) - bias.dim(), len(found.present))
        found = met(trace.units, found, trace.of(bias).reshaped(len(found.present), places))
    return found


def _convolution(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered:
    inputs, weight, groups = given["input"], given["weight"], given["groups"]
    turned, units = given["transposed"], trace.units
    spatial = list(range(2, weight.dim()))
    found = fixed_along(units, trace.of(inputs), spatial)
    known = trace.grouped(weight, groups) if groups > 1 and not turned else None
    of_weight = known or trace.of(weight)
    if groups > 1 and known is None:
        units_of = [layer for layer in of_weight.layers if layer.shape[1] > 1]
        for layer in units_of:
            units.fix(layer.numpy())
    of_weight = fixed_along(units, of_weight, spatial)
    left = _split(found, 1, groups, inputs.shape, after=1)  # (n, g, 1, i)
    right = _split(of_weight, 0, groups, weight.shape, after=2 if turned else 0)
    result = product(trace, left, right, 3)  # (n, g, o)
    wide = [layer.expand(-1, groups, out.shape[1] // groups).flatten(1) for layer in result.layers]
    shape = [1] * len(spatial)
    layers = tuple(compact(layer.reshape(len(layer), -1, *shape)) for layer in wide)
    result = Layered(layers, tuple(size > 1 for size in out.shape))
    if given.get("bias") is not None:
        result = met(units, result, trace.of(given["bias"]).reshaped(out.dim(), [1]))
    return result


def _split(found: Layered, axis: int, groups: int, shape: Sequence[int], *, after: int) -> Layered:
    """Inputs (n, g·i, …) as (n, g, 1, i), or weights as (1, g, o, i), the rest being of length 1.

    Args:
        found: Of the tensor.
        axis: That is made of groups.
        groups: How many.
        shape: Of the tensor.
        after: 1 for inputs; 0 for weights (g·o, i, …), 2 for those (g·i, o, …) of transposed convolutions.
    """
    layers = []
    for layer in found.layers:
        sizes = list(layer.shape[:2])
        sizes[axis] = shape[axis]
        wide = layer.reshape(layer.shape[:2]).expand(sizes)
        if after == 1:
            cut = wide.reshape(sizes[0], groups, 1, sizes[1] // groups)
        elif after == 0:
            cut = wide.reshape(1, groups, sizes[0] // groups, sizes[1])
        else:
            cut = wide.reshape(1, groups, sizes[0] // groups, sizes[1]).transpose(2, 3)
        layers.append(compact(cut))
    if after == 1:
        present = (True, groups > 1, False, shape[1] // groups > 1)
    else:
        ends = (shape[0] // groups > 1, shape[1] > 1)
        present = (False, groups > 1, *(ends if after == 0 else ends[::-1]))
    return Layered(tuple(layers), present)


def _channelwise(trace: Trace, given: Arguments, names: Sequence[str], axis: int, tensor: Tensor) -> Layered:
    """Numbers of each channel, as of BatchNorm."""
    found = trace.of(tensor)
    for name in names:
        if isinstance(given.get(name), Tensor):
            found = met(trace.units, found, trace.of(given[name]).reshaped(tensor.dim(), [axis]))
    return found


def _batch_norm(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    names = ("weight", "bias", "running_mean", "running_var")
    found = _channelwise(trace, given, names, 1, given["input"])
    return [found] * len(out)


def _layer_norm(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    tensor = given["input"]
    last = list(range(tensor.dim() - len(given["normalized_shape"]), tensor.dim()))
    found = trace.of(tensor)
    reduced(trace.units, found, last)
    for name in ("weight", "bias"):
        if isinstance(given.get(name), Tensor):
            found = met(trace.units, found, trace.of(given[name]).reshaped(tensor.dim(), last))
    return [found] * len(out) if isinstance(out, list | tuple) else found


def _group_norm(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    tensor, groups = given["input"], given["group"]
    flat = fixed_along(trace.units, trace.of(tensor), range(2, tensor.dim()))
    cut = _split(flat, 1, groups, tensor.shape, after=1)
    reduced(trace.units, cut, [3])
    found = _channelwise(trace, given, ("weight", "bias"), 1, tensor)
    return [found] * len(out)


def _embedding(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered:
    found = fixed_along(trace.units, trace.of(given["weight"]), [0])
    found = Layered(found.layers, (False, True))
    found = Layered(tuple(layer[0] for layer in found.layers), (True,))
    return found.reshaped(out.dim(), [out.dim() - 1])


_RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME, _same),
    **dict.fromkeys(_SOFTMAX, _softmax),
    **dict.fromkeys(_ORDERED, _ordered),
    **dict.fromkeys(_REDUCING, _reducing),
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm"), _matmul),
    **{"convolution": _convolution, "cat": _joined, "stack": _joined, "constant_pad_nd": _padded},
    **dict.fromkeys(("native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit"), _batch_norm),
    **{"_native_batch_norm_legit_no_training": _batch_norm, "_batch_norm_no_update": _batch_norm},
    **{"native_layer_norm": _layer_norm, "native_group_norm": _group_norm},
    **{"_fused_rms_norm": _layer_norm, "embedding": _embedding},
}
