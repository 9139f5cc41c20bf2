"""What an eigenvalue solver returns, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.linalg.vectors import closing, inner, normalised
from landscape.results.checks import RISK

Matvec = Callable[[Tensor], Tensor]
"""A symmetric operator: vectors of shape (n,) to vectors of shape (n,)."""

_SMALL = 0.01

Which = Literal["largest", "smallest", "magnitude"]
"""Algebraically largest, algebraically smallest, or largest in absolute value."""


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues with the evidence for them.

    Attributes:
        eigenvalues: In the order asked for, float64, shape (k,).
        vectors: Unit eigenvectors as rows, shape (k, n).
        residuals: ‖A v − λ v‖ of each pair, from products with the operator itself, shape (k,).
        error_bounds: Some eigenvalue of A lies this close to λ, shape (k,): residual plus symmetry defect, or
            with a known gap to the next eigenvalue what Temple's inequality makes of them, see `bounds`.
        converged: Whether the residual is at most what `goal` asks for, shape (k,).
        products: Operator products used.
        symmetry_defect: Largest |u·Av − v·Au| met between orthonormal vectors; rounding alone makes it differ
            from zero for a symmetric operator.
        risks: Bound on the chance that an eigenvalue more wanted than each one, a further copy of a repeated
            one included, was passed over, see `landscape.linalg.ranks`; 1 where nobody looked, shape (k,).
        gaps: No other eigenvalue lies closer to each one, but for that risk; 0 where that is not known.
    """

    eigenvalues: np.ndarray
    vectors: Tensor
    residuals: np.ndarray
    error_bounds: np.ndarray
    converged: np.ndarray
    products: int
    symmetry_defect: float
    risks: np.ndarray
    gaps: np.ndarray

    @property
    def certain(self) -> np.ndarray:
        """Whether each has converged and is of the rank it is reported at, but for a risk of 1 in 1,000."""
        return self.converged & (self.risks <= RISK)


def judged(
    values: np.ndarray,
    vectors: Tensor,
    residuals: np.ndarray,
    *,
    accuracy: np.ndarray,
    products: int,
    symmetry_defect: float,
    risks: np.ndarray | None = None,
    gaps: np.ndarray | None = None,
) -> Eigenpairs:
    """Eigenpairs whose residuals are known; each of at most its `accuracy` counts as converged."""
    risks = np.ones(len(values)) if risks is None else risks
    gaps = np.zeros(len(values)) if gaps is None else gaps
    unit = torch.finfo(vectors.dtype).eps * np.abs(values)  # vectors are of unit length but for this
    return Eigenpairs(
        eigenvalues=values,
        vectors=vectors,
        residuals=residuals,
        error_bounds=bounds(residuals + symmetry_defect, symmetry_defect + unit, gaps),
        converged=residuals <= accuracy,
        products=products,
        symmetry_defect=symmetry_defect,
        risks=risks,
        gaps=gaps,
    )


def bounds(totals: np.ndarray, rounding: np.ndarray | float, gaps: np.ndarray) -> np.ndarray:
    """How far each eigenvalue may be off.

    By the residual theorem no farther than the residual; of the Rayleigh quotient, where no other eigenvalue
    lies within the gap, no farther than residual² / gap (Temple; Parlett 1998, section 10.5). Rounding moves
    the quotient itself.

    Args:
        totals: Residuals, rounding included, shape (k,).
        rounding: By how much the quotient is off, ‖A v − fl(A v)‖ at most and what the vectors' lengths add.
        gaps: Distance to the next eigenvalue, or 0 where it is not known, shape (k,).
    """
    second = np.divide(totals**2, gaps, out=np.full(len(totals), np.inf), where=gaps > totals)
    return np.minimum(totals, rounding + second)


def certain_gaps(values: np.ndarray, residuals: np.ndarray, which: Which, risks: np.ndarray) -> np.ndarray:
    """Distance from each eigenvalue to the next one, as far as certain ranks tell; 0 where they do not.

    Beyond the last certain rank lies nothing but the reported values, all residuals together allowed for;
    and each of these lies within its own.
    """
    certain = int((np.append(risks, 1.0) > RISK).argmax())
    gaps = np.zeros(len(values))
    if certain:
        keys = -rank_key(values, which)
        between = np.abs(values[:, None] - values) - residuals
        np.fill_diagonal(between, np.inf)
        rest = keys - keys[:certain].min() - np.linalg.norm(residuals)
        gaps = np.maximum(np.minimum(between.min(1), rest), 0)
    return gaps


