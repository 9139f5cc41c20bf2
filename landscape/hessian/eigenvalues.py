"""Top eigenvalues of an objective's Hessian, each with its residual."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import xarray as xr

from landscape.errors import LandscapeError
from landscape.linalg import Eigenpairs, Which, lanczos, power_iteration
from landscape.objective import Objective
from landscape.parameters import flatten, unflatten
from landscape.progress import Progress, silent

Method = Literal["lanczos", "power"]
METHODS: tuple[Method, ...] = ("lanczos", "power")


def eigenpairs(
    objective: Objective,
    k: int,
    *,
    method: Method = "lanczos",
    which: Which = "largest",
    tolerance: float = 1e-3,
    max_products: int = 0,
    seed: int = 0,
    draw: int = 0,
    progress: Progress = silent,
) -> Eigenpairs:
    """Eigenpairs of the Hessian of the total loss over the objective's free parameters.

    Args:
        objective: Network, samples and protocol.
        k: Number of pairs.
        method: `lanczos`, or `power` iteration with deflation as in the papers (magnitude only).
        which: `largest`, `smallest` or `magnitude`; `power` finds magnitudes.
        tolerance: Residual relative to the largest |λ| that counts as converged.
        max_products: Hessian-vector products allowed; 0 allows 200 for Lanczos, 200·k for power iteration.
        seed: Of the start vector.
        draw: Which dropout masks, with `fresh` dropout.
        progress: Counts the products; how many there will be is not known beforehand.

    Raises:
        LandscapeError: On an unknown method, or `power` asked for one end of the spectrum.
    """
    if method not in METHODS:
        raise LandscapeError(f"method is {method!r}; choose one of {', '.join(METHODS)}")
    if method == "power" and which != "magnitude":
        raise LandscapeError(f"power iteration finds the largest magnitudes, not the {which}; use lanczos")
    hessian, like = objective.hessian(draw=draw), objective.free

    counter = iter(progress(itertools.count(), "Hessian-vector products", None))

    def matvec(vector):
        next(counter)
        return flatten(hessian(unflatten(vector, like)))

    first = next(iter(like.values()))
    size = sum(value.numel() for value in like.values())
    if method == "power":
        limit = max_products or 200 * k
        return power_iteration(
            matvec, size, k, tolerance=tolerance, max_products=limit, seed=seed, like=first
        )
    limit = max_products or 200
    return lanczos(
        matvec, size, k, which=which, tolerance=tolerance, max_products=limit, seed=seed, like=first
    )


def top_eigenvalues(objective: Objective, k: int = 5, **options) -> xr.Dataset:
    """The k eigenvalues as a dataset.

    Args:
        objective: Network, samples and protocol.
        k: Number of eigenvalues.
        **options: As in `eigenpairs`.

    Returns:
        Dimension `rank`: `eigenvalue`, `residual` (‖Hv − λv‖, a bound on the eigenvalue's error) and
        `converged`; `products` counts Hessian-vector products.
    """
    pairs = eigenpairs(objective, k, **options)
    return xr.Dataset(
        {
            "eigenvalue": ("rank", pairs.eigenvalues, {"long_name": "Hessian eigenvalue"}),
            "residual": ("rank", pairs.residuals, {"long_name": "‖Hv − λv‖"}),
            "converged": ("rank", pairs.converged),
            "products": ((), pairs.products, {"long_name": "Hessian-vector products"}),
        },
        coords={"rank": np.arange(1, k + 1)},
    )
