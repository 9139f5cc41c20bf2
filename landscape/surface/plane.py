"""The loss over a plane through the trained weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import Parameters, norm, shifted
from landscape.progress import Progress, silent


def plane(
    objective: Objective,
    directions: Sequence[Parameters],
    *,
    span: float = 1.0,
    steps: int = 21,
    progress: Progress = silent,
) -> xr.Dataset:
    """NLL, L2 and accuracy at θ + x·δ + y·η on a square grid (Li et al. 2018, section 4).

    With `fresh` dropout every point has masks of its own, numbered by the point, so that any point can be
    computed again on its own.

    Args:
        objective: The loss; its own parameters are the centre.
        directions: δ and η.
        span: Half the side of the square, in units of the directions.
        steps: Points a side, odd so that the centre is one of them.
        progress: Shows the points.

    Returns:
        Dimensions `y`, `x`: `nll` (nats) with its `standard_error` over samples, `l2`, `accuracy`, `samples`,
        `done`; and ‖δ‖, ‖η‖ as `x_norm`, `y_norm`. Values that are not finite are kept as measured.

    Raises:
        LandscapeError: If the grid has no centre, or the span is not positive and finite.
    """
    if steps < 3 or steps % 2 == 0:
        raise LandscapeError(f"the grid needs an odd number of points a side, at least 3, got {steps}")
    if not 0 < span < np.inf:
        raise LandscapeError(f"the span must be positive and finite, got {span}")
    delta, eta = directions
    axis = np.linspace(-span, span, steps)
    axis[steps // 2] = 0.0  # exactly the trained weights
    table = {name: np.empty((steps, steps)) for name in ("nll", "standard_error", "l2", "accuracy")}
    points = list(np.ndindex(steps, steps))
    for index, (row, column) in enumerate(progress(points, "surface", len(points))):
        theta = shifted(objective.parameters, (float(axis[column]), delta), (float(axis[row]), eta))
        losses, correct = objective.sample_losses(theta, draw=1 + index)
        table["nll"][row, column] = losses.mean()
        table["standard_error"][row, column] = standard_error(losses)
        table["l2"][row, column] = objective.l2(theta)
        table["accuracy"][row, column] = correct.double().mean()
    return _dataset(table, axis, len(objective.samples), float(norm(delta)), float(norm(eta)))


def standard_error(values: torch.Tensor) -> float:
    """Standard error of the mean of independent values; NaN for a single one."""
    return float(values.std() / len(values) ** 0.5) if len(values) > 1 else float("nan")


def _dataset(table: dict[str, np.ndarray], axis: np.ndarray, samples: int, x_norm: float, y_norm: float):
    names = {
        "nll": {"long_name": "negative log-likelihood", "units": "nats"},
        "standard_error": {"long_name": "standard error of the NLL over samples", "units": "nats"},
        "l2": {"long_name": "½ · weight decay · ‖w‖²", "units": "nats"},
        "accuracy": {"long_name": "accuracy"},
    }
    shape = (len(axis), len(axis))
    return xr.Dataset(
        {
            **{name: (("y", "x"), table[name], attrs) for name, attrs in names.items()},
            "samples": (("y", "x"), np.full(shape, samples)),
            "done": (("y", "x"), np.ones(shape, bool)),
            "x_norm": ((), x_norm, {"long_name": "‖δ‖"}),
            "y_norm": ((), y_norm, {"long_name": "‖η‖"}),
        },
        coords={
            "x": ("x", axis, {"long_name": "x", "units": "filter norms"}),
            "y": ("y", axis, {"long_name": "y", "units": "filter norms"}),
        },
    )
