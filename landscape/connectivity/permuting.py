"""Permutations of units, applied to parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from landscape.connectivity.groups import Group, Symmetry, along, fail
from landscape.objective import Objective
from landscape.parameters import Parameters

TOLERANCE = 1e-5
"""Share of the largest output by which a permutation may move outputs, in float64 or the module's own."""


def permuted(tensors: Mapping[str, Tensor], found: Symmetry, source: np.ndarray) -> Parameters:
    """The same network with its units in another order.

    Args:
        tensors: Parameters and buffers by name.
        found: Its symmetry.
        source: For each class the one whose parameters come to its place, as `Symmetry.random` draws it.
    """
    return {
        name: _moved(value, found.layers[name], source) if name in found.layers else value
        for name, value in tensors.items()
    }


def _moved(value: Tensor, layers: Sequence[np.ndarray], source: np.ndarray) -> Tensor:
    moving = [layer for layer in layers if np.any(source[np.maximum(layer, 0)] != np.maximum(layer, 0))]
    if not moving:
        return value
    places = [along(layer) for layer in moving]
    if None not in places:
        for layer, axis in zip(moving, places, strict=True):
            order = _order(layer.reshape(-1), source)
            value = value.index_select(axis, torch.from_numpy(order).to(value.device))  # type: ignore[arg-type]
        return value
    # Units that are others in each group of a convolution: by all coordinates at once.
    wide = np.broadcast_arrays(*layers, np.empty(value.shape))[:-1]
    codes, targets = np.zeros(value.numel(), np.int64), np.zeros(value.numel(), np.int64)
    for layer in wide:
        flat = layer.reshape(-1)
        codes = codes * len(source) + flat
        targets = targets * len(source) + source[flat]
    index = torch.from_numpy(_matching(codes, targets)).to(value.device)
    return value.reshape(-1)[index].reshape(value.shape)


def _order(row: np.ndarray, source: np.ndarray) -> np.ndarray:
    return _matching(row, np.where(row < 0, row, source[np.maximum(row, 0)]))


def _matching(codes: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """For each place that of the same rank among those with the code that is wanted there."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    ranks = np.empty(len(codes), np.int64)
    ranks[order] = np.arange(len(codes)) - np.searchsorted(ordered, ordered)
    return order[np.minimum(np.searchsorted(ordered, targets) + ranks, len(order) - 1)]


@dataclass(frozen=True, eq=False)
class Copy:
    """A network's parameters and buffers.

    Attributes:
        parameters: By name.
        buffers: By name.
    """

    parameters: Parameters
    buffers: Parameters

    @classmethod
    def of(cls, objective: Objective) -> Copy:
        """Those of an objective."""
        return cls(dict(objective.parameters), dict(objective.forward.buffers))

    def permuted(self, found: Symmetry, source: np.ndarray) -> Copy:
        """With units in another order."""
        return Copy(permuted(self.parameters, found, source), permuted(self.buffers, found, source))

    def outputs(self, objective: Objective) -> Tensor:
        """Outputs for all samples of an objective of the same architecture, shape (sample, …)."""
        placed = objective.replace(forward=objective.forward.replace(buffers=self.buffers))
        return torch.cat([out for out, _ in placed.outputs(self.parameters)])


def verified(objective: Objective, found: Symmetry, *, seed: int = 0) -> float:
    """See that a random permutation of every group leaves the outputs as they are.

    Tried at weights that random numbers have moved, as equal ones, such as the gains of a fresh BatchNorm,
    would hide a mistake.

    Args:
        objective: The network; at most four of its samples are used.
        found: Its symmetry.
        seed: Of the permutation and of the numbers.

    Returns:
        How far outputs moved, as a share of the largest.

    Raises:
        LandscapeError: If they moved by more than `TOLERANCE`; the message names the group.
    """
    few = objective.selected(np.arange(min(4, len(objective.samples)))).replace(
        dtype="float64", dropout="off", batch_norm="eval"
    )
    few = few.replace(soundness=None)
    moved = _shaken(Copy.of(few), seed)
    before = moved.outputs(few)
    scale = float(before.abs().max()) or 1.0

    def off(only: Sequence[Group]) -> float:
        after = moved.permuted(found, found.random(seed, only)).outputs(few)
        return float((after - before).abs().max()) / scale

    worst = off(found.groups)
    if not worst <= TOLERANCE:
        for group in found.groups:
            if not (own := off([group])) <= TOLERANCE:
                raise fail(group, objective.network.name, own)
        raise fail(found.groups[0], objective.network.name, worst)
    return worst


def _shaken(copy: Copy, seed: int) -> Copy:
    """Parameters and BatchNorm's statistics, each moved by a tenth of its size; other buffers stay."""
    generator = torch.Generator().manual_seed(seed)

    def shaken(value: Tensor) -> Tensor:
        size = float(value.square().mean().sqrt()) or 1.0
        noise = torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
        return value + 0.1 * size * noise

    buffers = dict(copy.buffers)
    for name, value in copy.buffers.items():
        if name.endswith("running_mean"):
            buffers[name] = shaken(value)
        elif name.endswith("running_var"):
            buffers[name] = value * (1 + 0.1 * torch.rand(value.shape, generator=generator).to(value))
    return Copy({name: shaken(value) for name, value in copy.parameters.items()}, buffers)
