"""Directions through weight space."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import Parameters, filter_norms


def filter_normalised(direction: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Parameters:
    """Scale each filter of a direction to the norm of the same filter of the weights.

    Li et al. 2018, section 4: d ← d/‖d‖ · ‖w‖ for each output filter. Tensors with fewer than two dimensions
    (biases, BatchNorm) get no direction, zeros. A filter that is zero in the direction stays zero.

    Args:
        direction: Tensors to scale.
        weights: Tensors of the same names and shapes.

    Returns:
        New tensors, keyed and shaped like `direction`.
    """
    scaled = {}
    for name, value in direction.items():
        if value.dim() < 2:
            scaled[name] = torch.zeros_like(value)
            continue
        norms = filter_norms(value)
        scale = torch.where(norms > 0, filter_norms(weights[name]) / norms, torch.zeros_like(norms))
        scaled[name] = value * scale
    return scaled


def random_directions(objective: Objective, *, seed: int = 0, count: int = 2) -> tuple[Parameters, ...]:
    """Gaussian directions through the free parameters, filter-normalised.

    Direction i depends on the seed and on i alone. They are drawn in float64, so that both precisions share
    them.

    Args:
        objective: Gives the weights that set the scale.
        seed: Of the draw.
        count: How many.

    Raises:
        LandscapeError: If the seed is negative.
    """
    if seed < 0:
        raise LandscapeError(f"the seed of the directions is {seed}; choose 0 or a positive integer")
    directions = []
    for index in range(count):
        state = np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0] >> 1))
        gaussian = {
            name: torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
            for name, value in objective.free.items()
        }
        directions.append(filter_normalised(gaussian, objective.free))
    return tuple(directions)
