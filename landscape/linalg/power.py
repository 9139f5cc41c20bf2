"""Block power iteration (subspace iteration), the method of the papers made robust."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from landscape.linalg.eigenpairs import Eigenpairs, Matvec, check_request, goal, order
from landscape.linalg.ranks import allowance
from landscape.linalg.ranks import confirm as look
from landscape.linalg.subspace import Subspace
from landscape.linalg.vectors import closing, orthonormal, random_directions, template

_GUARD = 2  # vectors beyond those asked for, so that the last of them converges as fast as the first


def power_iteration(
    matvec: Matvec,
    size: int,
    k: int,
    *,
    tolerance: float = 1e-3,
    max_products: int = 1000,
    seed: int = 0,
    like: Tensor | None = None,
    confirm: int | None = None,
) -> Eigenpairs:
    """K eigenpairs of largest magnitude, of either sign.

    A block of k + 2 vectors is multiplied, orthonormalised and diagonalised within its span at each step
    (Rayleigh–Ritz; Saad 2011, *Numerical Methods for Large Eigenvalue Problems*, section 5.2). It stops on
    the residuals ‖A v − λ v‖, never on the change between steps, which says nothing where eigenvalues
    cluster.

    Args:
        matvec: A symmetric operator.
        size: Its dimension n.
        k: Number of eigenpairs.
        tolerance: Stop when every residual is at most this share of its own |λ|.
        max_products: Products allowed; a step takes one for each vector of the block.
        seed: Random seed of the start vectors.
        like: Tensor whose device and dtype the vectors take; float64 on the CPU by default.
        confirm: Products that confirming the ranks may take, see `lanczos`.

    Raises:
        LandscapeError: If k, the tolerance or the number of products is out of range, or a product is not
            finite.
    """
    check_request(k, size, tolerance, max_products)
    like = template(like)
    width = min(k + _GUARD, size, max_products)
    space = Subspace(matvec, size, width, like)
    block, drawn = random_directions(space.vectors, width, seed), width
    while True:
        space.truncate(0)
        space.extend(block)
        values, coefficients = space.ritz()
        wanted = order(values, "magnitude")[:k]
        residuals = space.residuals(values[wanted], coefficients[:, wanted])
        converged = (residuals <= goal(values[wanted], tolerance, space.scale, like)).all()
        if width == size:
            return space.best(k, "magnitude", tolerance, np.zeros(k))
        if converged:
            allowed = min(allowance(space.products, tolerance, confirm), max_products - space.products)
            verdict = look(space, k, "magnitude", products=allowed, seed=seed, drawn=drawn)
            drawn += 1
            if not verdict.missed:
                space.truncate(width)
                return space.best(k, "magnitude", tolerance, verdict.risks)
            values, coefficients = space.ritz()
            space.rotate(coefficients[:, order(values, "magnitude")[:width]])
        if space.products + width > max_products:
            return space.best(k, "magnitude", tolerance)
        block, _ = orthonormal(space.images, block[:0], closing(like) * space.scale)
        if len(block) < width:  # the operator vanishes on part of the block
            lost = width - len(block)
            block = torch.cat([block, random_directions(block, lost, seed, drawn)])
            drawn += lost
