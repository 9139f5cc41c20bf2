"""The Hessian of a network whose parameters are sharded, by finite differences, on vectors held in parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from landscape.distributed.fsdp import FullySharded
from landscape.errors import LandscapeError
from landscape.hessian.differences import CentralDifferences
from landscape.linalg.vectors import Parts, substream
from landscape.parameters import Parameters


class PartedHessian:
    """Central differences of the gradient on the part of a vector that this rank holds, shape (here,).

    Attributes:
        objective: What it is the Hessian of, over the free parameters.
        size: Their number of entries, n.
        parts: How vectors are held.
    """

    exact = False

    def __init__(self, objective: FullySharded) -> None:
        """At the network's own parameters."""
        self.objective, self.size = objective, objective.parameters.size
        self.parts = Parts(objective.parameters.here, objective.total)
        self._differences = CentralDifferences(
            self._gradient,
            self._length,
            reach=objective.norm(objective.parameters.flat()),
            double=objective.dtype is torch.float64,
        )

    @property
    def like(self) -> Tensor:
        """A tensor with the device and precision of the vectors."""
        return torch.empty(0, dtype=self.objective.dtype, device=self.objective.device)

    def __call__(self, vector: Tensor) -> Tensor:
        """The Hessian times a vector, of which each rank gives and gets its part, shape (here,).

        Raises:
            LandscapeError: On every rank, if the product is not finite.
        """
        length = self.objective.norm(vector)
        if not length:
            return torch.zeros_like(vector)
        found = self._differences({"": vector.double() / length}, vector.dtype)
        if not self._length(found) < torch.finfo(vector.dtype).max:
            raise LandscapeError(
                "a matrix-vector product is not finite (NaN or infinity), so no eigenvalue can be found; "
                "check that the loss is finite at these parameters, or shard the network in float64"
            )
        return (length * found[""]).to(vector.dtype)

    @property
    def product_error(self) -> float:
        """Largest error ‖D v − H v‖/‖v‖ of the products so far, as far as two steps tell."""
        return self._differences.bound.error

    def seed(self, seed: int) -> int:
        """The seed of this rank's part of random vectors."""
        return substream(seed, self.objective.group.rank)

    def record(self) -> dict[str, Any]:
        """What a result says of its operator."""
        bound = self._differences.bound
        return {
            "operator": "hessian",
            "coordinates": "raw",
            "products": "central finite differences",
            "product_error": bound.error,
            "error of products": "4/3 of the difference of two steps, h and h/4, and the rounding of vectors"
            + ("; in float32, kinks of ReLU within h count as curvature, beyond it" if bound.blind else ""),
        }

    def _gradient(self, unit: Parameters, step: float) -> Parameters:
        return {"": self.objective.gradient(step * unit[""])}

    def _length(self, vector: Mapping[str, Tensor]) -> float:
        return self.objective.norm(vector[""])
