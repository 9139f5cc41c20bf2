"""Changes of weights that leave the function as it is: what a measure of the function should not notice."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape import trees
from landscape.linalg import substream
from landscape.objective import Objective
from landscape.parameters import Parameters
from landscape.sharpness.perturbations import Noise
from landscape.sharpness.places import Place, units, watched

TOLERANCE = 1e-8
"""Largest change of an output in float64, as a share of the largest output, at which a change is none."""
_WATCHED, _COMPARED = 2, 8  # samples

Orders = dict[str, dict[int, Tensor]]
"""Parameter → dimension → order of its entries."""


@dataclass(frozen=True, eq=False)
class Transformed:
    """A network that computes the same with other weights.

    Attributes:
        name: Of the change.
        objective: The loss of that network; None where the change does not apply.
        difference: Largest change of an output, as a share of the largest output, in float64.
        where: The places that were changed.
        reason: Why it does not apply; empty where it does.
        orders: Of permuted parameters.
    """

    name: str
    objective: Objective | None
    difference: float = float("nan")
    where: tuple[str, ...] = ()
    reason: str = ""
    orders: Orders = field(default_factory=dict)

    def noise(self, own: Noise, objective: Objective) -> Noise:
        """The same random vectors for this network, in the order of its units.

        Args:
            own: Those of the network as it was.
            objective: Of the network as it was.
        """
        if not self.orders:
            return own
        shapes = {name: value.shape for name, value in objective.parameters.items()}
        return Noise(own.seed, lambda vector: ordered(vector, self.orders), shapes)


def ordered(tensors: Parameters, orders: Orders) -> Parameters:
    """Tensors with their entries in another order."""
    found = dict(tensors)
    for name in orders.keys() & tensors.keys():
        for dim, order in orders[name].items():
            found[name] = found[name].index_select(dim, order.to(found[name].device))
    return found


def transformed(name: str, objective: Objective, *, factor: float = 2.0, seed: int = 0) -> Transformed:
    """The objective of a network that is another one's function with other weights.

    - `filter_scale`: every filter with BatchNorm behind it times the factor, and the stored statistics with
      it, as training on the scaled weights would store them.
    - `relu_rescale`: units before a ReLU times the factor, and the weights that read them divided by it.
    - `permute`: the units of each layer that one other layer reads in another order.
    - `fold_batchnorm`: BatchNorm on stored statistics as part of the layer before it.
    - `split_unit`: one unit of each such layer twice, and the weights that read it halved.

    It is made in float64, its outputs are compared with those of the network as it was, and a place where
    they differ by more than `TOLERANCE` is left alone.

    Args:
        name: One of `TRANSFORMATIONS`.
        objective: Of the network as it is.
        factor: α of the first two.
        seed: Random seed of the orders.
    """
    change, of_pairs, missing = TRANSFORMATIONS[name]
    task, inputs = objective.task, _inputs(objective)
    try:
        original = copy.deepcopy(objective.network.module).double().eval()
    except (RuntimeError, TypeError, AttributeError) as error:
        return Transformed(name, None, reason=f"the network cannot be copied ({type(error).__name__})")

    def outputs(module: nn.Module, count: int = _COMPARED) -> Tensor:
        with torch.no_grad():
            return task.run(module, trees.copied(trees.rows(inputs, slice(count))))

    try:
        pairs, places = watched(original, lambda: outputs(original, _WATCHED))
        expected = outputs(original)
    except (RuntimeError, TypeError) as error:
        return Transformed(name, None, reason=f"the network does not run in float64 ({type(error).__name__})")
    spots: list[Any] = (
        pairs if of_pairs else [each for each in places if name != "relu_rescale" or each.positive]
    )
    draw = np.random.default_rng(substream(seed, 2))
    orders = {str(spot): draw.permutation(_units(original, spot)) for spot in spots}

    def attempt(chosen: list[Any]) -> tuple[nn.Module, Orders, float]:
        module = copy.deepcopy(original)
        found: Orders = {}
        with torch.no_grad():
            for spot in chosen:
                for key, dims in (change(module, spot, factor, orders[str(spot)]) or {}).items():
                    found[key] = found.get(key, {}) | dims  # a layer is read by one and reads another
        return module, found, _apart(outputs(module), expected)

    found = _kept(attempt, spots)
    if found is None:
        return Transformed(name, None, reason=missing)
    module, permuted, difference, chosen = found
    dtype = next(value.dtype for value in objective.network.module.parameters() if value.is_floating_point())
    where = tuple(" → ".join(spot) if isinstance(spot, tuple) else str(spot) for spot in chosen)
    other = _objective(objective, module.to(dtype))
    return Transformed(name, other, difference, where, orders=permuted)


def _kept(attempt: Callable[..., Any], spots: list[Any]) -> tuple[nn.Module, Orders, float, list[Any]] | None:
    """The change at all places, or at those where the outputs stay; None where there is none."""
    for chosen in (lambda: spots, lambda: [spot for spot in spots if attempt([spot])[2] <= TOLERANCE]):
        kept = chosen()
        if kept:
            module, orders, difference = attempt(kept)
            if difference <= TOLERANCE:
                return module, orders, difference, kept
    return None


def _apart(outputs: Tensor, expected: Tensor) -> float:
    if outputs.shape != expected.shape:
        return float("inf")
    scale = float(expected.abs().max()) or 1.0
    found = float((outputs - expected).abs().max()) / scale
    return found if found == found else float("inf")


def _inputs(objective: Objective) -> Any:
    """A few prepared inputs in float64."""
    part = objective.subset(0, _COMPARED).replace(dtype="float64", soundness=None)
    return next(iter(part.replace(micro_batch=_COMPARED).batches()))[1]


def _objective(objective: Objective, module: nn.Module) -> Objective:
    """The same loss of another module, under the same protocol."""
    network = replace(objective.network, module=module)
    fields = {name: value for name, value in vars(objective.modes).items() if name != "loss"}
    return Objective(network, objective.samples, **fields)


def _units(module: nn.Module, spot: Any) -> int:
    return units(module.get_submodule(spot.first if isinstance(spot, Place) else spot[0]))


def _layers(module: nn.Module, *names: str) -> list[Any]:
    return [module.get_submodule(name) if name else None for name in names]


def _filter_scale(module: nn.Module, spot: tuple[str, str], factor: float, order: np.ndarray) -> None:
    layer, norm = _layers(module, *spot)
    layer.weight *= factor
    if layer.bias is not None:
        layer.bias *= factor
    norm.running_mean *= factor
    norm.running_var.copy_(factor**2 * (norm.running_var + norm.eps) - norm.eps)


def _relu_rescale(module: nn.Module, spot: Place, factor: float, order: np.ndarray) -> None:
    first, norm, second = _layers(module, spot.first, spot.norm, spot.second)
    for value in (norm or first)._parameters.values():
        if value is not None:
            value *= factor
    second.weight /= factor


def _permute(module: nn.Module, spot: Place, factor: float, order: np.ndarray) -> Orders:
    first, norm, second = _layers(module, spot.first, spot.norm, spot.second)
    index = torch.from_numpy(order)
    wide = (index[:, None] * spot.repeat + torch.arange(spot.repeat)).flatten()
    found: Orders = {}
    for name, layer in ((spot.first, first), (spot.norm, norm)):
        for key, value in (
            dict(layer.named_parameters()) | dict(layer.named_buffers()) if layer else {}
        ).items():
            if value.dim():
                value.copy_(value[index])
                found[f"{name}.{key}"] = {0: index}
    second.weight.copy_(second.weight[:, wide])
    found[f"{spot.second}.weight"] = {1: wide}
    return found


def _fold(module: nn.Module, spot: tuple[str, str], factor: float, order: np.ndarray) -> None:
    layer, norm = _layers(module, *spot)
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean if layer.bias is None else layer.bias - norm.running_mean
    shift = shift * scale if norm.bias is None else shift * scale + norm.bias
    layer.weight *= scale.view(-1, *[1] * (layer.weight.dim() - 1))
    free = any(each is not None and each.requires_grad for each in (layer.bias, norm.bias))
    layer.bias = nn.Parameter(shift, layer.weight.requires_grad if norm.bias is None else free)
    parent, _, name = spot[1].rpartition(".")
    setattr(module.get_submodule(parent), name, nn.Identity())


def _split(module: nn.Module, spot: Place, factor: float, order: np.ndarray) -> None:
    first, norm, second = _layers(module, spot.first, spot.norm, spot.second)
    unit, count = int(order[0]), units(first)
    for layer in filter(None, (first, norm)):
        for store in (layer._parameters, layer._buffers):
            for key, value in store.items():
                if value is not None and value.dim():
                    wider = torch.cat([value, value[unit : unit + 1]])
                    whole = store is layer._parameters
                    store[key] = nn.Parameter(wider, value.requires_grad) if whole else wider
    columns = slice(unit * spot.repeat, (unit + 1) * spot.repeat)
    second.weight[:, columns] /= 2
    wider = torch.cat([second.weight, second.weight[:, columns]], 1)
    second.weight = nn.Parameter(wider, second.weight.requires_grad)
    for layer, wide, narrow in ((first, "out_channels", "out_features"), (norm, "num_features", "")):
        for name in (wide, narrow):
            if layer is not None and hasattr(layer, name):
                setattr(layer, name, count + 1)
    for name in ("in_channels", "in_features"):
        if hasattr(second, name):
            setattr(second, name, getattr(second, name) + spot.repeat)


Change = Callable[[nn.Module, Any, float, np.ndarray], Orders | None]

_NO_NORM = "no BatchNorm on stored statistics reads a convolution or dense layer alone"
_NO_PLACE = "no convolution or dense layer has units that one other such layer reads alone"

TRANSFORMATIONS: dict[str, tuple[Change, bool, str]] = {
    "filter_scale": (_filter_scale, True, _NO_NORM),
    "relu_rescale": (_relu_rescale, False, f"{_NO_PLACE} across ReLU"),
    "permute": (_permute, False, _NO_PLACE),
    "fold_batchnorm": (_fold, True, _NO_NORM),
    "split_unit": (_split, False, _NO_PLACE),
}
"""By name the change, whether it is of layers with BatchNorm (or of places), and why there may be none."""
