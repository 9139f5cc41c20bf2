"""Directions through weight space, and how random ones are drawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.filters import Role, assumptions, roles, with_filters
from landscape.objective import Objective
from landscape.parameters import Parameters, dot, norm
from landscape.surface.moved import blur_filters
from landscape.surface.norms import UNITS, Norm, check_norm, normalised, require_same_shapes

KINDS = ("random", "eigenvectors", "principal components", "checkpoints", "file")


@dataclass(frozen=True, eq=False)
class Directions:
    """One direction, for a line, or two, for a plane.

    Attributes:
        vectors: δ, and η for a plane; over all or some of a network's parameters, the same for both.
        origin: Where the coordinates are zero; None for the network's own weights.
        norm: One of `landscape.surface.norms.NORMS`.
        kind: One of `KINDS`.
        seed: Random seed of the draw; None where nothing was drawn.
        units: What one unit of an axis is, for its label.
        labels: Names of the axes.
        options: Further choices that made them, as JSON can hold them.
    """

    vectors: tuple[Parameters, ...]
    origin: Parameters | None = None
    norm: str = "none"
    kind: str = "file"
    seed: int | None = None
    units: str = "direction lengths"
    labels: tuple[str, str] = ("x", "y")
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check them.

        Raises:
            LandscapeError: If there are not one or two, they do not fit each other or the origin, or one is
                not a number.
        """
        if self.kind not in KINDS:
            raise LandscapeError(f"the kind of directions is {self.kind!r}; choose one of {', '.join(KINDS)}")
        if len(self.vectors) not in (1, 2):
            raise LandscapeError(f"one direction makes a line, two make a plane; got {len(self.vectors)}")
        for other in self.vectors[1:]:
            require_same_shapes(other, self.vectors[0], what="direction 2", of="direction 1")
        if self.origin is not None:
            require_same_shapes(
                self.vectors[0], self.origin, what="direction 1", of="the origin", subset=True
            )

        # A network of zeros has directions of length zero, one that overflows infinite ones.
        for index, length in enumerate(self.lengths, 1):
            if np.isnan(length):
                raise LandscapeError(f"direction {index} has the length nan; its tensors must be numbers")

    @cached_property
    def lengths(self) -> tuple[float, ...]:
        """Euclidean lengths ‖δ‖, ‖η‖: ‖Δw‖ for one unit of the axis."""
        return tuple(float(norm(vector)) for vector in self.vectors)

    @cached_property
    def cosine(self) -> float | None:
        """Cosine of the angle between the two; None for a line."""
        if len(self.vectors) == 1:
            return None
        return float(dot(*self.vectors)) / (self.lengths[0] * self.lengths[1])

    def orthogonalised(self) -> Directions:
        """The same plane with the second direction at a right angle to the first, its length kept.

        Raises:
            LandscapeError: If the two are parallel.
        """
        if len(self.vectors) == 1:
            return self
        first, second = self.vectors
        rest = rejected(second, first)
        length = float(norm(rest))
        if length <= 1e-6 * self.lengths[1]:
            raise LandscapeError(
                "the two directions are parallel and span no plane; choose others, or draw with another seed"
            )
        scale = self.lengths[1] / length
        turned = {name: (scale * value).to(second[name].dtype) for name, value in rest.items()}
        return replace(self, vectors=(first, turned), options=self.options | {"orthogonal": True})

    def describe(self) -> dict[str, Any]:
        """The choices that made them, ready for JSON; the same for two networks measured alike.

        What differs between networks is left to `lengths`, `cosine` and `digest`.
        """
        return {
            "kind": self.kind,
            "norm": self.norm,
            "seed": self.seed,
            "count": len(self.vectors),
            "origin": "the network's weights" if self.origin is None else "given",
            "units": self.units,
            "labels": list(self.labels),
            **self.options,
        }

    def digest(self) -> str:
        """Hexadecimal digest of names, vectors and origin, to tell directions apart."""
        total = hashlib.sha256()
        for part in (*self.vectors, self.origin or {}):
            total.update(layout(part).encode())
            for value in part.values():
                total.update(as_array(value).tobytes())
        return total.hexdigest()


def rejected(vector: Mapping[str, Tensor], axis: Mapping[str, Tensor]) -> Parameters:
    """The part of a vector at a right angle to an axis, in float64.

    Subtracted twice, because one Gram–Schmidt step leaves rounding of the size of what it took away (Parlett
    1998, *The Symmetric Eigenvalue Problem*, section 6.9).
    """
    rest = {name: value.double() for name, value in vector.items()}
    for _ in range(2):
        along = dot(rest, axis) / dot(axis, axis)
        rest = {name: value - along * axis[name].double() for name, value in rest.items()}
    return rest


