"""Frobenius norm and trace of a curvature matrix from the same products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from torch import Tensor

from landscape.allocation import memory_kept
from landscape.errors import LandscapeError
from landscape.hessian.operators import Operator, as_operator
from landscape.intervals import student
from landscape.linalg import rademacher, substream
from landscape.objective import Objective
from landscape.work import Item, Runner, in_memory


@memory_kept()
def frobenius(
    source: Objective | Operator,
    *,
    probes: int = 16,
    seed: int = 0,
    signs: Callable[[int], Tensor] | None = None,
    run: Runner | None = None,
    label: str = "frobenius",
) -> xr.Dataset:
    """‖A‖_F, the root of Σλ², and the trace, from products A v with random signs v.

    E‖A v‖² = ‖A‖_F² (Hutchinson's estimator of the trace of A²), E vᵀA v = tr A.

    Args:
        source: An objective, for its Hessian, or an `Operator`.
        probes: Random vectors, one product each.
        seed: Random seed of the probes.
        signs: Index → probe, shape (n,), in place of those of the seed.
        run: Runs the probes; in memory by default.
        label: What the runner calls them.

    Returns:
        `frobenius` and `trace`, each with `_standard_error`, `_low` and `_high` (Student's 95 % interval over
        probes; that of the norm is the root of that of its square, from 0); dimension `probe`: `square`
        (‖A v‖²) and `form` (vᵀA v); `products`.

    Raises:
        LandscapeError: With fewer than two probes.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> found = ls.hessian.frobenius(ls.Objective(network, samples), probes=8)
        >>> bool(found.frobenius_low < found.frobenius < found.frobenius_high)
        True
    """
    if probes < 2:
        raise LandscapeError(f"a standard error takes at least 2 probes, got {probes}")
    operator = as_operator(source)

    def compute(index: int) -> Item:
        probe = signs(index) if signs else rademacher(operator.size, substream(seed, index), operator.like)
        image = operator(probe).double()
        return {"square": (image @ image).cpu().numpy(), "form": (image @ probe.double()).cpu().numpy()}

    items = (run or in_memory())(probes, compute, label)
    squares, forms = (np.array([float(item[name]) for item in items]) for name in ("square", "form"))
    ends = [*map(float, student(squares))]
    norm = ends[0] ** 0.5
    return xr.Dataset(
        {
            "frobenius": ((), norm, {"long_name": "Frobenius norm"}),
            "frobenius_standard_error": ((), ends[1] / (2 * norm) if norm else 0.0),
            "frobenius_low": ((), max(ends[2], 0.0) ** 0.5),
            "frobenius_high": ((), ends[3] ** 0.5),
            **{
                f"trace{end}": ((), float(value))
                for end, value in zip(("", "_standard_error", "_low", "_high"), student(forms), strict=True)
            },
            "square": ("probe", squares),
            "form": ("probe", forms),
            "products": ((), probes, {"long_name": "products with the matrix"}),
        }
    )
