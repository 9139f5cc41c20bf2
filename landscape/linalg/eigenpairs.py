"""What an eigenvalue solver returns, and how it judges itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError

Matvec = Callable[[Tensor], Tensor]
"""A symmetric operator: vectors of shape (n,) to vectors of shape (n,)."""

Which = Literal["largest", "smallest", "magnitude"]
"""Algebraically largest, algebraically smallest, or largest in absolute value."""


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues with the evidence for them.

    Attributes:
        eigenvalues: In the order asked for, float64, shape (k,).
        vectors: Unit eigenvectors as rows, shape (k, n).
        residuals: ‖A v − λ v‖ of each pair, from a product of its own; some eigenvalue of A lies within this
            distance of λ.
        converged: Whether the residual is at most the tolerance times the largest |λ| met, shape (k,).
        products: Operator products used, the certifying ones included.
    """

    eigenvalues: np.ndarray
    vectors: Tensor
    residuals: np.ndarray
    converged: np.ndarray
    products: int


def check_request(k: int, size: int, tolerance: float, max_products: int) -> None:
    """Validate what every solver is asked.

    Raises:
        LandscapeError: If a number is out of range.
    """
    if not 1 <= k <= size:
        raise LandscapeError(
            f"{k} eigenvalues asked for, but the operator has size {size}; choose 1 to {size}"
        )
    if not 0 < tolerance < 1:
        raise LandscapeError(f"the tolerance must lie between 0 and 1, got {tolerance}")
    if max_products < k + 1:
        raise LandscapeError(f"{k} eigenvalues need at least {k + 1} products, {max_products} are allowed")


def rank_key(values: np.ndarray, which: Which) -> np.ndarray:
    """A number for each value; the smaller, the more wanted.

    Raises:
        LandscapeError: If there is no such end of the spectrum.
    """
    keys = {"largest": -values, "smallest": values, "magnitude": -np.abs(values)}
    if which not in keys:
        raise LandscapeError(f"which is {which!r}; choose one of {', '.join(keys)}")
    return keys[which]


def order(values: np.ndarray, which: Which) -> np.ndarray:
    """Positions of the values from the most to the least wanted."""
    return np.argsort(rank_key(values, which), kind="stable")


def finite(image: Tensor) -> Tensor:
    """The product, which an eigenvalue solver can only use if it is finite.

    Raises:
        LandscapeError: If it is not.
    """
    if not torch.isfinite(image).all():
        raise LandscapeError(
            "a matrix-vector product is not finite (NaN or infinity), so no eigenvalue can be found; "
            "check that the loss is finite at these parameters, or use float64"
        )
    return image


def certify(matvec: Matvec, values: np.ndarray, vectors: Tensor, scale: float, tolerance: float, used: int):
    """Measure each pair's residual with one more product and pack the result.

    Args:
        matvec: The operator.
        values: Approximate eigenvalues, shape (k,).
        vectors: Unit vectors as rows, shape (k, n).
        scale: Largest |λ| met, what the tolerance is relative to.
        tolerance: Relative residual that counts as converged.
        used: Products used so far.
    """
    residuals = []
    for value, vector in zip(values, vectors, strict=True):
        difference = finite(matvec(vector)).double() - float(value) * vector.double()
        residuals.append(float(torch.linalg.vector_norm(difference)))
    found = np.array(residuals)
    converged = found <= tolerance * max(scale, np.finfo(np.float64).tiny)
    return Eigenpairs(values, vectors, found, converged, used + len(values))


def random_unit(size: int, seed: int, like: Tensor) -> Tensor:
    """A Gaussian unit vector from a generator of its own, on the device and in the precision of `like`."""
    generator = torch.Generator().manual_seed(seed)
    vector = torch.randn(size, generator=generator, dtype=torch.float64)
    return (vector / torch.linalg.vector_norm(vector)).to(like.device, like.dtype)
