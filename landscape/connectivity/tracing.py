"""A forward pass in which the units of every parameter are followed to whatever they meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from landscape.connectivity.layers import Layer, Layered, Order, compact, memory_order
from landscape.connectivity.rules import outcome
from landscape.connectivity.units import Units
from landscape.errors import LandscapeError
from landscape.layout import Watching
from landscape.layout.watch import first_tensor


@dataclass
class Carrier:
    """What a submodule gave.

    Attributes:
        name: Of the submodule.
        layers: Units by place of its output.
        shape: Of its output.
    """

    name: str
    layers: tuple[Layer, ...]
    shape: tuple[int, ...]


@dataclass
class Traced:
    """What a trace found.

    Attributes:
        units: Every unit, and which move together.
        layers: Units by place of every parameter and buffer that took part.
        carriers: What every submodule gave, in the order of execution; each tensor once.
    """

    units: Units
    layers: dict[str, tuple[Layer, ...]]
    carriers: list[Carrier] = field(default_factory=list)


class Trace(Watching):
    """While open, follows units through every operator, see `landscape.connectivity.rules`.

    Raises:
        LandscapeError: At an operator that no rule knows, if units reach it; the message names it and the
            submodule that calls it.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.units = Units()
        self.carriers: list[Carrier] = []
        self._known: dict[int, tuple[Tensor, Layered]] = {}
        self._lay: dict[int, Order] = {}
        self._names: dict[int, str] = {}
        self._used: dict[str, tuple[Layer, ...]] = {}
        self._grouped: set[str] = set()
        self._inside: list[str] = []
        self._module = module

    def of(self, tensor: Tensor) -> Layered:
        """What is known of a tensor; of a constant, along which axes its values change."""
        known = self._known.get(id(tensor))
        if known is not None:
            name = self._names.get(id(tensor))
            if name is not None:
                self._used[name] = known[1].layers
            return known[1]
        present = []
        for axis, size in enumerate(tensor.shape):
            one = tensor.narrow(axis, 0, 1) if size else tensor
            present.append(size > 1 and not bool((tensor == one).all()))
        return Layered((), tuple(present))

    def unmoved(self, tensor: Tensor, out: Tensor) -> bool:
        """Whether a view has the places of a tensor, each where it was in memory when that was made."""
        return self._lay.get(id(tensor)) == memory_order(out)

    def grouped(self, weight: Tensor, groups: int) -> Layered | None:
        """Of the weight (g·o, i, …) of a convolution in groups, with units of its inputs for each group."""
        name = self._names.get(id(weight))
        if name is None:
            return None
        if name not in self._grouped:
            if name in self._used:
                return None
            self._grouped.add(name)
            known = self.of(weight)
            outs, ins = weight.shape[:2]
            others = [layer for layer in known.layers if layer.shape[1] == 1]
            if ins > 1:
                grid = self.units.new(groups * ins).reshape(groups, 1, ins)
                wide = grid.expand(groups, outs // groups, ins).reshape(outs, ins)
                others.append(compact(wide.reshape(outs, ins, *[1] * (weight.dim() - 2))))
            self._mark(weight, Layered(tuple(others), known.present), name)
        return self.of(weight)

    def found(self) -> Traced:
        """What there is, once the pass is over."""
        return Traced(self.units, self._used, self.carriers)

    def begin(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Hook: before the network runs, parameters get units and its inputs none."""
        tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        for name, tensor in tensors.items():
            layers = []
            for axis, size in enumerate(tensor.shape):
                if size > 1:
                    shape = [size if a == axis else 1 for a in range(tensor.dim())]
                    layers.append(self.units.new(size).reshape(shape))
            self._mark(tensor, Layered(tuple(layers), tuple(size > 1 for size in tensor.shape)), name)
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):
                self._mark(tensor, Layered((), tuple(size > 1 for size in tensor.shape)))

    def hooks(self) -> list[Any]:
        """Hooks by which the trace knows where it is; to be removed."""
        handles: list[Any] = [self._module.register_forward_pre_hook(self.begin, with_kwargs=True)]
        for name, part in self._module.named_modules():
            handles.append(part.register_forward_pre_hook(lambda *_, name=name: self._inside.append(name)))
            handles.append(part.register_forward_hook(self._leave))
        return handles

    def _leave(self, _part: nn.Module, _args: Any, output: Any) -> None:
        name, tensor = self._inside.pop(), first_tensor(output)
        if tensor is None or id(tensor) not in self._known or id(tensor) in self._names:
            return
        if not any(one.layers is self._known[id(tensor)][1].layers for one in self.carriers):
            layers = self._known[id(tensor)][1].layers
            self.carriers.append(Carrier(name, layers, tuple(tensor.shape)))
        if not self._inside:  # what the network gives is known by its places
            for layer in self._known[id(tensor)][1].layers:
                self.units.fix(layer.numpy())

    def _mark(self, tensor: Tensor, found: Layered, name: str | None = None) -> None:
        self._known[id(tensor)] = (tensor, found)  # held, or its place would be taken by another
        self._lay[id(tensor)] = memory_order(tensor)
        if name is not None:
            self._names[id(tensor)] = name

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, and follow."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if not any(id(leaf) in self._known for leaf in leaves):
            return out
        outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        result = self._result(func, args, kwargs, out, leaves)
        results = result if isinstance(result, list) else [result] * len(outputs)
        for output, found in zip(outputs, results, strict=False):
            known = len(found.present) == output.dim()
            self._mark(output, found if known else Layered((), tuple(size > 1 for size in output.shape)))
        return out

    def _result(self, func: Any, args: Any, kwargs: Any, out: Any, leaves: list[Tensor]) -> Any:
        given = _bound(func, args, kwargs)
        result = outcome(self, func, given, out)
        if result is not None:
            return result
        if any(self.of(leaf).layers for leaf in leaves):
            where = self._inside[-1] if self._inside else ""
            part = self._module.get_submodule(where) if where else self._module
            raise LandscapeError(
                f"the units of {where or 'the network'} ({type(part).__name__}) could not be followed "
                "through "
                f"{func._schema.name.removeprefix('aten::')}, so that it is not known which may be permuted; "
                "leave out --align, or write that part with other operators of torch"
            )
        outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        return [Layered((), tuple(size > 1 for size in output.shape)) for output in outputs]


def _bound(func: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by the names that the operator's schema gives them, in its order."""
    schema = func._schema.arguments
    given = {argument.name: value for argument, value in zip(schema, args, strict=False)}
    given |= kwargs
    defaults = {a.name: a.default_value for a in schema if a.has_default_value()}
    ordered = {a.name: given.get(a.name, defaults.get(a.name)) for a in schema}
    return {name: value for name, value in ordered.items() if name in given or name in defaults}