def certify(
    matvec: Matvec, values: np.ndarray, vectors: Tensor, scale: float, tolerance: float, used: int = 0
) -> Eigenpairs:
    """Judge eigenpairs found elsewhere, at one product each.

    Args:
        matvec: The operator.
        values: Approximate eigenvalues, shape (k,); their order is kept.
        vectors: Approximate eigenvectors as rows, shape (k, n), of any length but zero.
        scale: Largest |λ| met.
        tolerance: Residual relative to |λ| that counts as converged.
        used: Products spent on finding them, which the result counts too.

    Raises:
        LandscapeError: If values and vectors do not match, a vector is zero, or a product is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if vectors.ndim != 2 or values.shape != (len(vectors),):
        raise LandscapeError(
            f"eigenvalues of shape {values.shape} with vectors of shape {tuple(vectors.shape)}; "
            "expected (k,) and (k, n), one eigenvector a row"
        )
    vectors = normalised(vectors)
    if not bool(torch.isfinite(vectors).all()):
        raise LandscapeError("an eigenvector is zero or not finite; each row must have a length to divide by")
    images = torch.stack([multiply(matvec, vector) for vector in vectors])
    residuals = np.array(
        [
            float(torch.linalg.vector_norm(image.double() - float(value) * vector.double()))
            for value, vector, image in zip(values, vectors, images, strict=True)
        ]
    )
    projected = inner(vectors, images)
    return judged(
        values,
        vectors,
        residuals,
        accuracy=goal(values, tolerance, scale, vectors),
        products=used + len(values),
        symmetry_defect=float(np.abs(projected - projected.T).max()),
    )


def goal(values: np.ndarray, tolerance: float, scale: float, like: Tensor) -> np.ndarray:
    """Residual of each eigenvalue that counts as converged: a share of its own size.

    A share of the largest would let go of small eigenvalues beside a large one with errors as large as
    themselves. Those under 1 % of the largest, which may be zero, are held to what that 1 % is held to; and
    no residual is asked to fall below what rounding leaves of the largest.

    Args:
        values: Eigenvalues, shape (k,).
        tolerance: The share.
        scale: Largest |λ| met.
        like: Tensor in the precision of the products.
    """
    sizes = np.maximum(np.abs(values), _SMALL * scale)
    return np.maximum(tolerance * sizes, closing(like) * scale)


def check_request(k: int, size: int, tolerance: float, max_products: int) -> None:
    """Validate what every solver is asked.

    Raises:
        LandscapeError: If a number is out of range.
    """
    if not 1 <= k <= size:
        raise ArgumentError(
            f"{k} eigenvalues asked for, but the operator has size {size}; choose 1 to {size}"
        )
    if not 0 < tolerance < 1:
        raise ArgumentError(f"the tolerance must lie between 0 and 1, got {tolerance}")
    if max_products < k + 1:
        raise ArgumentError(f"{k} eigenvalues need at least {k + 1} products, {max_products} are allowed")


def rank_key(values: np.ndarray, which: Which) -> np.ndarray:
    """A number for each value; the smaller, the more wanted.

    Raises:
        LandscapeError: If there is no such end of the spectrum.
    """
    keys = {"largest": -values, "smallest": values, "magnitude": -np.abs(values)}
    if which not in keys:
        raise ArgumentError(f"which is {which!r}; choose one of {', '.join(keys)}")
    return keys[which]


def order(values: np.ndarray, which: Which) -> np.ndarray:
    """Positions of the values from the most to the least wanted."""
    return np.argsort(rank_key(values, which), kind="stable")


def multiply(matvec: Matvec, vector: Tensor) -> Tensor:
    """The operator's product with a vector, shape (n,).

    Raises:
        LandscapeError: If it has another shape, or is not finite.
    """
    image = matvec(vector).detach()
    if image.shape != vector.shape:
        raise LandscapeError(
            f"a matrix-vector product has shape {tuple(image.shape)}; expected {tuple(vector.shape)}, "
            "the shape of the vector it was given"
        )
    if not torch.isfinite(image).all():
        raise LandscapeError(
            "a matrix-vector product is not finite (NaN or infinity), so no eigenvalue can be found; "
            "check that the loss is finite at these parameters, or use float64"
        )
    return image
