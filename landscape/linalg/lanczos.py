"""Lanczos with full reorthogonalisation (Parlett 1998, *The Symmetric Eigenvalue Problem*, chapter 13)."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from landscape.linalg.eigenpairs import (
    Eigenpairs,
    Matvec,
    Which,
    certify,
    check_request,
    finite,
    order,
    random_unit,
    rank_key,
)


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
    """K extreme eigenpairs of a symmetric operator.

    The basis is kept whole and reorthogonalised twice at each step, so that no eigenvalue appears twice by
    rounding; it takes one vector of the operator's size a product. A Krylov space holds one direction of
    each eigenspace: a repeated eigenvalue is found once, and again only where the space closes first, as it
    does for low-rank operators.

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
        LandscapeError: If k, the tolerance or the number of products is out of range, or a product is not
            finite.
    """
    check_request(k, size, tolerance, max_products)
    like = torch.empty(0, dtype=torch.float64) if like is None else like
    steps = min(max_products, size)
    basis = torch.empty(steps, size, dtype=like.dtype, device=like.device)
    diagonal, off = np.zeros(steps), np.zeros(steps)
    basis[0] = random_unit(size, seed, like)
    values, coefficients, count = np.zeros(0), np.zeros((0, 0)), 0
    block = 0  # where the Krylov space in work begins
    for count in range(1, steps + 1):
        image = finite(matvec(basis[count - 1]))
        diagonal[count - 1] = float(torch.dot(image.double(), basis[count - 1].double()))
        rest, length = _orthogonalised(image, basis[:count])
        values, coefficients = eigh_tridiagonal(diagonal[:count], off[: count - 1])
        scale = np.abs(values).max()
        closed = length <= torch.finfo(like.dtype).eps ** 0.75 * scale  # rounding grows along the recurrence
        errors, accuracy = length * np.abs(coefficients[-1]), tolerance * scale / 2
        found = count > k and bool((errors[order(values, which)[:k]] <= accuracy).all())
        if found and block:
            found = _nothing_ahead(rank_key(values, which), k, coefficients[block:], errors, accuracy)
        if count == steps or (found and (block or not closed)):
            break
        if closed:
            # An invariant subspace: go on in a new direction, which the recurrence does not couple.
            rest, length = _orthogonalised(random_unit(size, seed + count, like), basis[:count])
            block = count
        else:
            off[count - 1] = length
        basis[count] = rest / length
    chosen = order(values, which)[:k]
    ritz = torch.from_numpy(coefficients[:, chosen].T.copy()).to(like) @ basis[:count]
    ritz = ritz / torch.linalg.vector_norm(ritz, dim=1, keepdim=True)
    return certify(matvec, values[chosen], ritz, float(np.abs(values).max()), tolerance, count)


def _nothing_ahead(
    key: np.ndarray, k: int, coefficients: np.ndarray, errors: np.ndarray, accuracy: float
) -> bool:
    """Whether the block's best pair, a bound on what is left, is known and no better than the k-th wanted.

    Args:
        key: Rank key of each Ritz value, in units of the values.
        k: Number of wanted pairs.
        coefficients: Ritz vectors (as columns) over the block's basis vectors.
        errors: Error bound of each Ritz value.
        accuracy: Error that counts as converged.
    """
    # A block has as many pairs as vectors.
    inside = np.argsort(-(coefficients**2).sum(0))[: len(coefficients)]
    best = inside[key[inside].argmin()]
    return bool(errors[best] <= accuracy and key[best] >= np.sort(key)[k - 1] - accuracy)


def _orthogonalised(vector: Tensor, basis: Tensor) -> tuple[Tensor, float]:
    """The vector without its part in the span of the basis, twice for rounding, and its length."""
    for _ in range(2):
        vector = vector - basis.T @ (basis @ vector)
    return vector, float(torch.linalg.vector_norm(vector.double()))
