"""Lanczos with full reorthogonalisation (Lanczos 1950; Parlett, *The Symmetric Eigenvalue Problem*, ch. 13)."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from landscape.linalg.eigenpairs import Eigenpairs, Matvec, Which, certify, check_request, order, random_unit


def lanczos(
    matvec: Matvec,
    size: int,
    k: int,
    *,
    which: Which = "largest",
    tolerance: float = 1e-3,
    max_products: int = 200,
    seed: int = 0,
    like: Tensor | None = None,
) -> Eigenpairs:
    """k extreme eigenpairs of a symmetric operator.

    The basis is kept whole and reorthogonalised twice at each step, so that no eigenvalue appears twice by
    rounding; it takes one vector of the operator's size a product.

    Args:
        matvec: The operator.
        size: Its dimension n.
        k: Number of eigenpairs.
        which: Which end of the spectrum.
        tolerance: Stop when every wanted residual is at most this share of the largest |λ| met.
        max_products: Products allowed before the certifying ones.
        seed: Of the start vector.
        like: Tensor whose device and dtype the vectors take; float64 on the CPU by default.

    Raises:
        LandscapeError: If k, the tolerance or the number of products is out of range.
    """
    check_request(k, size, tolerance, max_products)
    like = torch.empty(0, dtype=torch.float64) if like is None else like
    steps = min(max_products, size)
    basis = torch.empty(steps, size, dtype=like.dtype, device=like.device)
    diagonal, off = np.zeros(steps), np.zeros(steps)
    basis[0] = random_unit(size, seed, like)
    values, coefficients, count = np.zeros(0), np.zeros((0, 0)), 0
    for count in range(1, steps + 1):
        image = matvec(basis[count - 1])
        diagonal[count - 1] = float(torch.dot(image.double(), basis[count - 1].double()))
        rest, length = _orthogonalised(image, basis[:count])
        values, coefficients = eigh_tridiagonal(diagonal[:count], off[: count - 1])
        scale = np.abs(values).max()
        chosen = order(values, which)[:k]
        estimates = length * np.abs(coefficients[-1, chosen])
        if count == steps or (count > k and (estimates <= tolerance * scale / 2).all()):
            break
        if length <= 10 * torch.finfo(like.dtype).eps * scale:
            # An invariant subspace: go on in a new direction, which the recurrence does not couple.
            rest, norm = _orthogonalised(random_unit(size, seed + count, like), basis[:count])
            length, off[count - 1] = norm, 0.0
        else:
            off[count - 1] = length
        basis[count] = rest / length
    chosen = order(values, which)[:k]
    ritz = torch.from_numpy(coefficients[:, chosen].T.copy()).to(like) @ basis[:count]
    ritz = ritz / torch.linalg.vector_norm(ritz, dim=1, keepdim=True)
    return certify(matvec, values[chosen], ritz, float(np.abs(values).max()), tolerance, count)


def _orthogonalised(vector: Tensor, basis: Tensor) -> tuple[Tensor, float]:
    """The vector without its part in the span of the basis, twice for rounding, and its length."""
    for _ in range(2):
        vector = vector - basis.T @ (basis @ vector)
    return vector, float(torch.linalg.vector_norm(vector.double()))
