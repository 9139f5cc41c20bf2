"""How torch's operators move the dimensions of a feature map about: one rule for each kind of operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from landscape.layout.axes import (
    SPACE,
    Layout,
    combined,
    contracted,
    joined,
    known,
    lost,
    reshaped,
    resized,
    roles,
    single,
    size,
    sliced,
)
from landscape.layout.patches import Look, col2im, im2col, unfold

Rule = Callable[[Look, tuple[Any, ...], dict[str, Any], Any], "Layout | list[Layout]"]
"""Layout of the output, or of each of several, from the arguments of an operator and what it gave."""


def output_layouts(look: Look, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """Layouts of what an operator gave, of whose arguments at least one comes from the input."""
    name = func._schema.name.partition("::")[2]
    rule = RULES.get(name) or RULES.get(name.rstrip("_"))
    if rule is None and torch.Tag.pointwise in func.tags:
        rule = _pointwise
    return rule(look, args, kwargs, out) if rule else None


def _pointwise(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    operands = [value for value in (*_flat(args), *kwargs.values()) if isinstance(value, Tensor)]
    found = [(value, look(value)) for value in operands]
    return _aligned([layout for _, layout in found if layout is not None], out.shape)


def _aligned(layouts: Sequence[Layout], shape: Sequence[int]) -> Layout:
    """Operands broadcast against each other, from the last dimension."""
    padded = [((),) * (len(shape) - len(each)) + each for each in layouts]
    return tuple(combined([each[i] for each in padded], count) for i, count in enumerate(shape))


def _same(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    layout = look(args[0])
    shape = _first(out).shape
    return layout if layout is not None and _shape(layout) == tuple(shape) else lost(shape)


def _copied(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    return look(args[1]) or lost(out.shape)


def _view(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    return reshaped(look(args[0]) or (), out.shape)


def _permute(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    layout = look(args[0]) or ()
    return tuple(layout[dim] for dim in args[1])


def _transpose(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    layout = list(look(args[0]) or ())
    a, b = args[1:3] if len(args) > 2 else (0, -1)
    if layout:
        layout[a], layout[b] = layout[b], layout[a]
    return tuple(layout)


def _expand(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    return _aligned([look(args[0]) or ()], out.shape)


def _select(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    layout = list(look(args[0]) or ())
    layout.pop(args[1])
    return tuple(layout)


def _slice(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    layout = list(look(args[0]) or ())
    given: list[Any] = [0, None, None, 1]
    given[: len(args) - 1] = args[1:]
    dim, start, stop, step = given
    count = args[0].shape[dim]
    start, stop, _ = slice(start, stop).indices(count)
    layout[dim] = sliced(layout[dim], start, stop, kwargs.get("step", step))
    return tuple(layout)


def _split(look: Look, args: Any, kwargs: Any, out: Any) -> list[Layout]:
    layout, dim = look(args[0]) or (), args[2] if len(args) > 2 else kwargs.get("dim", 0)
    found, start = [], 0
    for piece in out:
        each = list(layout)
        each[dim] = sliced(layout[dim], start, start + piece.shape[dim], 1)
        found.append(tuple(each))
        start += piece.shape[dim]
    return found


def _unbind(look: Look, args: Any, kwargs: Any, out: Any) -> list[Layout]:
    layout = list(look(args[0]) or ())
    layout.pop(args[1] if len(args) > 1 else kwargs.get("dim", 0))
    return [tuple(layout)] * len(out)


def _squeeze(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    return reshaped(look(args[0]) or (), out.shape)  # axes of size one have no factors


def _cat(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    dim = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.dim()
    tensors = [tensor for tensor in args[0] if tensor.dim() == out.dim()]
    layouts = [look(tensor) or lost(tensor.shape) for tensor in tensors]
    found = [combined([each[i] for each in layouts], count) for i, count in enumerate(out.shape)]
    found[dim] = joined([layout[dim] for layout in layouts])
    return tuple(found)


def _stack(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    dim = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % out.dim()
    layouts = [layout for layout in map(look, args[0]) if layout is not None]
    shape = args[0][0].shape
    found = list(_aligned(layouts, shape))
    found.insert(dim, single("other", len(args[0])))
    return tuple(found)


def _roll(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    layout, dims = list(look(args[0]) or ()), args[2] if len(args) > 2 else ()
    if not dims:
        return lost(out.shape)
    for by, dim in zip(args[1], dims, strict=True):
        axis = layout[dim]
        if len(axis) == 1 and axis[0].role in SPACE:
            whole = axis[0].stride * axis[0].size
            layout[dim] = (replace(axis[0], shift=(axis[0].shift + by * axis[0].stride) % whole),)
        elif set(roles(axis)) != {"channel"}:
            layout[dim] = single("other", size(axis))
    return tuple(layout)


def _reduced(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    layout = look(args[0]) or ()
    dims = args[1] if len(args) > 1 and args[1] is not None else kwargs.get("dim")
    dims = range(len(layout)) if dims is None or dims == [] else dims
    gone = {dim % max(1, len(layout)) for dim in ([dims] if isinstance(dims, int) else dims)}
    if _first(out).dim() == len(layout):
        return tuple(() if dim in gone else axis for dim, axis in enumerate(layout))
    return tuple(axis for dim, axis in enumerate(layout) if dim not in gone)


def _convolution(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    """Kept or resized rows and columns; where these were lost, a convolution over two says what they are."""
    given, groups = args[0], args[8]
    layout = look(given) or lost(given.shape)
    depthwise = groups > 1 and out.shape[1] == given.shape[1]
    features = layout[1] if depthwise else contracted(layout[1], out.shape[1])
    if out.shape[1] == 1:
        features = ()
    places = [resized(axis, count) for axis, count in zip(layout[2:], out.shape[2:], strict=True)]
    found = (layout[0], features, *places)
    if len(places) == 2 and not any(known(axis) for axis in layout[2:]) and not _has_space(layout):
        anchored = [single(role, count) for role, count in zip(SPACE, out.shape[2:], strict=True)]
        return (layout[0], single("channel", out.shape[1]), *anchored)
    return found


def _has_space(layout: Layout) -> bool:
    return any(factor.role in (*SPACE, "joined") for axis in layout for factor in axis)


def _resized_last(count: int) -> Rule:
    """Operators that change the sizes of the last dimensions, such as pooling and padding."""

    def rule(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
        shape = _first(out).shape
        layout = look(args[0]) or lost(args[0].shape)
        first = len(shape) - (count or len(shape))
        return tuple(
            resized(axis, size_) if dim >= first else axis
            for dim, (axis, size_) in enumerate(zip(layout, shape, strict=True))
        )

    return rule


def _product(left: int, right: int) -> Rule:
    """Matrix products of the arguments at these positions, with or without a batch in front."""

    def rule(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
        a, b = look(args[left]), look(args[right])
        batch = _aligned([each[:-2] for each in (a, b) if each is not None], out.shape[:-2])
        if a is not None and b is not None:
            return (*batch, a[-2], b[-1])
        if a is not None:
            return (*batch, a[-2], contracted(a[-1], out.shape[-1]))
        return (*batch, contracted(b[-2], out.shape[-2]), b[-1]) if b is not None else lost(out.shape)

    return rule


def _attention(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    query, value = look(args[0]), look(args[2]) or look(args[0])
    if query is None or value is None:
        return lost(_first(out).shape)
    return (*query[:-1], value[-1])


def _embedding(look: Look, args: Any, kwargs: Any, out: Any) -> Layout:
    return (*(look(args[1]) or lost(out.shape[:-1])), single("channel", out.shape[-1]))


def _shape(layout: Layout) -> tuple[int, ...]:
    return tuple(map(size, layout))


def _first(out: Any) -> Tensor:
    return out[0] if isinstance(out, tuple | list) else out


def _flat(args: Any) -> list[Any]:
    found: list[Any] = []
    for value in args:
        found += value if isinstance(value, tuple | list) else [value]
    return found


_NAMES: dict[Rule, str] = {
    _same: (
        "alias clone contiguous detach _to_copy lift_fresh _softmax _safe_softmax _log_softmax "
        "native_layer_norm native_group_norm native_batch_norm _native_batch_norm_legit "
        "_native_batch_norm_legit_no_training "
        "_batch_norm_with_update _batch_norm_no_update cudnn_batch_norm miopen_batch_norm _fused_rms_norm "
        "native_dropout cumsum channel_shuffle native_channel_shuffle _prelu_kernel gelu hardswish "
        "hardsigmoid hardtanh silu mish elu leaky_relu softplus _native_multi_head_attention "
        "_transformer_encoder_layer_fwd relu relu6 rrelu_with_noise glu_backward zeros_like ones_like"
    ),
    _copied: "copy",
    _view: "view _unsafe_view reshape _reshape_alias _reshape_copy view_copy unsqueeze",
    _squeeze: "squeeze",
    _permute: "permute",
    _transpose: "transpose t",
    _expand: "expand",
    _select: "select",
    _slice: "slice",
    _split: "split split_with_sizes",
    _unbind: "unbind",
    _cat: "cat",
    _stack: "stack",
    _roll: "roll",
    _reduced: "mean sum amax amin max min var std prod logsumexp linalg_vector_norm norm var_mean std_mean",
    _convolution: "convolution _convolution convolution_overrideable",
    _resized_last(2): (
        "max_pool2d_with_indices avg_pool2d _adaptive_avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d "
        "fractional_max_pool2d upsample_nearest2d upsample_bilinear2d upsample_bicubic2d "
        "_upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_nearest_exact2d reflection_pad2d "
        "replication_pad2d max_pool2d"
    ),
    _resized_last(1): "reflection_pad1d replication_pad1d upsample_linear1d upsample_nearest1d",
    _resized_last(0): "constant_pad_nd",
    _product(0, 1): "mm bmm",
    _product(1, 2): "addmm baddbmm",
    _attention: (
        "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention "
        "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention "
        "_scaled_dot_product_fused_attention_overrideable"
    ),
    _embedding: "embedding",
    unfold: "unfold",
    im2col: "im2col",
    col2im: "col2im",
}

RULES: dict[str, Rule] = {name: rule for rule, names in _NAMES.items() for name in names.split()}
"""By operator; elementwise operators, which torch marks, need none, and any other loses the layout."""
