"""The Hessian max-eigenvalue spectrum: top eigenvalues of many mini-batches (Park & Kim 2022b, section 2).

The papers' protocols are named presets.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from landscape.allocation import memory_kept
from landscape.concurrent import Items
from landscape.derivatives.graphs import Curvature, keepable
from landscape.errors import LandscapeError
from landscape.hessian.eigenvalues import eigenpairs, evidence
from landscape.hessian.operators import Coordinates, Operator, prepared
from landscape.intervals import of_ratio, of_share
from landscape.objective import Objective
from landscape.work import Item, Progress, Runner, in_memory


@memory_kept()
def max_eigenvalue_spectrum(
    objective: Objective,
    *,
    batch_size: int = 128,
    batches: int = 0,
    k: int = 1,
    kind: Curvature = "hessian",
    coordinates: Coordinates = "raw",
    seed: int = 0,
    run: Runner | None = None,
    **options: Any,
) -> xr.Dataset:
    """Top eigenvalues, with their sign, of the curvature of each mini-batch's loss.

    Mini-batches are consecutive runs of the objective's samples. With `fresh` dropout each has a mask of its
    own.

    Args:
        objective: Network, samples and protocol; its micro-batch may be smaller than a mini-batch.
        batch_size: Samples per mini-batch.
        batches: Number of mini-batches; 0 takes as many as the samples give.
        k: Eigenvalues per mini-batch.
        kind: The Hessian, or the generalised Gauss–Newton matrix.
        coordinates: See `Operator`.
        seed: Random seed of the start vectors.
        run: Runs the mini-batches; in memory by default.
        **options: As in `landscape.hessian.eigenvalues.Search`, for each mini-batch; by default the largest
            magnitudes, as power iteration in the papers finds them, to a tolerance of 0.01.

    Returns:
        Dimensions `batch`, `rank`: `eigenvalue`, `residual`, `error_bound`, `converged`, `rank_risk` and
        `rank_certain` (see `top_eigenvalues`); and the statistics of `summary_statistics`.

    Raises:
        LandscapeError: If the samples do not give that many mini-batches.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> spectrum = ls.hessian.max_eigenvalue_spectrum(objective, batch_size=20)
        >>> spectrum.eigenvalue.dims, spectrum.eigenvalue.shape
        (('batch', 'rank'), (3, 1))
        >>> bool(spectrum.ape == spectrum.eigenvalue.mean())
        True
    """
    count = mini_batches(len(objective.samples), batch_size, batches)
    objective, exact = prepared(objective, kind)
    search: dict[str, Any] = {"which": "magnitude", "tolerance": 1e-2} | options

    def compute(objective: Objective, index: int, steps: Progress) -> Item:
        part = objective.subset(index * batch_size, (index + 1) * batch_size)
        operator = Operator(part, kind=kind, coordinates=coordinates, draw=1 + index)
        pairs = eigenpairs(operator, k, **{"progress": steps} | search, seed=seed + index)
        return {**evidence(pairs), "products": np.array(pairs.products)}

    alone = not exact or search.get("method") == "pyhessian"  # what they share is not made for threads
    memory = sys.maxsize if alone else _memory(objective, kind, batch_size, k)
    several = Items(objective, compute, count=count, memory=memory)
    return _dataset((run or in_memory())(count, several, "spectrum"), seed)


def _memory(objective: Objective, kind: Curvature, batch_size: int, k: int) -> int:
    """Bytes that a mini-batch takes while it is in work, about: graphs, and a basis with its images."""
    part = objective.subset(0, 2)  # two, or BatchNorm on batch statistics might have none
    matrix = part.curvature(kind=kind, keep=0)
    matrix(part.free)
    each = matrix.products.graph_bytes // len(part.samples)
    kept = min(each * batch_size, keepable(objective.device))
    vector = sum(value.numel() for value in objective.free.values()) * objective.dtype.itemsize
    return kept + each * min(batch_size, objective.micro_batch) + 4 * (k + 20) * vector


def _dataset(items: Sequence[Item], seed: int) -> xr.Dataset:
    columns = {name: np.array([item[name] for item in items]) for name in items[0]}
    products = int(columns.pop("products").sum())
    count, k = columns["eigenvalue"].shape
    names = {"eigenvalue": "Hessian max eigenvalue", "residual": "‖Hv − λv‖"}
    attributes = {name: {"long_name": names[name]} if name in names else {} for name in columns}
    dataset = xr.Dataset(
        {name: (("batch", "rank"), values, attributes[name]) for name, values in columns.items()},
        coords={"batch": np.arange(count), "rank": np.arange(1, k + 1)},
    )
    dataset["products"] = ((), products, {"long_name": "products with the matrices"})
    return dataset.assign(summary_statistics(dataset.eigenvalue.values, seed=seed))


def mini_batches(samples: int, batch_size: int, batches: int) -> int:
    """How many mini-batches a spectrum has: those asked for, or all that the samples give.

    Raises:
        LandscapeError: If the samples do not give that many.
    """
    if batch_size < 1:
        raise LandscapeError(f"a mini-batch holds at least 1 sample, got {batch_size}")
    count = batches or samples // batch_size
    if not 1 <= count <= samples // batch_size:
        raise LandscapeError(
            f"{max(batches, 1)} mini-batches of {batch_size} need {max(batches, 1) * batch_size} samples, "
            f"there are {samples}; take more --samples or fewer or smaller mini-batches"
        )
    return count


def summary_statistics(values: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """APE and NEP of signed eigenvalues of shape (batch, rank), with their uncertainty over mini-batches.

    APE is the mean over all positive values, NEP the share of negative ones (Park & Kim 2022b, A.2). Values
    of one mini-batch are not independent, so the mini-batch is the unit: `…_low` and `…_high` are 95 %
    intervals of a ratio of mini-batches' sums and counts, and of a share among clusters (`of_ratio` and
    `of_share` of `landscape.intervals`). `ape_standard_error` is that of the ratio. What cannot be estimated,
    without a positive value or with one mini-batch, is NaN.

    Args:
        values: Eigenvalues with their sign.
        seed: Random seed of the resampling.
    """
    positive, negative = values > 0, values < 0
    sums, counts = np.where(positive, values, 0.0).sum(1), positive.sum(1)
    ape = sums.sum() / counts.sum() if counts.sum() else math.nan
    error = math.nan
    if len(values) > 1 and counts.sum():
        deviations = sums - ape * counts
        error = np.sqrt((deviations**2).sum() / (len(values) - 1) / len(values)) / counts.mean()
    ape_low, ape_high = of_ratio(sums, counts, seed=seed)
    nep_low, nep_high = of_share(negative.sum(1), values.shape[1])
    return {
        "ape": ((), float(ape), {"long_name": "mean of the positive eigenvalues"}),
        "ape_standard_error": ((), float(error)),
        "ape_low": ((), ape_low, {"long_name": "lower end of the 95 % interval"}),
        "ape_high": ((), ape_high),
        "nep": ((), float(negative.mean()), {"long_name": "share of negative eigenvalues"}),
        "nep_low": ((), nep_low, {"long_name": "lower end of the 95 % interval"}),
        "nep_high": ((), nep_high),
    }


@dataclass(frozen=True)
class SpectrumProtocol:
    """What a paper measured its spectra with; eigenvalues are those of largest magnitude.

    Attributes:
        description: In words.
        batch_size: Samples per mini-batch.
        k: Eigenvalues per mini-batch.
        augment: Whether the training images are augmented.
        l2: Whether the loss includes the L2 term, with the weight decay of the training.
    """

    description: str
    batch_size: int
    k: int
    augment: bool
    l2: bool


PROTOCOLS = {
    "p1": SpectrumProtocol("Park & Kim (ICML 2022), Fig. 8", 128, 1, augment=False, l2=False),
    "p2": SpectrumProtocol("Park & Kim (ICLR 2022), Fig. 1c", 16, 5, augment=True, l2=True),
}
"""Both on training images, with one fresh dropout mask for each mini-batch."""
