"""BatchNorm on stored statistics folded into the convolution before it: (w ∗ x)·s + t = (s·w) ∗ x + t.

Exact, and the parameters stay the same variables: scale and shift are computed from them at each evaluation,
so derivatives reach the convolution's weight and BatchNorm's γ and β as before. What is saved is every pass
over the feature maps that BatchNorm and its derivatives make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from landscape.layout import Watching

Pair = tuple[nn.Module, nn.Module]
"""A convolution and the BatchNorm that alone reads its output."""

_KINDS: dict[type, type] = {nn.Conv1d: nn.BatchNorm1d, nn.Conv2d: nn.BatchNorm2d, nn.Conv3d: nn.BatchNorm3d}


def foldable(module: nn.Module, run: Callable[[], object]) -> list[Pair]:
    """Pairs that can be folded, found by watching one forward pass.

    A convolution qualifies when its output is read by one BatchNorm with stored statistics and by nothing
    else, and both run once. Subclasses and parametrised layers are left alone: they may compute otherwise.

    Args:
        module: The network, run in eval mode.
        run: Runs it once.
    """
    watch = _Watch(module)
    try:
        with watch:
            run()
    finally:
        watch.close()
    return watch.pairs()


class Unfoldable(Exception):
    """A pass in which a BatchNorm did not read its own convolution's output, and nothing else.

    Attributes:
        pair: The two layers.
    """

    def __init__(self, pair: Pair) -> None:
        super().__init__("a BatchNorm does not read the convolution that it was folded into")
        self.pair = pair


@contextmanager
def folded(pairs: Sequence[Pair]) -> Iterator[None]:
    """Run these pairs as one convolution each while open, around one forward pass.

    The layers' own `forward` is put back on leaving, also after an error.

    Raises:
        Unfoldable: If in this pass a BatchNorm reads anything but its convolution's output, or is skipped
            after its convolution has run, as in a branch that depends on the data.
    """
    together = [_Together(pair) for pair in pairs]
    try:
        for each in together:
            convolution, norm = each.pair
            vars(convolution)["forward"], vars(norm)["forward"] = each.convolve, each.normalise
        yield
        for each in together:
            each.finish()
    finally:
        for layer in (layer for pair in pairs for layer in pair):
            vars(layer).pop("forward", None)


def unseen(pairs: Sequence[Pair], hooked: Sequence[nn.Module]) -> list[Pair]:
    """The pairs between whose two layers no hook can look.

    A hook sees what goes into and out of its module. The map between convolution and BatchNorm is that only
    for a module that holds one of the two without the other; nothing else reads it.

    Args:
        pairs: Of `foldable`.
        hooked: Modules with hooks.
    """
    inside = [set(module.modules()) for module in hooked]
    return [pair for pair in pairs if all((pair[0] in each) == (pair[1] in each) for each in inside)]


class _Together:
    """A pair in one pass: the convolution computes both, and BatchNorm must receive just that."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self._output: Tensor | None = None

    def convolve(self, input: Tensor) -> Tensor:
        """The convolution with BatchNorm's scale and shift."""
        self.finish()
        convolution, norm = self._layers()
        scale = torch.rsqrt(norm.running_var + norm.eps)
        if norm.weight is not None:
            scale = scale * norm.weight
        mean = norm.running_mean if convolution.bias is None else norm.running_mean - convolution.bias
        shift = -mean * scale if norm.bias is None else norm.bias - mean * scale
        weight = convolution.weight
        scaled = weight * scale.view(-1, *[1] * (weight.dim() - 1))
        self._output = convolution._conv_forward(input, scaled, shift)
        return self._output

    def normalise(self, input: Tensor) -> Tensor:
        """The identity, of that one output."""
        if input is not self._output:
            raise Unfoldable(self.pair)
        self._output = None
        return input

    def finish(self) -> None:
        """Refuse an output that BatchNorm has not read."""
        if self._output is not None:
            raise Unfoldable(self.pair)

    def _layers(self) -> tuple[Any, Any]:
        return self.pair


class _Watch(Watching):
    """Notes who reads each convolution's output during one forward pass."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._outputs: dict[int, tuple[nn.Module, Tensor]] = {}  # holding the tensor keeps its id its own
        self._readers: dict[int, int] = {}
        self._found: list[tuple[nn.Module, nn.Module, int]] = []
        self._runs: dict[nn.Module, int] = {}
        self._handles = []
        for layer in module.modules():
            if "forward" in vars(layer):
                continue
            if type(layer) in _KINDS:
                self._handles.append(layer.register_forward_hook(self._after_convolution))
            elif type(layer) in _KINDS.values():
                self._handles.append(layer.register_forward_hook(self._after_norm))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the operations on a convolution's output; asking for its shape or the like is none."""
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor) and id(leaf) in self._outputs:
                self._readers[id(leaf)] = self._readers.get(id(leaf), 0) + 1
        return func(*args, **(kwargs or {}))

    def pairs(self) -> list[Pair]:
        return [
            (convolution, norm)
            for convolution, norm, key in self._found
            if self._readers.get(key) == 1 and self._runs[convolution] == self._runs[norm] == 1
        ]

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _after_convolution(self, layer: nn.Module, args: Any, output: Tensor) -> None:
        self._runs[layer] = self._runs.get(layer, 0) + 1
        self._outputs[id(output)] = (layer, output)

    def _after_norm(self, layer: nn.Module, args: Any, output: Tensor) -> None:
        self._runs[layer] = self._runs.get(layer, 0) + 1
        key = id(args[0]) if args else 0  # called by name, it stays as it is
        found = self._outputs.get(key)
        stored = layer.running_mean is not None and not layer.training
        if found is not None and stored and _KINDS[type(found[0])] is type(layer):
            self._found.append((found[0], layer, key))
