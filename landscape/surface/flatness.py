"""How flat a minimum is along many random directions, with intervals: one picture never speaks alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import xarray as xr

from landscape.allocation import memory_kept
from landscape.errors import ArgumentError
from landscape.intervals import of_median, of_ratio
from landscape.linalg import substream
from landscape.objective import Objective
from landscape.parameters import norm as length
from landscape.parameters import shifted
from landscape.surface.directions import random
from landscape.surface.moved import apart, origin_of
from landscape.surface.norms import UNITS, Norm, check_norm
from landscape.work import Item, Runner, in_memory

SIGNS = (1.0, -1.0)
QUANTILES = (0.025, 0.975)
"""Ends of the intervals: 95 %."""

_BEYOND = 1e9  # largest radii: however an interpolated quantile mixes it with a radius, it stays beyond all


@memory_kept()
def flatness(
    objective: Objective,
    *,
    radii: Sequence[float] = (0.1, 0.2, 0.5),
    repeats: int = 10,
    norm: Norm = "filter",
    seed: int = 0,
    rise: float = 1.0,
    run: Runner | None = None,
) -> xr.Dataset:
    """Loss increase, curvature and sharpness along random directions through the trained weights.

    Direction d_k is Gaussian and scaled by the norm, with `filter` so that every filter is as long as the
    same filter of the weights (Li et al. 2018, section 4). The loss L is measured at θ and at
    θ ± r·d_k, so that r is in filter norms. Direction k depends on the seed and on k alone: networks of the
    same shape are compared in pairs, repeat by repeat, and the first direction of surface k is d_k.

    Intervals cover the choice of directions, 95 %: of means as `landscape.intervals.of_ratio`, of the median
    as `of_median`. They cover neither the samples nor other training runs. With `fresh` dropout each
    repeat has its own masks, the same at all of its points: what it measures is the direction, not the mask.

    Args:
        objective: The loss; its own parameters are the centre.
        radii: Where to measure, increasing, in units of the directions.
        repeats: Number of directions.
        norm: Norm of the directions, see `landscape.surface.norms.NORMS`.
        seed: Random seed of the directions and of the resampling.
        rise: For `radius_at_rise`, in nats above the centre.
        run: Runs the repeats; in memory by default.

    Returns:
        Dimensions `repeat`, `radius`, `sign` (+1, −1), `quantile` (0.025, 0.975: the ends of intervals).

        - `loss` (repeat, radius, sign), `center` (repeat): as measured, in nats; `direction_norm` (repeat):
          ‖d_k‖.
        - `rise` (repeat, radius): mean over both signs of L(θ ± r·d) − L(θ); `rise_mean`, `rise_interval`,
          and `not_finite` (radius), the number of repeats that are not finite. These make the mean infinite
          or NaN and its interval NaN, because the network would look flatter without them.
        - `curvature` (repeat): (L(θ + r·d) + L(θ − r·d) − 2·L(θ))/r² at the smallest radius, in nats per
          squared unit, which is dᵀ∇²L d up to O(r²); `curvature_mean`, `curvature_interval`.
        - `radius_at_rise` (repeat): where `rise` first passes the given number of nats, interpolated between
          measured radii, linearly in r² (exact for a quadratic); NaN if it does not within the largest
          radius, or between finite losses: nothing is extrapolated. `not_reached` counts those. They count
          as beyond every radius in `radius_at_rise_median` and `radius_at_rise_interval`, which are NaN where
          they would lie beyond.
        - `sharpness` (radius): ε-sharpness of Keskar et al. 2017 (eq. 4) in percent, 100·(max L(θ ± r·d) −
          L(θ))/(1 + L(θ)) over the sampled directions instead of all: a lower bound, which grows with
          the repeats.

    Raises:
        LandscapeError: On radii that are not positive, finite and increasing, no repeats, a rise that is not
            positive, an unknown norm, a negative seed, or parameters of which none gets a direction.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> found = ls.surface.flatness(objective, radii=[0.1, 0.2], repeats=3)
        >>> found.rise.dims, found.rise.shape
        (('repeat', 'radius'), (3, 2))
    """
    _check(radii, repeats, rise)
    check_norm(norm, include_1d=False)

    @cache
    def center(draw: int) -> float:
        return objective.value(objective.parameters, draw=draw).nll

    def compute(index: int) -> Item:
        (direction,) = random(objective, norm=norm, seed=seed, count=1, repeat=index).vectors
        draw = 1 + index if objective.dropout == "fresh" else 0
        origin = origin_of(objective, (direction,))

        def value(step: float) -> float:
            other, theta = apart(objective, shifted(origin, (step, direction)))
            return other.value(theta, draw=draw).nll

        loss = [[value(sign * radius) for sign in SIGNS] for radius in radii]
        return {
            "loss": np.array(loss),
            "center": np.array(center(draw)),
            "direction_norm": np.array(float(length(direction))),
        }

    items = (run or in_memory())(repeats, compute, "flatness")
    measured = {name: np.array([item[name] for item in items]) for name in items[0]}
    return summary(
        measured["loss"],
        measured["center"],
        radii=np.array(radii, float),
        rise=rise,
        seed=seed,
        units=UNITS[norm],
    ).assign(direction_norm=("repeat", measured["direction_norm"], {"long_name": "‖d‖"}))


def summary(
    loss: np.ndarray,
    center: np.ndarray,
    *,
    radii: np.ndarray,
    rise: float,
    seed: int = 0,
    units: str = "filter norms",
) -> xr.Dataset:
    """What `flatness` says of losses that were measured.

    Args:
        loss: At θ ± r·d, shape (repeat, radius, sign), in nats.
        center: At θ, shape (repeat,).
        radii: Increasing, shape (radius,).
        rise: For `radius_at_rise`, in nats.
        seed: Random seed of the resampling.
        units: Of the radii.

    Returns:
        As `flatness`, without `direction_norm`.
    """
    sharp = _sharpness(loss, center)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN, and stays so
        increase = (loss - center[:, None, None]).mean(2)
        curvature = (loss[:, 0].sum(1) - 2 * center) / radii[0] ** 2
        reached = np.array([radius_at_rise(radii, line, rise) for line in increase])
    beyond = np.where(np.isnan(reached), _BEYOND * radii[-1], reached)
    middle = np.array([np.median(beyond), *of_median(beyond)])
    middle[middle > radii[-1]] = np.nan
    nats, units_of_curvature = {"units": "nats"}, {"units": f"nats / ({units})²"}
    return xr.Dataset(
        {
            "loss": (("repeat", "radius", "sign"), loss, {"long_name": "loss at θ ± r·d"} | nats),
            "center": ("repeat", center, {"long_name": "loss at θ"} | nats),
            "rise": (("repeat", "radius"), increase, {"long_name": "mean loss increase"} | nats),
            "rise_mean": ("radius", _mean(increase), nats),
            "rise_interval": (("quantile", "radius"), _interval(increase, seed), nats),
            "not_finite": ("radius", np.count_nonzero(~np.isfinite(increase), axis=0)),
            "curvature": ("repeat", curvature, {"long_name": "dᵀ∇²L d"} | units_of_curvature),
            "curvature_mean": ((), _mean(curvature), units_of_curvature),
            "curvature_interval": ("quantile", _interval(curvature, seed), units_of_curvature),
            "radius_at_rise": ("repeat", reached, {"units": units, "rise": float(rise)}),
            "radius_at_rise_median": ((), middle[0], {"units": units}),
            "radius_at_rise_interval": ("quantile", middle[1:], {"units": units}),
            "not_reached": ((), np.count_nonzero(np.isnan(reached))),
            "sharpness": ("radius", sharp, {"long_name": "ε-sharpness, a lower bound", "units": "%"}),
        },
        coords={
            "radius": ("radius", radii, {"units": units}),
            "sign": ("sign", np.array(SIGNS)),
            "quantile": ("quantile", np.array(QUANTILES)),
        },
    )


def radius_at_rise(radii: np.ndarray, increase: np.ndarray, rise: float) -> float:
    """Radius at which the loss has first risen by `rise`, interpolated linearly in r².

    Args:
        radii: Increasing, shape (radius,).
        increase: Mean loss increase there, shape (radius,); it is 0 at radius 0.
        rise: In the units of the increase, positive.

    Returns:
        NaN if the increase stays below, or a value that is not finite comes before it has risen so far.
    """
    squares = np.concatenate([[0.0], radii**2])
    heights = np.concatenate([[0.0], increase])
    # What is not finite is not below either: behind a NaN nobody knows which crossing is the first.
    above = np.flatnonzero(~(heights < rise))
    if not len(above) or not np.isfinite(heights[above[0]]):
        return float("nan")
    low, high = above[0] - 1, above[0]
    share = (rise - heights[low]) / (heights[high] - heights[low])
    return float(np.sqrt(squares[low] + share * (squares[high] - squares[low])))


def _check(radii: Sequence[float], repeats: int, rise: float) -> None:
    ends = [0.0, *radii, np.inf]
    if not len(radii) or not all(low < high for low, high in pairwise(ends)):
        shown = ", ".join(map(str, radii)) or "none"
        raise ArgumentError(f"the radii must be positive, finite and increasing, got {shown}")
    if repeats < 1:
        raise ArgumentError(f"flatness needs at least one direction, got repeats {repeats}")
    if not 0 < rise < np.inf:
        raise ArgumentError(f"the rise must be a positive number of nats, got {rise}")


def _mean(values: np.ndarray) -> np.ndarray:
    """Over repeats; NaN and infinity included."""
    with np.errstate(invalid="ignore"):
        return np.asarray(values.mean(0))


def _interval(values: np.ndarray, seed: int) -> np.ndarray:
    """Ends of the interval of the mean over repeats, shape (quantile, …).

    NaN with a single repeat, and where a value is not finite. The same repeats are drawn for every column.
    """
    columns = values.reshape(len(values), -1).T
    ends = [of_ratio(column, np.ones(len(column)), seed=substream(seed, 0)) for column in columns]
    return np.array(ends).T.reshape(len(QUANTILES), *values.shape[1:])


def _sharpness(loss: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Keskar et al. 2017, eq. 4, over the sampled points; shape (radius,)."""
    with np.errstate(invalid="ignore"):
        relative = (loss - center[:, None, None]) / (1 + center[:, None, None])
    return np.asarray(100 * relative.max((0, 2)))
