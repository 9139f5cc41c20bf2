"""Means and spreads of units along a line, put right: statistics of BatchNorm anew, and REPAIR."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from landscape import trees
from landscape.connectivity.permuting import Copy
from landscape.forward.contexts import batch_norms
from landscape.objective import Objective
from landscape.parameters import Parameters

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Spread:
    """Of every unit of a layer, over samples and places, float64.

    Attributes:
        mean: Shape (unit,).
        deviation: Shape (unit,).
    """

    mean: Tensor
    deviation: Tensor


def statistics_at(calibration: Objective, theta: Parameters) -> Parameters:
    """Buffers with BatchNorm's statistics estimated at these parameters over an objective's samples.

    Those of A and B hold at neither mixture of the two (Izmailov et al. 2018); a network without BatchNorm
    keeps its buffers.
    """
    forward = calibration.forward
    if not batch_norms(forward.module):
        return dict(forward.buffers)
    with torch.no_grad():
        return forward.replace(dropout="off").recalibrated(theta, calibration.batches(), 0).buffers


def repairable(module: nn.Module) -> dict[str, nn.Module]:
    """Layers whose outputs REPAIR puts right: convolutions and dense layers with a bias, but the last one.

    Those of a network with BatchNorm are put right by its statistics, and there are none.
    """
    if batch_norms(module):
        return {}
    found = {
        name: part
        for name, part in module.named_modules()
        if type(part) in _LAYERS and part.bias is not None and "weight" in part._parameters
    }
    return dict(list(found.items())[:-1])


def spreads(calibration: Objective, theta: Parameters) -> dict[str, Spread]:
    """Mean and standard deviation of every unit of the layers of `repairable`, as the network runs."""
    return _collected(calibration, theta, {})


def repaired(
    calibration: Objective, theta: Parameters, ends: tuple[dict[str, Spread], ...], t: float
) -> Parameters:
    """REPAIR (Jordan et al. 2023): units with the mean and spread that lie between those of the ends.

    Averaged units vary less than either, the less the deeper they lie. Every layer's outputs are scaled and
    shifted so that mean and deviation are (1 − t)·A + t·B, layer after layer in one pass, and the scales and
    shifts are put into weights and biases.

    Args:
        calibration: The samples that statistics are taken over, and the network.
        theta: Parameters at t.
        ends: What `spreads` gives of A and of B (aligned).
        t: Where.
    """
    wanted = {
        name: Spread((1 - t) * a.mean + t * b.mean, (1 - t) * a.deviation + t * b.deviation)
        for (name, a), b in zip(ends[0].items(), ends[1].values(), strict=True)
    }
    found = _collected(calibration, theta, wanted)
    result = dict(theta)
    for name, goal in wanted.items():
        scale = goal.deviation / found[name].deviation.clamp(min=_LEAST)
        scale = torch.where(found[name].deviation > _LEAST, scale, torch.ones_like(scale))
        weight, bias = theta[f"{name}.weight"], theta[f"{name}.bias"]
        shape = (-1, *[1] * (weight.dim() - 1))
        result[f"{name}.weight"] = weight * scale.to(weight).reshape(shape)
        result[f"{name}.bias"] = ((bias - found[name].mean) * scale + goal.mean).to(bias)
    return result


def _collected(calibration: Objective, theta: Parameters, wanted: dict[str, Spread]) -> dict[str, Spread]:
    """Means and deviations over all samples; layers are given those wanted on the way, by batch."""
    module, forward = calibration.network.module, calibration.forward.replace(dropout="off")
    sums: dict[str, list[Tensor]] = {}
    counts: dict[str, int] = {}
    layers = repairable(module)

    def hook(name: str) -> Callable[..., Tensor | None]:
        def after(part: nn.Module, _args: object, out: Tensor) -> Tensor | None:
            axis = out.dim() - 1 if isinstance(part, nn.Linear) else 1
            rows = out.movedim(axis, 0).flatten(1).double()
            parts = [rows.sum(1), rows.square().sum(1)]
            sums[name] = (
                [a + b for a, b in zip(sums.get(name, parts), parts, strict=True)] if name in sums else parts
            )
            counts[name] = counts.get(name, 0) + rows.shape[1]
            if name not in wanted:
                return None
            own, goal = _spread(parts[0], parts[1], rows.shape[1]), wanted[name]
            scale = torch.where(own.deviation > _LEAST, goal.deviation / own.deviation.clamp(min=_LEAST), 1.0)
            shape = [-1 if a == axis else 1 for a in range(out.dim())]
            back = goal.mean - own.mean * scale
            return (out.double() * scale.reshape(shape) + back.reshape(shape)).to(out.dtype)

        return after

    batches = list(calibration.batches())
    with ExitStack() as stack, torch.no_grad():
        forward(theta, 0, trees.rows(batches[0][1], slice(2)), 0)  # its look at a few samples is not counted
        for name, part in layers.items():
            stack.callback(part.register_forward_hook(hook(name)).remove)
        for start, inputs, _ in batches:
            forward(theta, start, inputs, 0)
    return {name: _spread(sums[name][0], sums[name][1], counts[name]) for name in layers}


def _spread(first: Tensor, second: Tensor, count: int) -> Spread:
    mean = first / count
    return Spread(mean, (second / count - mean.square()).clamp(min=0).sqrt())


def placed(objective: Objective, buffers: Parameters) -> Objective:
    """The objective with other buffers, under BatchNorm's eval mode."""
    return objective.replace(forward=objective.forward.replace(buffers=buffers, batch_norm="eval"))


def aligned_ends(calibration: Objective, first: Copy, second: Copy) -> tuple[dict[str, Spread], ...]:
    """What REPAIR aims at, at both ends; empty where there is nothing to put right."""
    if not repairable(calibration.network.module):
        return ()
    return spreads(calibration, first.parameters), spreads(calibration, second.parameters)
