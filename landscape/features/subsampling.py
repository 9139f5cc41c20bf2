"""Where a network subsamples a map, found by watching a pass, and what the stride of a fixed filter drops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from landscape.features.capture import micro_batches, runs
from landscape.layout import Follow, MapLayout, follow_inputs
from landscape.objective import Objective
from landscape.zoo.recognition import has_stride, is_smoothing, pair, single_layers, stride
from landscape.zoo.stages import SHRINKS

Factors = tuple[int, int]
"""By how much rows and columns are subsampled, 1 where they are not."""


@dataclass(frozen=True)
class Place:
    """Where a map is subsampled.

    Attributes:
        layer: The layer that reads the map and subsamples it; of several that read the same map, such as a
            block's first convolution and its shortcut, the one with the widest kernel.
        factors: By how much.
        smoothing: The smoothing layer in front, between which and this one only norms and activations run, or
            the layer itself if it blurs before it subsamples; empty if there is none.
        own: Whether the layer subsamples what its own fixed filter gives.
    """

    layer: str
    factors: Factors
    smoothing: str = ""
    own: bool = False


class Watch:
    """Follows maps through layers during one pass; holding them keeps their identities their own."""

    def __init__(self, strides: Strides) -> None:
        self.places: dict[int, Place] = {}
        self.reads: dict[str, MapLayout] = {}
        self.runs: Counter[str] = Counter()
        self._strides = strides
        self._kernels: dict[int, int] = {}
        self._smoothed: dict[int, str] = {}  # maps that come from a smoothing layer, and from which
        self._held: list[Any] = []

    def note(self, name: str, part: nn.Module, given: Any, output: Any, *, single: bool) -> None:
        """Take in that a layer ran, which counts if it is a single one or subsamples by its own filter."""
        if not all(isinstance(value, Tensor) for value in (given, output)):
            return
        own = self._strides.of(given, output)
        reads, gives = (self._strides.map_layout(value) for value in (given, output))
        if reads is None or gives is None or not (own or single):
            return
        self._held += [given, output]
        self.reads[name] = reads
        self.runs[name] += 1
        front, factors = self._smoothed.get(id(given), ""), _factors(part, reads, gives)
        if max(factors) > 1 or (own and max(gives.height, gives.width) > 1):
            kernel = max(pair(getattr(part, "kernel_size", 0)))
            if kernel > self._kernels.get(id(given), -1):
                place = Place(name, own[1], front or name, own=True) if own else Place(name, factors, front)
                self.places[id(given)] = place
                self._kernels[id(given)] = kernel
        elif is_smoothing(part):
            self._smoothed[id(output)] = name
        elif front and _passes_on(part, given, output):
            self._smoothed[id(output)] = front


def watched(objective: Objective) -> Watch:
    """Two samples passing the network."""
    strides, module = Strides(), objective.network.module
    watch = Watch(strides)
    (run,) = runs(objective)

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def after(part: nn.Module, args: Any, output: Any) -> None:
            watch.note(name, part, args[0] if args else None, output, single=name in singles)

        return after

    singles = dict(single_layers(module))
    with ExitStack() as stack:
        for handle in follow_inputs(module, strides):
            stack.enter_context(handle)
        for name, part in module.named_modules():
            if name in singles or (name and not any(True for _ in part.parameters())):
                stack.enter_context(part.register_forward_hook(hook(name)))
        start, inputs = next(micro_batches(objective))
        with strides:
            run(start, inputs[:2])
    return watch


def _factors(part: nn.Module, reads: MapLayout, gives: MapLayout) -> Factors:
    """Factors by which a layer subsamples; global pooling does not."""
    if max(gives.height, gives.width) == 1:
        return 1, 1
    if has_stride(part):
        return stride(part)
    rows, columns = reads.height / gives.height, reads.width / gives.width
    return round(rows) if rows >= SHRINKS else 1, round(columns) if columns >= SHRINKS else 1


def _passes_on(part: nn.Module, given: Tensor, output: Tensor) -> bool:
    """Whether a layer works point by point, as norms, activations and dropout do."""
    return (
        given.shape == output.shape
        and not any(p.dim() > 1 for p in part.parameters())
        and not has_stride(part)
    )


class Strides(Follow):
    """Follows a pass, and keeps what the last fixed filter with a stride gives at stride one.

    A fixed filter is a depthwise convolution with the same filter for every channel, as blur pooling of timm,
    antialiased-cnns and kornia run it, or average pooling. A strided slice of a tensor counts as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: tuple[int, Tensor, MapLayout, Factors] | None = None
        self._slices: set[int] = set()

    def of(self, given: Tensor, output: Tensor) -> tuple[Tensor, Factors] | None:
        """The map that a layer's own stride subsampled to this output, and by how much; asked for once.

        Args:
            given: What the layer read, which is no map of its own making.
            output: What it gave.
        """
        last, self._last = self._last, None
        if last is None or last[0] != output.data_ptr() or last[1].data_ptr() == given.data_ptr():
            return None
        maps = last[2].to_map(last[1])
        return None if maps is None else (maps, last[3])

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, and once more at stride one if it is such a filter."""
        out = super().__torch_dispatch__(func, types, args, kwargs)
        name = func._schema.name.partition("::")[2]
        if name == "slice":
            self._note_slice(args, out)
        finer, factors = _at_stride_one(name, args)
        if finer is not None:
            found = super().__torch_dispatch__(func, types, finer, kwargs)
            layout = self.map_layout(found)
            self._last = (out.data_ptr(), found, layout, factors) if layout else None
        return out

    def _note_slice(self, args: Any, out: Tensor) -> None:
        step = args[4] if len(args) > 4 else 1
        layout, left = self.map_layout(args[0]), self.map_layout(out)
        if step == 1 or layout is None or left is None:
            return
        sizes = ((layout.height, left.height), (layout.width, left.width))
        rows, columns = (step if after < before else 1 for before, after in sizes)
        last = self._last
        if last is not None and last[0] == args[0].data_ptr() == out.data_ptr():
            # Rows first, then columns of the same map.
            self._last = (*last[:3], (last[3][0] * rows, last[3][1] * columns))
        else:
            self._last = (out.data_ptr(), args[0], layout, (rows, columns))


def _at_stride_one(name: str, args: Any) -> tuple[Any, Factors]:
    """Arguments of a fixed filter with its stride replaced by one, and the stride; None for anything else."""
    if name == "convolution":
        given, weight, stride, transposed, groups = args[0], args[1], args[3], args[6], args[8]
        depthwise = weight.dim() == 4 and weight.shape[1] == 1 and weight.shape[0] == groups == given.shape[1]
        if (
            depthwise
            and not transposed
            and max(stride) > 1
            and torch.equal(weight, weight[:1].expand_as(weight))
        ):
            return (*args[:3], [1] * len(stride), *args[4:]), pair(stride)
    if name == "avg_pool2d":
        kernel, stride = args[1], (args[2] if len(args) > 2 else None) or args[1]
        if max(stride) > 1:
            return (args[0], kernel, [1, 1], *args[3:]), pair(stride)
    return None, (1, 1)
