"""A forward pass that is followed: what the dimensions of every tensor on the way stand for."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from landscape.layout.axes import Layout, lost, single, size
from landscape.layout.maps import MapLayout, map_layout
from landscape.layout.rules import output_layouts

_IMAGES = ("sample", "channel", "row", "column")
_VOLUMES = ("sample", "channel", "other", "row", "column")


class Watching(TorchDispatchMode):
    """A mode that sees every operator, without the import of PyTorch's compiler, which takes seconds."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # PyTorch imports its compiler only to keep it from compiling the mode; nothing here is compiled.
        return False


class Follow(Watching):
    """While open, follows rows, columns and channels from the input through every operator of torch.

    Where a map stands in a tensor is told by how it came to be, never by sizes alone: a convolution makes
    channels of dimension 1 and places of dimensions 2 and 3, views split and merge dimensions, products with
    weights turn one into channels. No tensor is kept, and none is changed.
    """

    def __init__(self) -> None:
        super().__init__()
        # By place in memory: wrappers of one tensor have one, and whatever reuses it comes by here first.
        self._layouts: dict[tuple[Any, ...], Layout] = {}
        self._samples = 0

    def begin(self, inputs: Tensor) -> None:
        """Say that this tensor is the network's input: images, or of other dimensions samples first."""
        names = {4: _IMAGES, 5: _VOLUMES}.get(inputs.dim(), ("sample", *["other"] * (inputs.dim() - 1)))
        self._samples = inputs.shape[0]
        self.mark(inputs, tuple(map(single, names, inputs.shape)))  # type: ignore[arg-type]

    def mark(self, tensor: Tensor, layout: Layout) -> None:
        """Say what the dimensions of a tensor stand for."""
        self._layouts[_key(tensor)] = layout

    def layout(self, value: Any) -> Layout | None:
        """Layout of a tensor; None for what does not come from the input, and for no tensor."""
        return self._layouts.get(_key(value)) if isinstance(value, Tensor) else None

    def map_layout(self, value: Any) -> MapLayout | None:
        """How a tensor holds a feature map, None if it holds none or none that could be followed."""
        layout = self.layout(value)
        return None if layout is None else map_layout(layout, one_sample=self._samples == 1)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and note the layout of what it gave."""
        kwargs = kwargs or {}
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        follows = any(self.layout(leaf) is not None for leaf in leaves)
        # Before it runs: in place, an operator changes the layout of its own argument.
        out = func(*args, **kwargs)
        outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        found = self._of(func, args, kwargs, out) if follows or _anchors(func) else None
        layouts = found if isinstance(found, list) else [found]
        for i, output in enumerate(outputs):
            layout = layouts[i] if i < len(layouts) else None
            if layout is None and not follows:
                self._layouts.pop(_key(output), None)
            else:
                self.mark(output, layout if _fits(layout, output) else lost(output.shape))  # type: ignore[arg-type]
        return out

    def _of(self, func: Any, args: Any, kwargs: Any, out: Any) -> Any:
        try:
            found = output_layouts(self.layout, func, args, kwargs, out)
        except (IndexError, ValueError, TypeError, KeyError):  # called in a way that no rule foresaw
            return None
        if _anchors(func) and found[0] == single("other", self._samples):
            found = (single("sample", self._samples), *found[1:])  # which is what dimension 0 of it is
        return found


def _fits(layout: Layout | None, output: Tensor) -> bool:
    return layout is not None and tuple(map(size, layout)) == tuple(output.shape)


def _anchors(func: Any) -> bool:
    return func._schema.name.endswith("::convolution")


def _key(tensor: Tensor) -> tuple[Any, ...]:
    try:
        return tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype
    except (RuntimeError, NotImplementedError):  # sparse ones and others without a memory of their own
        return id(tensor), tuple(tensor.shape)