def filter_normalised(
    direction: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    roles: Mapping[str, Role] | None = None,
) -> Parameters:
    """Scale each filter of a direction to the norm of the same filter of the weights.

    Li et al. 2018, section 4: d ← d/‖d‖ · ‖w‖ for each output filter, biases and BatchNorm zero; the norm
    `filter` of `landscape.surface.norms.normalised`.

    Args:
        direction: Tensors to scale.
        weights: Tensors of at least the same names, of the same shapes.
        roles: Where filters lie, from `landscape.filters.roles`; left out, along the first dimension.
    """
    return normalised(direction, weights, "filter", roles=roles)


def random_directions(objective: Objective, *, seed: int = 0, count: int = 2) -> tuple[Parameters, ...]:
    """Gaussian directions through the free parameters, filter-normalised.

    Direction i depends only on the seed and on i. Directions are drawn in float64, so that both precisions
    share them.

    Args:
        objective: Gives the weights that set the scale.
        seed: Random seed.
        count: Number of directions.

    Raises:
        LandscapeError: If the seed is negative.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> first, second = ls.surface.random_directions(objective, seed=0)
        >>> torch.allclose(first["0.weight"].norm(dim=1), network[0].weight.norm(dim=1))
        True
        >>> first["0.bias"].abs().max()
        tensor(0.)
    """
    _check_seed(seed)
    found = roles(objective.network.module)
    return tuple(
        filter_normalised(_gaussian(objective.free, seed, index), objective.parameters, found)
        for index in range(count)
    )


def random(
    objective: Objective,
    *,
    norm: Norm = "filter",
    seed: int = 0,
    count: int = 2,
    orthogonal: bool = False,
    include_1d: bool = False,
    repeat: int = 0,
) -> Directions:
    """Gaussian directions through the free parameters; by default those of `random_directions`.

    Args:
        objective: Gives the weights that set the scale.
        norm: One of `landscape.surface.norms.NORMS`; the paper's moves the stored filters of blurs too, see
            `landscape.surface.moved`.
        seed: Random seed.
        count: 1 for a line, 2 for a plane.
        orthogonal: Whether the second is made orthogonal to the first, after both are scaled; its filters
            then have the norms of the weights' filters nearly, no longer exactly.
        include_1d: Whether biases and BatchNorm move too, see `landscape.surface.norms.normalised`.
        repeat: Which of many independent pairs of the same seed.

    Raises:
        LandscapeError: On an unknown norm, a negative seed or repeat, a count other than 1 or 2, or if no
            parameter gets a direction.
    """
    _check_seed(seed)
    check_norm(norm, include_1d)
    if repeat < 0:
        raise ArgumentError(f"the repeat of the directions is {repeat}; choose 0 or a positive integer")
    weights, found = objective.free, roles(objective.network.module)
    known = {} if norm == "paper" else found  # whose code looks at dimensions only
    if norm != "none" and not include_1d and not with_filters(weights, known):
        raise LandscapeError(
            f"{objective.params!r} names biases and BatchNorm only, which get no {norm} direction, nor do "
            "other gains and position embeddings; choose weights too, or include these"
        )
    blurs = blur_filters(objective) if norm == "paper" else {}
    weights = weights | blurs  # last, so that parameters have the same draws without them
    vectors = tuple(
        normalised(
            _gaussian(weights, seed, 2 * repeat + index),
            objective.parameters | blurs,
            norm,
            include_1d=include_1d,
            roles=found,
        )
        for index in range(count)
    )
    directions = Directions(
        vectors,
        norm=norm,
        kind="random",
        seed=seed,
        units=UNITS[norm],
        labels=("random direction 1", "random direction 2"),
        options={"orthogonal": False, "include_1d": include_1d or norm == "none", "repeat": repeat}
        | (assumptions(found, weights) if norm == "filter" else {})
        | ({"moved_filters": list(blurs)} if blurs else {}),
    )
    return directions.orthogonalised() if orthogonal else directions


def layout(tensors: Mapping[str, Tensor]) -> str:
    """Names and shapes in order, as JSON: ``[["conv1.weight", [16, 3, 3, 3]], …]``."""
    return json.dumps([[name, list(value.shape)] for name, value in tensors.items()])


def as_array(value: Tensor) -> np.ndarray:
    """A tensor's entries in row-major order, shape (n,), float64 if it is and float32 otherwise."""
    value = value.detach().cpu().reshape(-1)
    return (value if value.dtype == torch.float64 else value.float()).numpy()


def _gaussian(like: Mapping[str, Tensor], seed: int, index: int) -> Parameters:
    state = np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0] >> 1))
    return {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
        for name, value in like.items()
    }


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise ArgumentError(f"the seed of the directions is {seed}; choose 0 or a positive integer")
