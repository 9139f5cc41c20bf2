"""Curvature matrices of an objective as symmetric operators, exact or by finite differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from landscape.derivatives.graphs import Curvature, CurvatureMatrix
from landscape.distributed.fsdp import FullySharded
from landscape.errors import ArgumentError, LandscapeError
from landscape.filters import assumptions, role_of, roles, with_filters
from landscape.hessian.differences import ErrorBound, FiniteDifferences
from landscape.objective import Objective
from landscape.parameters import Parameters, flatten, unflatten
from landscape.soundness.gradcheck import OnceDifferentiable

Coordinates = Literal["raw", "filter", "layer"]
"""`raw` parameters, or weights in units of their filter's or their layer's norm."""

COORDINATES: tuple[Coordinates, ...] = ("raw", "filter", "layer")


class Operator:
    """A curvature matrix, callable on vectors of shape (n,).

    In `raw` coordinates it is the matrix itself. In `filter` coordinates it is D H D with D the norm of each
    weight's output filter (`landscape.filters`): behind BatchNorm a filter's norm is arbitrary, raw
    eigenvalues shrink as it grows, and these do not change. In `layer` coordinates D is the norm of the whole
    tensor. Like filter-normalised directions (Li et al. 2018), these coordinates leave biases and BatchNorm
    out.

    Attributes:
        objective: What it is the curvature of, over the parameters that the operator acts on.
        kind: `hessian` or `ggn`.
        coordinates: `raw`, `filter` or `layer`.
        exact: Whether products are exact, or central finite differences of the gradient.
        size: n.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> scale_free = ls.hessian.Operator(objective, coordinates="filter")
        >>> scale_free.size, ls.hessian.Operator(objective).size
        (56, 67)
        >>> scale_free(torch.ones(scale_free.size)).shape
        torch.Size([56])
    """

    def __init__(
        self,
        objective: Objective,
        *,
        kind: Curvature = "hessian",
        coordinates: Coordinates = "raw",
        parameters: Mapping[str, Tensor] | None = None,
        draw: int = 0,
        keep: int | None = None,
    ) -> None:
        """Prepare the matrix; a probe on two samples tells whether the network can be differentiated twice.

        Args:
            objective: Network, samples and protocol.
            kind: The Hessian, or the generalised Gauss–Newton matrix.
            coordinates: See above.
            parameters: Where; the network's own by default.
            draw: Which dropout masks, with `fresh` dropout.
            keep: Bytes that graphs may take between products, as in `Objective.curvature`.

        Raises:
            LandscapeError: On unknown coordinates or kind, or if nothing is left to differentiate.
        """
        if coordinates not in COORDINATES:
            raise ArgumentError(f"coordinates are {coordinates!r}; choose one of {', '.join(COORDINATES)}")
        theta = objective.parameters if parameters is None else parameters
        self._roles = roles(objective.network.module) if coordinates != "raw" else {}
        if coordinates != "raw":
            weights = with_filters(objective.free, self._roles)
            if not weights:
                raise LandscapeError(
                    f"{coordinates} coordinates leave biases and BatchNorm out, and nothing else matches "
                    f"{objective.params!r} ({', '.join(list(objective.free)[:4])}); choose other --params "
                    "or --coordinates raw"
                )
            objective = objective.replace(free=weights)
        objective, self.exact = prepared(objective, kind)
        self.objective, self.kind, self.coordinates = objective, kind, coordinates
        self._parameters, self._draw = parameters, draw
        self._scales = {}
        if coordinates != "raw":
            for name in objective.free:
                role = role_of(name, theta[name], self._roles)
                self._scales[name] = role.scale(name, theta, whole=coordinates == "layer")
        self._matrix: CurvatureMatrix | FiniteDifferences
        if self.exact:
            self._matrix = objective.curvature(parameters, kind=kind, draw=draw, keep=keep)
        else:
            self._matrix = FiniteDifferences(objective, parameters, draw)
        self.size = sum(value.numel() for value in objective.free.values())

    def elsewhere(self, objective: Objective) -> Operator:
        """The same matrix of another objective over the same parameters, in its precision."""
        theta = self._parameters
        if theta is not None:
            theta = {name: value.to(objective.dtype) for name, value in theta.items()}
        return Operator(
            objective, kind=self.kind, coordinates=self.coordinates, parameters=theta, draw=self._draw
        )

    def sample_losses(self) -> Tensor:
        """Each sample's loss where the matrix is taken, float64, shape (sample,)."""
        return self.objective.sample_losses(self._parameters, draw=self._draw)[0]

    @property
    def like(self) -> Tensor:
        """A tensor with the device and precision of the operator's vectors."""
        return next(iter(self.objective.free.values()))

    def __call__(self, vector: Tensor) -> Tensor:
        """The matrix times a vector of shape (n,)."""
        product = self._matrix(self.direction(vector))
        if self.coordinates != "raw":
            product = {name: self._scales[name] * part for name, part in product.items()}
        return flatten(product)

    @property
    def product_error(self) -> float:
        """Largest error ‖D v − A v‖/‖v‖ of the products so far in these coordinates; 0 if they are exact."""
        if isinstance(self._matrix, CurvatureMatrix):
            return 0.0
        # Both the vector and the product are scaled.
        largest = max((float(scale.max()) for scale in self._scales.values()), default=1.0)
        return self._matrix.bound.error * largest**2

    def direction(self, vector: Tensor) -> Parameters:
        """A vector of these coordinates as a direction in the network's weights (D v)."""
        parts = unflatten(vector, self.objective.free)
        if self.coordinates == "raw":
            return parts
        return {name: self._scales[name] * part for name, part in parts.items()}

    def flat_direction(self, vector: Tensor) -> np.ndarray:
        """`direction` as one array of shape (n,), the free parameters flattened in order."""
        return flatten(self.direction(vector)).cpu().numpy()

    def coefficients(self, direction: Tensor) -> Tensor:
        """The vector of these coordinates that `flat_direction` makes a direction of; 0 where D is 0."""
        flat = direction.to(self.like)
        if self.coordinates == "raw":
            return flat
        parts, scales = unflatten(flat, self.objective.free).items(), self._scales
        return flatten(
            {name: torch.where(scales[name] > 0, part / scales[name], 0.0) for name, part in parts}
        )

    def record(self) -> dict[str, Any]:
        """What a result says of its operator."""
        return {
            "operator": self.kind,
            "coordinates": self.coordinates,
            "products": "exact" if self.exact else "central finite differences",
            **(assumptions(self._roles, self.objective.free) if self.coordinates == "filter" else {}),
        }


