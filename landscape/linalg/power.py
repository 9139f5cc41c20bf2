"""Power iteration with deflation, the method of the papers; it finds the largest |λ|, of either sign."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from landscape.linalg.eigenpairs import Eigenpairs, Matvec, certify, check_request, finite, order, random_unit


def power_iteration(
    matvec: Matvec,
    size: int,
    k: int,
    *,
    tolerance: float = 1e-3,
    max_products: int = 1000,
    seed: int = 0,
    like: Tensor | None = None,
) -> Eigenpairs:
    """K eigenpairs of largest magnitude, one after the other, each orthogonal to those before.

    Stops on the residual ‖A v − λ v‖ of the pair in work, never on the change between iterations, which says
    nothing where eigenvalues cluster.

    Args:
        matvec: A symmetric operator.
        size: Its dimension n.
        k: Number of eigenpairs.
        tolerance: Residual that counts as converged, relative to the largest |λ| met.
        max_products: Products allowed for all pairs together, the certifying ones not counted.
        seed: Of the start vectors.
        like: Tensor whose device and dtype the vectors take; float64 on the CPU by default.

    Raises:
        LandscapeError: If k, the tolerance or the number of products is out of range, or a product is not
            finite.
    """
    check_request(k, size, tolerance, max_products)
    like = torch.empty(0, dtype=torch.float64) if like is None else like
    found = torch.empty(0, size, dtype=like.dtype, device=like.device)
    values: list[float] = []
    used, scale = 0, 0.0
    for rank in range(k):
        vector = _deflated(random_unit(size, seed + rank, like), found)
        budget = (max_products - used) // (k - rank)
        value = 0.0
        for _ in range(budget):
            image = finite(matvec(vector))
            used += 1
            value = float(torch.dot(image.double(), vector.double()))
            scale = max(scale, abs(value))
            residual = float(torch.linalg.vector_norm(image.double() - value * vector.double()))
            if residual <= tolerance * scale / 2:
                break
            step = image - found.T @ (found @ image)
            if float(torch.linalg.vector_norm(step)) == 0.0:
                break  # the operator vanishes on what is left
            vector = _deflated(step, found)
        values.append(value)
        found = torch.cat([found, vector[None]])
    ranking = order(np.array(values), "magnitude")
    return certify(matvec, np.array(values)[ranking], found[ranking], scale, tolerance, used)


def _deflated(vector: Tensor, found: Tensor) -> Tensor:
    """The unit vector along what is orthogonal to the pairs already found."""
    for _ in range(2):
        vector = vector - found.T @ (found @ vector)
    return vector / torch.linalg.vector_norm(vector)
