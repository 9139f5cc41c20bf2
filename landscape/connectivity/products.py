"""What layers with weights do to units: matrix products, convolutions, normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch import Tensor

from landscape.connectivity.layers import Layered, compact, fixed_along, met, reduced
from landscape.connectivity.units import Units


class Trace(Protocol):
    """What rules ask of a trace."""

    units: Units

    def of(self, tensor: Tensor) -> Layered:
        """What is known of a tensor; of one that nobody has seen, what its values show."""

    def unmoved(self, tensor: Tensor, out: Tensor) -> bool:
        """Whether a view has the places of a tensor, each where it was in memory when that was made."""

    def grouped(self, weight: Tensor, groups: int) -> Layered | None:
        """Of the weight of a convolution in groups, whose inputs are others in each; None if unknown."""


Arguments = dict[str, Any]
Rule = Callable[[Trace, Any, Arguments, Any], Any]
"""(trace, operator, arguments by name, what it gave) → `Layered` of its output, or a list of them."""


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


def matmul(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered | None:
    """Matrix products, with what is added."""
    tensors = [value for value in given.values() if isinstance(value, Tensor)]
    *before, a, b = tensors
    if a.dim() != b.dim():
        return None
    found = _matrices(trace, a, b)
    for bias in before:
        places = range(len(found.present) - bias.dim(), len(found.present))
        found = met(trace.units, found, trace.of(bias).reshaped(len(found.present), places))
    return found


def convolution(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered:
    """Convolutions, in groups and transposed ones too."""
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


def batch_norm(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    """BatchNorm: four numbers of each channel."""
    names = ("weight", "bias", "running_mean", "running_var")
    found = _channelwise(trace, given, names, 1, given["input"])
    return [found] * len(out)


def layer_norm(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    """LayerNorm and RMSNorm: what they divide by is common to the dimensions they run over."""
    tensor = given["input"]
    last = list(range(tensor.dim() - len(given["normalized_shape"]), tensor.dim()))
    found = trace.of(tensor)
    reduced(trace.units, found, last)
    for name in ("weight", "bias"):
        if isinstance(given.get(name), Tensor):
            found = met(trace.units, found, trace.of(given[name]).reshaped(tensor.dim(), last))
    return [found] * len(out) if isinstance(out, list | tuple) else found


def group_norm(trace: Trace, func: Any, given: Arguments, out: Any) -> Any:
    """GroupNorm: channels of a group are a block."""
    tensor, groups = given["input"], given["group"]
    flat = fixed_along(trace.units, trace.of(tensor), range(2, tensor.dim()))
    cut = _split(flat, 1, groups, tensor.shape, after=1)
    reduced(trace.units, cut, [3])
    found = _channelwise(trace, given, ("weight", "bias"), 1, tensor)
    return [found] * len(out)


def embedding(trace: Trace, func: Any, given: Arguments, out: Tensor) -> Layered:
    """Rows of a table."""
    found = fixed_along(trace.units, trace.of(given["weight"]), [0])
    found = Layered(found.layers, (False, True))
    found = Layered(tuple(layer[0] for layer in found.layers), (True,))
    return found.reshaped(out.dim(), [out.dim() - 1])
