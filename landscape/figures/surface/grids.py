"""Surfaces as they are drawn: one quantity on a plane or along a line, and which of its points are there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landscape.errors import ResultError, ResultRequestError
from landscape.results.surfaces import loss_label

QUANTITIES = {
    "nll": "NLL",
    "l2": "L2 term",
    "total": "NLL + L2",
    "accuracy": "accuracy",
    "ece": "ECE",
    "exact_match": "exact match",
    "iou": "IoU",
    "rmse": "RMSE",
    "perplexity": "perplexity",
    "convexity": "|λmin / λmax|",
}
"""What can be drawn of a surface, and its label."""


def label_of(quantity: str, surfaces: Iterable[xr.Dataset]) -> str:
    """What a quantity of some surfaces is called: the loss of a task without a likelihood is no NLL.

    Args:
        quantity: One of `QUANTITIES`.
        surfaces: Results of kind `surface`.
    """
    plain = any("nll" in each and loss_label(each) == "loss" for each in surfaces)
    return QUANTITIES[quantity].replace("NLL", "loss") if plain else QUANTITIES[quantity]


_NEEDED = {"total": ("nll", "l2"), "convexity": ("hessian_smallest", "hessian_largest")}
_AS_MUCH = 0.95  # a finer grid of points is worth this share of the area


@dataclass(frozen=True)
class Cells:
    """One quantity on the grid of a plane, exactly as measured.

    Attributes:
        x: Coordinates along the first direction, shape (X,).
        y: Coordinates along the second direction, shape (Y,).
        values: Shape (Y, X).
        done: Which cells were computed, shape (Y, X).
        step: 1 for the whole grid, n for every n-th row and column of it.
    """

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    done: np.ndarray
    step: int = 1

    @property
    def finite(self) -> np.ndarray:
        """Mask of cells that were computed and are finite."""
        return self.done & np.isfinite(self.values)

    @property
    def not_finite(self) -> int:
        """Number of computed cells that are NaN or infinite."""
        return int(np.sum(self.done & ~np.isfinite(self.values)))

    @property
    def not_done(self) -> int:
        """Number of cells not computed yet."""
        return int(np.sum(~self.done))

    def drawn(self) -> np.ndarray:
        """Values with NaN wherever there is nothing finite to draw."""
        return np.where(self.finite, self.values, np.nan)

    def lowest(self) -> tuple[float, float] | None:
        """Where the smallest finite value is, x and y; None if no value is finite."""
        if not self.finite.any():
            return None
        j, i = np.unravel_index(np.nanargmin(self.drawn()), self.values.shape)
        return float(self.x[i]), float(self.y[j])

    def covering(self) -> Cells:
        """The finest grid of every n-th row and column, n a power of two, that covers the most.

        Runs go from coarse to fine, so one that was stopped has the whole picture at a lower resolution,
        where the full grid would be nothing but holes. A finished run is its own.
        """
        steps = [2**k for k in range(int(np.log2(min(self.values.shape))))]
        grids = [self._every(n) for n in steps] if self.not_done else [self]
        areas = [grid._area() for grid in grids]
        return next(g for g, area in zip(grids, areas, strict=True) if area >= _AS_MUCH * max(areas))

    def _every(self, n: int) -> Cells:
        """Every n-th row and column, counted from the middle, as runs do."""
        rows, columns = (slice(size // 2 % n, None, n) for size in self.values.shape)
        return Cells(self.x[columns], self.y[rows], self.values[rows, columns], self.done[rows, columns], n)

    def _area(self) -> float:
        """Area of the quadrilaterals whose four corners were computed."""
        whole = self.done[:-1, :-1] & self.done[:-1, 1:] & self.done[1:, :-1] & self.done[1:, 1:]
        return float(np.abs(np.outer(np.diff(self.y), np.diff(self.x)))[whole].sum())


@dataclass(frozen=True)
class Profile:
    """One quantity along a line, one row for each repeat.

    Attributes:
        x: Coordinates, shape (X,).
        values: As measured, shape (repeat, X).
        done: Which points were computed, shape (repeat, X).
        error: Standard error over samples, shape (repeat, X); NaN where it is not known.
    """

    x: np.ndarray
    values: np.ndarray
    done: np.ndarray
    error: np.ndarray

    @property
    def broken(self) -> np.ndarray:
        """Mask of computed points that are NaN or infinite, shape (repeat, X)."""
        return self.done & ~np.isfinite(self.values)

    def drawn(self) -> np.ndarray:
        """Values with NaN wherever there is nothing finite to draw, shape (repeat, X)."""
        return np.where(self.done & np.isfinite(self.values), self.values, np.nan)

    def mean_and_spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation over repeats, each of shape (X,).

        NaN where a repeat is not finite or not computed: without it, the mean would be that of other
        directions, and flatter. Repeats of which nothing was computed do not count.
        """
        begun = self.drawn()[self.done.any(axis=1)]
        if not len(begun):
            return np.full(len(self.x), np.nan), np.full(len(self.x), np.nan)
        return begun.mean(axis=0), begun.std(axis=0, ddof=1) if len(begun) > 1 else np.nan * begun[0]


