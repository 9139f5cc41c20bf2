"""The Hessian max-eigenvalue spectrum: top eigenvalues of many mini-batches (Park & Kim 2022b, section 2)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.errors import LandscapeError
from landscape.hessian.eigenvalues import Method, eigenpairs
from landscape.objective import Objective
from landscape.progress import Progress, silent


def max_eigenvalue_spectrum(
    objective: Objective,
    *,
    batch_size: int = 128,
    batches: int = 0,
    k: int = 1,
    method: Method = "lanczos",
    tolerance: float = 1e-2,
    seed: int = 0,
    progress: Progress = silent,
) -> xr.Dataset:
    """Eigenvalues of largest magnitude, with their sign, of the Hessian of each mini-batch's loss.

    Mini-batches are consecutive runs of the objective's samples.

    Args:
        objective: Network, samples and protocol; its micro-batch may be smaller, which changes nothing.
        batch_size: Samples a mini-batch.
        batches: How many; 0 takes all that the samples give.
        k: Eigenvalues a mini-batch.
        method: `lanczos` or `power`; both find the largest magnitudes.
        tolerance: Residual relative to the largest |λ| of the mini-batch that counts as converged.
        seed: Of the start vectors.
        progress: Shows the mini-batches.

    Returns:
        Dimensions `batch`, `rank`: `eigenvalue`, `residual`, `converged`; and `ape`, the mean of the positive
        eigenvalues with its standard error over mini-batches, and `nep`, the share of negative ones (Park &
        Kim 2022b, A.2).

    Raises:
        LandscapeError: If the samples do not give that many mini-batches.
    """
    available = len(objective.samples) // batch_size if batch_size > 0 else 0
    count = batches or available
    if not 1 <= count <= available:
        raise LandscapeError(
            f"{batches or 1} mini-batches of {batch_size} need {(batches or 1) * batch_size} samples, "
            f"there are {len(objective.samples)}; take more --samples or fewer or smaller mini-batches"
        )
    values, residuals, converged, products = [], [], [], 0
    for index in progress(range(count), "spectrum", count):
        part = objective.subset(index * batch_size, (index + 1) * batch_size)
        pairs = eigenpairs(
            part, k, method=method, which="magnitude", tolerance=tolerance, seed=seed + index, draw=1 + index
        )
        values.append(pairs.eigenvalues)
        residuals.append(pairs.residuals)
        converged.append(pairs.converged)
        products += pairs.products
    dataset = xr.Dataset(
        {
            "eigenvalue": (("batch", "rank"), np.array(values), {"long_name": "Hessian max eigenvalue"}),
            "residual": (("batch", "rank"), np.array(residuals), {"long_name": "‖Hv − λv‖"}),
            "converged": (("batch", "rank"), np.array(converged)),
            "products": ((), products, {"long_name": "Hessian-vector products"}),
        },
        coords={"batch": np.arange(count), "rank": np.arange(1, k + 1)},
    )
    return dataset.assign(summary_statistics(dataset.eigenvalue.values))


def summary_statistics(values: np.ndarray) -> dict[str, tuple]:
    """APE with its standard error, and NEP, of signed eigenvalues of shape (batch, rank).

    APE is the mean over all positive values. Its standard error treats mini-batches, not single values, as
    independent: it is that of the mini-batches' sums over their counts (a ratio estimator). Without a
    positive value, or with one mini-batch, what cannot be estimated is NaN.
    """
    positive = values > 0
    sums, counts = np.where(positive, values, 0.0).sum(1), positive.sum(1)
    ape = sums.sum() / counts.sum() if counts.sum() else np.nan
    error = np.nan
    if len(values) > 1 and counts.sum():
        deviations = sums - ape * counts
        error = np.sqrt((deviations**2).sum() / (len(values) - 1) / len(values)) / counts.mean()
    return {
        "ape": ((), ape, {"long_name": "mean of the positive eigenvalues"}),
        "ape_standard_error": ((), error),
        "nep": ((), float((values < 0).mean()), {"long_name": "share of negative eigenvalues"}),
    }
