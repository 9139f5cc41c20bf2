"""Whether an eigenvalue was passed over: a fresh random direction, outside all that is known, tells.

Lanczos may pass over an eigenvalue in which its start had next to no part, and sees but one copy of a
repeated one. What is outside the basis V of a search is judged here by the Schur complement of A − x·I,

    M(x) = B + R (x − T)⁻¹ Rᵀ,

with T the projection of A on V, B that on the rest, and R their coupling: A has as many eigenvalues above x
as T, and none was passed over, if and only if M(x) has none there (Haynsworth's inertia theorem). The wanted
Ritz pairs count as decoupled, which moves no eigenvalue by more than their residuals together. Lanczos on
M(x) from a random direction w then bounds its largest eigenvalue from above: the share γ of w in the
eigenvector obeys γ² Σᵢ pᵢ(λ)² ≤ 1, with pᵢ the Lanczos polynomials, and |γ| is that small by chance with a
known probability only (Van Dorsselaer, Hochstenbach & van der Vorst 2000, SIAM J. Matrix Anal. Appl. 22(3)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from landscape.linalg.eigenpairs import RISK, Which, order, rank_key
from landscape.linalg.subspace import Subspace
from landscape.linalg.vectors import closing, inner, orthonormal, random_directions

_LEAST, _MOST, _PER_TOLERANCE = 0.1, 0.4, 40


def allowance(products: int, tolerance: float, confirm: int | None) -> int:
    """Products that may be spent on confirming: those asked for, or a share of those of the search.

    The share is a tenth up to a tolerance of 0.0025, and rises to four tenths at 0.01, where the search is
    short and often ends before a small component has grown.
    """
    share = min(max(_PER_TOLERANCE * tolerance, _LEAST), _MOST)
    return math.ceil(share * products) if confirm is None else confirm


@dataclass(frozen=True)
class Verdict:
    """What a fresh direction told.

    Attributes:
        risks: Chance that an eigenvalue beyond each reported one was passed over and not seen, shape (k,).
        missed: Whether one was seen.
    """

    risks: np.ndarray
    missed: bool


def confirm(space: Subspace, k: int, which: Which, *, products: int, seed: int, drawn: int) -> Verdict:
    """Look beside a basis whose k most wanted Ritz pairs have converged.

    The directions it takes are appended to the basis; the caller keeps them, or truncates.

    Args:
        space: The basis.
        k: Number of wanted pairs.
        which: Which end of the spectrum.
        products: Allowed.
        seed: Random seed of the random direction.
        drawn: Streams under that seed that were used before.
    """
    outside = space.size - space.count
    if not outside:
        return Verdict(np.zeros(k), False)
    complement = _Complement.of(space, k, which)
    direction = random_directions(space.vectors, 1, seed, drawn, space.total)
    risks, missed = np.ones(k), False
    for _ in range(min(products, outside)):
        space.extend(direction)
        image = complement.image(space)
        floor = closing(image) * space.scale
        direction, coupling = orthonormal(image[None], space.vectors, floor, None, space.total)
        risks, missed = complement.judge(space, float(coupling.sum()), outside)
        if missed or (risks <= RISK).all() or not len(direction):
            break
    return Verdict(risks, missed)


@dataclass
class _Complement:
    """M(x) at the last wanted rank, of A or of −A, whichever has its next eigenvalue closer to it.

    Attributes:
        known: Dimension m of the basis without the random direction and what followed from it.
        sign: Whether M is that of A or of −A.
        unwanted: Ritz vectors but the wanted ones, as columns, shape (m, u).
        weights: 1/(x − θ) of each, shape (u,).
        levels: What each rank holds, as a sort key that grows from the last rank to the first, shape (k,).
        shift: How far −M lies below the other end's Schur complement at most; None with one end.
        growth: log Σ pᵢ² so far, at each level of this end and of the other, shape (2, k).
        lengths: Sum of the logarithms of the remainders so far.
    """

    known: int
    sign: float
    unwanted: np.ndarray
    weights: np.ndarray
    levels: np.ndarray
    shift: float | None
    growth: np.ndarray
    lengths: float = 0.0

    @classmethod
    def of(cls, space: Subspace, k: int, which: Which) -> _Complement:
        values, vectors = space.ritz()
        ranking = order(values, which)
        wanted, others = ranking[:k], ranking[k:]
        noise = max(space.symmetry_defect, closing(space.vectors) * space.scale, np.finfo(float).tiny)
        levels = noise - rank_key(values[wanted], which)
        x, sign = levels.min(), -1.0 if which == "smallest" else 1.0
        if which == "magnitude" and len(others):
            sign = float(np.sign(values[others[0]]) or 1.0)
        near, far = (1 / np.maximum(x - side * values[others], noise) for side in (sign, -sign))
        shift = None
        if which == "magnitude":
            shift = _coupling(space, vectors[:, others], near + far)
        return cls(space.count, sign, vectors[:, others], near, levels, shift, np.zeros((2, k)))

    def image(self, space: Subspace) -> Tensor:
        """M times the newest direction, but for its part in the basis."""
        along = self.unwanted.T @ space.projected[: self.known, -1]
        mixture = torch.from_numpy(self.unwanted @ (self.weights * along)).to(space.images)
        return self.sign * space.images[-1] + mixture @ space.images[: self.known]

    def judge(self, space: Subspace, remainder: float, outside: int) -> tuple[np.ndarray, bool]:
        """Risk of each rank, and whether M has an eigenvalue beyond the last one for certain."""
        block = space.projected[self.known :, self.known :]
        along = self.unwanted.T @ space.projected[: self.known, self.known :]
        matrix = self.sign * (block + block.T) / 2 + along.T @ (self.weights[:, None] * along)
        ritz = np.linalg.eigvalsh(matrix)
        # A chain that closes holds all that w has a part in.
        self.lengths += math.log(remainder) if remainder else -math.inf
        ends = [(ritz, self.levels)]
        if self.shift is not None:
            ends.append((-ritz, self.levels - self.shift))
        risks = np.zeros(len(self.levels))
        for row, (spectrum, levels) in enumerate(ends):
            inside = spectrum.max() < levels
            beyond = np.where(inside, levels, spectrum.max() + 1)[:, None] - spectrum
            newest = 2 * (np.log(beyond).sum(1) - self.lengths)
            self.growth[row] = np.logaddexp(self.growth[row], newest)
            chance = np.exp(-self.growth[row] / 2) * math.sqrt(2 * outside / math.pi)
            risks += np.where(inside, chance, 1.0)
        two_sided = np.abs(ritz).max() if self.shift is not None else ritz.max()
        return np.minimum(risks, 1.0), bool(two_sided > self.levels.min())


def _coupling(space: Subspace, vectors: np.ndarray, weights: np.ndarray) -> float:
    """Largest eigenvalue of R W Rᵀ, with R the remainders of the images of these vectors."""
    gram = inner(space.images, space.images, space.total) - space.projected.T @ space.projected
    roots = np.sqrt(weights)
    small = roots[:, None] * (vectors.T @ ((gram + gram.T) / 2) @ vectors) * roots
    return float(np.linalg.eigvalsh(small).max(initial=0.0))
