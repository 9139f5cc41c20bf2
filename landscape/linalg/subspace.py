"""Rayleigh–Ritz on an orthonormal basis kept with its images, the ground of every solver here."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from landscape.linalg.eigenpairs import Eigenpairs, Matvec, Which, certain_gaps, goal, judged, multiply, order
from landscape.linalg.vectors import Parts, inner, normalised, pieces, whole

_WIDE = 2**28  # bytes that copies in float64 may take


class Subspace:
    """Orthonormal rows V, their images W = A V and the projection T = V Wᵀ.

    Small ones are kept in float64 as well, as inner products take them: widening them each time takes an
    eighth of a search over few samples.

    The images are kept because they give true residuals, ‖W s − θ V s‖ for the pair (θ, s) of T, without
    another product; the asymmetry of T measures the operator's rounding.

    Attributes:
        projected: T, float64, shape (m, m).
        products: Operator products used.
        symmetry_defect: Largest |T − Tᵀ| met.
        scale: Largest |Ritz value| met.
        total: Adds up over all who hold a part of the vectors.
    """

    def __init__(self, matvec: Matvec, size: int, capacity: int, like: Tensor, parts: Parts | None = None):
        self.size, self.capacity = size, capacity
        self.total, self._here = (parts.total, parts.here) if parts else (whole, size)
        self.projected = np.zeros((0, 0))
        self.products, self.symmetry_defect, self.scale = 0, 0.0, 0.0
        self._matvec = matvec
        self._vectors = torch.empty(0, self._here, dtype=like.dtype, device=like.device)
        self._images = torch.empty_like(self._vectors)
        copied = self._vectors.dtype is not torch.float64 and 16 * capacity * size <= _WIDE
        self._wide = (self._vectors.double(), self._images.double()) if copied else None

    @property
    def count(self) -> int:
        """Dimension m."""
        return len(self.projected)

    @property
    def vectors(self) -> Tensor:
        """V, shape (m, n)."""
        return self._vectors[: self.count]

    @property
    def images(self) -> Tensor:
        """W, shape (m, n)."""
        return self._images[: self.count]

    @property
    def wide(self) -> tuple[Tensor, Tensor]:
        """V and W in float64 where they are kept so, else as they are."""
        vectors, images = self._wide or (self._vectors, self._images)
        return vectors[: self.count], images[: self.count]

    def extend(self, directions: Tensor) -> None:
        """Take in rows orthonormal to each other and to V, shape (b, n), at one product each.

        Raises:
            LandscapeError: If a product is not finite.
        """
        old, new = self.count, self.count + len(directions)
        self._reserve(new)
        for position, direction in enumerate(directions, start=old):
            self._vectors[position] = direction
            self._images[position] = multiply(self._matvec, direction)
            self._widen(slice(position, position + 1))
            self.products += 1
        vectors, images = self._wide or (self._vectors, self._images)
        projected = np.zeros((new, new))
        projected[:old, :old] = self.projected
        projected[:, old:] = inner(vectors[:new], images[old:new], self.total)
        projected[old:, :old] = inner(vectors[old:new], images[:old], self.total)
        self.projected = projected
        defect = np.abs(projected[:, old:] - projected[old:].T).max()
        self.symmetry_defect = max(self.symmetry_defect, float(defect))

    def ritz(self, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Ritz values, ascending, and their coefficients (as columns) over the rows of V from `start` on."""
        part = self.projected[start:, start:]
        values, coefficients = np.linalg.eigh((part + part.T) / 2)
        self.scale = max(self.scale, float(np.abs(values).max(initial=0.0)))
        return values, coefficients

    def residuals(self, values: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """‖W s − θ V s‖ of k pairs: values θ, shape (k,), and coefficients s, shape (m, k)."""
        weights, shift = self._tensor(coefficients.T), self._tensor(values)[:, None]
        squares = torch.zeros(len(values), dtype=torch.float64, device=self._vectors.device)
        for piece in pieces(self._here, 2 * self.count):
            difference = weights @ self.images[:, piece].double()
            difference -= shift * (weights @ self.vectors[:, piece].double())
            squares += difference.square().sum(1)
        return self.total(squares).sqrt().cpu().numpy()

    def rotate(self, coefficients: np.ndarray) -> None:
        """Keep r combinations of V, with orthonormal coefficients of shape (m, r), and the same ones of W.

        In place, piece by piece: no product, and no second basis in memory.
        """
        weights = self._tensor(coefficients.T)
        for rows in (self._vectors, self._images):
            for piece in pieces(self._here, 2 * self.count):
                rows[: len(weights), piece] = (weights @ rows[: self.count, piece].double()).to(rows.dtype)
        self._widen(slice(0, len(weights)))
        self.projected = coefficients.T @ self.projected @ coefficients

    def truncate(self, count: int) -> None:
        """Keep the first directions only; what was learned of the operator stays."""
        self.projected = self.projected[:count, :count]

    def best(self, k: int, which: Which, tolerance: float, risks: np.ndarray | None = None) -> Eigenpairs:
        """The k most wanted pairs as they stand, with the risk of each rank; the basis shrinks to them."""
        values, coefficients = self.ritz()
        chosen = order(values, which)[:k]
        self.rotate(coefficients[:, chosen])
        residuals = self.residuals(values[chosen], np.eye(k))
        return judged(
            values[chosen],
            normalised(self.vectors, self.total),
            residuals,
            accuracy=goal(values[chosen], tolerance, self.scale, self._vectors),
            products=self.products,
            symmetry_defect=self.symmetry_defect,
            risks=risks,
            gaps=None if risks is None else certain_gaps(values[chosen], residuals, which, risks),
        )

    def _reserve(self, rows: int) -> None:
        """Room for so many rows; it grows with the search, never past the capacity."""
        present = len(self._vectors)
        if rows > present:
            more = max(rows, min(2 * present, self.capacity)) - present
            room = self._vectors.new_empty(more, self._here)
            self._vectors = torch.cat([self._vectors, room])
            self._images = torch.cat([self._images, room])
            if self._wide:
                vectors, images = self._wide
                room = vectors.new_empty(more, self._here)
                self._wide = torch.cat([vectors, room]), torch.cat([images, room])

    def _widen(self, rows: slice) -> None:
        """Bring the copies in float64 up to date."""
        for copy, source in zip(self._wide or (), (self._vectors, self._images), strict=False):
            copy[rows] = source[rows]

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._vectors.device)
