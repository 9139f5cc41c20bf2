"""Where a search may begin: with the eigenvectors of a similar matrix, such as that of the epoch before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.hessian.operators import Operator
from landscape.results import attribute


@dataclass(frozen=True, eq=False)
class Start:
    """The direction that a search begins with instead of a random one: eigenvectors added with random signs.

    It is one direction, not one for each eigenvector: a Krylov space from k directions needs k products for
    every degree, and a search more of them in all (docs/benchmarks.md). Wherever a search begins, its values
    are as certain as ever; a start that does not suit costs products.

    Attributes:
        direction: In the network's weights, shape (n,).
        network: Whose eigenvectors they are.
        products: What the search for those took.
    """

    direction: np.ndarray
    network: str
    products: int

    @classmethod
    def of_result(cls, dataset: xr.Dataset, *, seed: int = 0) -> Start:
        """From a result with eigenvectors.

        Args:
            dataset: Of `landscape hessian … --vectors`, with the variable `vector` (rank, parameter).
            seed: Random seed of the signs.

        Raises:
            LandscapeError: If it holds no eigenvectors, or numbers that are not finite.
        """
        if "vector" not in dataset:
            raise LandscapeError(
                "this result holds no eigenvectors to begin with; compute it again with "
                "`landscape hessian … --vectors`"
            )
        vectors = dataset["vector"].values
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], len(vectors)).astype(vectors.dtype)
        direction = signs @ vectors
        if not np.isfinite(direction).all() or not direction.any():
            raise LandscapeError(
                "the eigenvectors of this result are damaged; copy it again, or compute it again"
            )
        return cls(direction, attribute(dataset, "network")["name"], int(dataset["products"]))

    def on(self, operator: Operator) -> Tensor:
        """The direction in the operator's coordinates, shape (1, n).

        Raises:
            LandscapeError: If the operator acts on another number of parameters.
        """
        if len(self.direction) != operator.size:
            raise LandscapeError(
                f"the eigenvectors of {self.network} have {len(self.direction)} entries, and the search is "
                f"over {operator.size} parameters; begin with a result of the same architecture, --params "
                "and --coordinates"
            )
        return operator.coefficients(torch.from_numpy(self.direction))[None]

    def digest(self) -> str:
        """Of its numbers."""
        return hashlib.sha256(np.ascontiguousarray(self.direction).tobytes()).hexdigest()

    def record(self) -> dict[str, Any]:
        """What a result says of where its search began."""
        return {"network": self.network, "products": self.products, "sha256": self.digest()}