def as_operator(source: Objective | Operator, *, draw: int = 0) -> Operator:
    """The Hessian of an objective, or the operator that is given.

    Raises:
        LandscapeError: If its parameters are sharded, so that vectors lie in parts.
    """
    if isinstance(source, FullySharded):
        raise LandscapeError(
            "of sharded parameters only top_eigenvalues and eigenpairs can be had, as vectors lie in parts "
            "with the ranks; take an Objective of the whole network, shared out by sharded(), for the rest"
        )
    return source if isinstance(source, Operator) else Operator(source, draw=draw)


def prepared(objective: Objective, kind: Curvature) -> tuple[Objective, bool]:
    """The objective as it can be differentiated twice, and whether it can.

    One product on two samples tells. Fused attention has no second derivative: then attention runs on its
    plain ("math") kernel, which computes the same function; the protocol says so. Other layers without a
    second derivative leave finite differences.

    Args:
        objective: Network, samples and protocol.
        kind: The matrix that is wanted.

    Raises:
        LandscapeError: If the Gauss–Newton matrix is wanted, and the network cannot be differentiated twice.
    """
    if objective.exact_products is None:
        exact = _differentiable(objective, kind)
        objective = objective.replace(exact_products=exact, product_error=None if exact else ErrorBound())
    if kind == "ggn" and not objective.exact_products:
        raise LandscapeError(
            f"{objective.network.name} holds a layer without a second derivative, which products with the "
            "Gauss–Newton matrix need; take the Hessian, whose products can be finite differences"
        )
    return objective, bool(objective.exact_products)


def _differentiable(objective: Objective, kind: Curvature) -> bool:
    try:
        objective.checked("product", report=True)
    except OnceDifferentiable:
        return False
    if kind == "ggn":
        part = objective.subset(0, 2)  # two, or BatchNorm on batch statistics might have none
        part.curvature(kind=kind, keep=0)(part.free)
    return True
