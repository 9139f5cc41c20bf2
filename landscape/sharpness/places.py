"""Places where weights can change and the function does not, found by watching a forward pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from landscape.layout import Watching

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

_LINEAR = {"view", "_unsafe_view", "reshape", "flatten", "clone", "contiguous", "mean", "alias", "detach"}
_LINEAR |= {"avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "squeeze", "unsqueeze"}
_POSITIVE = {
    "relu",
    "relu_",
    "leaky_relu",
    "leaky_relu_",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
}
_POINTWISE = {"hardtanh", "hardtanh_", "gelu", "silu", "silu_", "tanh", "tanh_", "sigmoid", "sigmoid_", "elu"}
_POINTWISE |= {"elu_", "hardswish", "hardswish_", "hardsigmoid", "mish", "mish_", "softplus"}


@dataclass(frozen=True)
class Place:
    """A layer whose units one other layer reads, and nothing else.

    Attributes:
        first: Name of the layer, a convolution or dense one.
        norm: Name of the BatchNorm behind it; empty where there is none.
        second: Name of the layer that reads the units.
        positive: Whether all between them commutes with scaling by positive numbers, as ReLU and pooling do.
        repeat: Inputs of the second layer for each unit: the positions of a map that is flattened.
    """

    first: str
    norm: str
    second: str
    positive: bool
    repeat: int

    def __str__(self) -> str:
        return f"{self.first} → {self.second}"


def watched(module: nn.Module, run: Callable[[], object]) -> tuple[list[tuple[str, str]], list[Place]]:
    """Layers with the BatchNorm that alone reads them, and places; layers that are shared are left out.

    Args:
        module: The network, in eval mode.
        run: Runs it once.
    """
    watch = _Watch(module)
    try:
        with watch:
            run()
    finally:
        watch.close()
    return watch.pairs(), watch.places()


@dataclass(frozen=True)
class _Step:
    """One operator on what comes from the input."""

    name: str
    gives: int
    layer: str


class _Watch(Watching):
    """Numbers every tensor that comes from the input, anew when it changes in place, and its readers."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._layers = {
            name: layer
            for name, layer in module.named_modules()
            if type(layer) in _WEIGHTED + _NORMS and "forward" not in vars(layer)
        }
        owners = Counter(id(p) for layer in module.modules() for p in layer._parameters.values())
        self._layers = {name: layer for name, layer in self._layers.items() if _plain(layer, owners)}
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # holding a tensor keeps its id its own
        self._readers: dict[int, list[_Step]] = {}
        self._outputs: dict[str, int] = {}
        self._runs: Counter[str] = Counter()
        self._now: list[str] = []
        self._count = 0
        self._handles = [module.register_forward_pre_hook(self._begin, with_kwargs=True)]
        for name, layer in self._layers.items():
            self._handles.append(layer.register_forward_pre_hook(self._entering(name)))
            self._handles.append(layer.register_forward_hook(self._leaving(name)))

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def pairs(self) -> list[tuple[str, str]]:
        """Layers whose output one BatchNorm with stored statistics reads, and nothing else."""
        found = []
        for name in self._outputs:
            norm = self._behind(name)
            if norm:
                found.append((name, norm))
        return found

    def places(self) -> list[Place]:
        """Layers with the one that reads them."""
        found = [self._place(name) for name in self._outputs if isinstance(self._layers[name], _WEIGHTED)]
        return [place for place in found if place is not None]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, and note what it reads."""
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        read = {self._numbers[id(leaf)] for leaf in leaves if id(leaf) in self._numbers}
        out = func(*args, **(kwargs or {}))
        if read:
            self._count += 1
            step = _Step(func._schema.name.split("::")[-1], self._count, self._now[-1] if self._now else "")
            for number in read:
                self._readers.setdefault(number, []).append(step)
            for leaf in tree_leaves(out):
                if isinstance(leaf, Tensor):
                    self._number(leaf, self._count)
        return out

    def _number(self, tensor: Tensor, number: int) -> None:
        self._numbers[id(tensor)] = number
        self._kept.append(tensor)

    def _begin(self, _module: nn.Module, args: Any, kwargs: Any) -> None:
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor):
                self._number(leaf, 0)

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(_layer: nn.Module, _args: Any) -> None:
            self._now.append(name)
            self._runs[name] += 1

        return enter

    def _leaving(self, name: str) -> Callable[..., None]:
        def leave(_layer: nn.Module, _args: Any, output: Any) -> None:
            self._now.pop()
            if isinstance(output, Tensor) and id(output) in self._numbers:
                self._outputs[name] = self._numbers[id(output)]

        return leave

    def _reader(self, number: int) -> _Step | None:
        """What alone reads a tensor, if it is no layer that runs more than once."""
        steps = self._readers.get(number, [])
        return steps[0] if len(steps) == 1 and self._runs[steps[0].layer] <= 1 else None

    def _behind(self, name: str) -> str:
        """The BatchNorm that alone reads a layer's output; empty where there is none."""
        step = self._reader(self._outputs[name])
        if self._runs[name] != 1 or not isinstance(self._layers[name], _WEIGHTED) or step is None:
            return ""
        norm = self._layers.get(step.layer)
        stored = isinstance(norm, _NORMS) and norm.running_mean is not None and not norm.training
        return step.layer if stored else ""

    def _place(self, name: str) -> Place | None:
        norm, positive = self._behind(name), True
        if self._runs[name] != 1:
            return None
        number = self._outputs[norm or name]
        while (step := self._reader(number)) is not None:
            layer = self._layers.get(step.layer)
            if isinstance(layer, _WEIGHTED):
                repeat = _repeat(self._layers[name], layer)
                return Place(name, norm, step.layer, positive, repeat) if repeat else None
            if layer is not None or step.name not in _LINEAR | _POSITIVE | _POINTWISE:
                return None
            positive, number = positive and step.name not in _POINTWISE, step.gives
        return None


def units(layer: nn.Module) -> int:
    """Output units of a layer."""
    return int(layer.weight.shape[0])  # type: ignore[index]


def _repeat(first: nn.Module, second: nn.Module) -> int:
    """Inputs of the second layer for each unit of the first; 0 where they do not go together."""
    if any(getattr(layer, "groups", 1) != 1 for layer in (first, second)):
        return 0
    inputs = int(second.weight.shape[1])  # type: ignore[index]
    if inputs % units(first) or (inputs != units(first) and not isinstance(second, nn.Linear)):
        return 0
    return inputs // units(first)


def _plain(layer: nn.Module, owners: Counter[int]) -> bool:
    """Whether a layer's parameters are its own, and nothing is computed from others."""
    own = [parameter for parameter in layer._parameters.values() if parameter is not None]
    weighted = isinstance(layer, _NORMS) or layer._parameters.get("weight") is not None
    return weighted and all(owners[id(parameter)] == 1 for parameter in own)