def is_plane(dataset: xr.Dataset) -> bool:
    """Whether a surface is a plane that can be drawn, not a line."""
    return {"x", "y"} <= set(dataset.dims) and min(dataset.sizes["x"], dataset.sizes["y"]) > 1


def is_line(dataset: xr.Dataset) -> bool:
    """Whether a surface is a line that can be drawn, not a plane."""
    return "x" in dataset.dims and "y" not in dataset.dims and dataset.sizes["x"] > 1


def repeats(dataset: xr.Dataset) -> int:
    """How many pairs of directions were measured."""
    return int(dataset.sizes.get("repeat", 1))


def first(dataset: xr.Dataset) -> xr.Dataset:
    """The first of several repeats or dropout masks, as is drawn where there is room for one."""
    return dataset.isel({name: 0 for name in ("repeat", "mask") if name in dataset.dims})


def masks(dataset: xr.Dataset) -> list[xr.Dataset]:
    """The surfaces under one dropout mask after the other; of a surface without that dimension, itself."""
    if "mask" not in dataset.dims:
        return [dataset]
    return [dataset.isel(mask=index) for index in range(dataset.sizes["mask"])]


def marked(dataset: xr.Dataset) -> dict[str, tuple[float, float]]:
    """Points of a plane that its grid was laid around, such as other checkpoints, by name."""
    if not {"marked_x", "marked_y"} <= set(dataset.variables):
        return {}
    places = zip(dataset["marked_x"].values, dataset["marked_y"].values, strict=True)
    return {
        str(name): (float(x), float(y)) for name, (x, y) in zip(dataset["marked"].values, places, strict=True)
    }


def cells(dataset: xr.Dataset, quantity: str = "nll") -> Cells:
    """One quantity of a plane; of several repeats, the first.

    Args:
        dataset: A result of kind `surface`, dimensions `y` and `x`, and maybe `repeat`.
        quantity: One of `QUANTITIES`: `total` is NLL plus L2, `convexity` |λmin/λmax| of the Hessian.

    Raises:
        ResultError: If the quantity is unknown or not stored, or the grid is not two-dimensional.
    """
    _check_quantity(quantity)
    if not is_plane(dataset):
        raise ResultError(f"a surface needs at least 2 × 2 points to draw, received {dict(dataset.sizes)}")
    values = _values(first(dataset), quantity).transpose("y", "x").values
    x, y = (np.asarray(dataset[axis].values, dtype=float) for axis in ("x", "y"))
    return Cells(x, y, values, _done(first(dataset), values, ("y", "x")))


def profile(dataset: xr.Dataset, quantity: str = "nll") -> Profile:
    """One quantity along a line, every repeat of it, in the order of x.

    Args:
        dataset: A result of kind `surface`, dimension `x`, and maybe `repeat`.
        quantity: One of `QUANTITIES`.

    Raises:
        ResultError: If the quantity is unknown or not stored, or the surface is not a line.
    """
    _check_quantity(quantity)
    if not is_line(dataset):
        raise ResultError(
            f"a line needs the dimension x alone, at least 2 points, received {dict(dataset.sizes)}; a line "
            "of a plane is dataset.sel(y=0)"
        )
    dataset = masks(dataset)[0]
    dataset = (dataset if "repeat" in dataset.dims else dataset.expand_dims("repeat")).sortby("x")
    layout = ("repeat", "x")
    values = _values(dataset, quantity).transpose(*layout).values
    x = np.asarray(dataset["x"].values, dtype=float)
    return Profile(x, values, _done(dataset, values, layout), _error(dataset, quantity, values, layout))


def _check_quantity(quantity: str) -> None:
    if quantity not in QUANTITIES:
        raise ResultRequestError(f"unknown quantity {quantity!r}; a surface has {', '.join(QUANTITIES)}")


def _values(dataset: xr.Dataset, quantity: str) -> xr.DataArray:
    """The quantity over all dimensions of the grid."""
    needed = _NEEDED.get(quantity, (quantity,))
    absent = [name for name in needed if name not in dataset]
    if absent:
        raise ResultError(
            f"this surface has no {', '.join(absent)}; it holds {', '.join(map(str, dataset.data_vars))}"
        )
    found = [dataset[name].astype(float) for name in needed]
    if quantity == "convexity":
        with np.errstate(divide="ignore", invalid="ignore"):
            return abs(found[0] / found[1])
    return found[0] if len(found) == 1 else found[0] + found[1]


def _done(dataset: xr.Dataset, values: np.ndarray, layout: tuple[str, str]) -> np.ndarray:
    if "done" not in dataset:
        return np.isfinite(values)
    return dataset["done"].transpose(*layout).values.astype(bool)


def _error(dataset: xr.Dataset, quantity: str, values: np.ndarray, layout: tuple[str, str]) -> np.ndarray:
    """Standard error over samples: the stored one of the NLL, that of a share for the accuracy."""
    if quantity in ("nll", "total") and "standard_error" in dataset:
        return dataset["standard_error"].transpose(*layout).values.astype(float)
    if quantity == "accuracy" and "samples" in dataset:
        count = dataset["samples"].transpose(*layout).values.astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(values * (1 - values) / count)
    return np.full(values.shape, np.nan)
