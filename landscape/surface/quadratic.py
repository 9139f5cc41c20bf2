"""The quadratic that fits a surface best: slope and curvature at its centre, and what is left over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.errors import ArgumentError, LandscapeError

_EDGE = 1 + 1e-9  # three steps of 0.1 are 0.30000000000000004: still within a radius of 0.3
_SINGULAR = 1e10  # condition number of a layout of points that rounding alone keeps from being degenerate
_ROUNDING = 4 * np.finfo(float).eps  # of a mean, relative to its values


@dataclass(frozen=True, eq=False)
class Quadratic:
    """value ≈ c + g·p + ½ pᵀ H p around the origin, in d = 2 coordinates, or one for a line.

    Standard errors take the points as independent of each other. Points of one surface share their samples,
    so that most of their sampling error moves the whole surface up or down and little of it bends it.

    Attributes:
        value: c, in units of the values.
        gradient: g, shape (d,).
        hessian: H, shape (d, d), symmetric.
        eigenvalues: Of H, descending, shape (d,).
        value_error: Standard error of c.
        gradient_error: Standard errors of g, shape (d,).
        hessian_error: Standard errors of H, shape (d, d).
        residual: Root of the (weighted) mean squared residual, in units of the values.
        relative: Residual share of the (weighted) variation of the values, 1 − R², from 0 to 1.
        points: How many points were used.
    """

    value: float
    gradient: np.ndarray
    hessian: np.ndarray
    eigenvalues: np.ndarray
    value_error: float
    gradient_error: np.ndarray
    hessian_error: np.ndarray
    residual: float
    relative: float
    points: int

    def at(self, x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """The quadratic at these coordinates; shaped like them broadcast against each other."""
        place = np.stack(np.broadcast_arrays(*([x] if y is None else [x, y])), -1)
        bend = 0.5 * np.einsum("...i,ij,...j->...", place, self.hessian, place)
        return np.asarray(self.value + place @ self.gradient + bend)


def fit(
    x: np.ndarray,
    y: np.ndarray | None,
    values: np.ndarray,
    *,
    errors: np.ndarray | None = None,
    radius: float | None = None,
) -> Quadratic:
    """Fit a quadratic around the origin by least squares, to the points whose value is finite.

    Args:
        x: Coordinates shaped like the values, or the axis of a grid (its second dimension).
        y: Likewise (the grid's first dimension); None for a line.
        values: Of the surface, any shape; those that are not finite are left out.
        errors: Standard errors shaped like the values. Points count with weight 1/errors², and the standard
            errors of the coefficients come from these; without, they come from the scatter of the residuals
            (NaN if there are no more points than coefficients).
        radius: Of the circle around the origin whose points are used; all by default.

    Raises:
        LandscapeError: If shapes do not fit, the radius or an error is not positive, or the points are too
            few or lie so that they do not determine the coefficients.
    """
    if radius is not None and not radius > 0:
        raise ArgumentError(f"the radius of the fit must be positive, got {radius}")
    values = np.asarray(values, float)
    place = _places(x, y, values)
    used = np.isfinite(values) & np.isfinite(place).all(0)
    if radius is not None:
        used &= np.sqrt((place**2).sum(0)) <= radius * _EDGE
    weights = np.ones(np.count_nonzero(used)) if errors is None else _weights(errors, values, used)
    return _quadratic(place[:, used], values[used], weights, known_errors=errors is not None)


def _places(x: np.ndarray, y: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    """Coordinates of every value, shape (d, *values.shape)."""
    axes = [np.asarray(axis, float) for axis in ((x,) if y is None else (x, y))]
    if values.ndim == 2 and [axis.ndim for axis in axes] == [1, 1]:
        axes = list(np.meshgrid(*axes))
    shapes = [axis.shape for axis in axes]
    if any(shape != values.shape for shape in shapes):
        raise LandscapeError(f"coordinates of shape {shapes} do not fit values of shape {values.shape}")
    return np.stack(axes)


def _weights(errors: np.ndarray, values: np.ndarray, used: np.ndarray) -> np.ndarray:
    """1/error of each used point, shape (n,)."""
    errors = np.asarray(errors, float)
    if errors.shape != values.shape:
        raise LandscapeError(f"errors of shape {errors.shape} do not fit values of shape {values.shape}")
    errors = errors[used]
    if not ((errors > 0) & (errors < np.inf)).all():
        raise LandscapeError(
            "a fit weighted by standard errors needs them positive and finite at every point; "
            "leave the errors out to weigh all points alike"
        )
    return 1 / errors


def _quadratic(place: np.ndarray, values: np.ndarray, roots: np.ndarray, *, known_errors: bool) -> Quadratic:
    """The fit to points of shape (d, n) with values and square roots of weights of shape (n,)."""
    dimensions, points = place.shape
    pairs = [(i, j) for i in range(dimensions) for j in range(i, dimensions)]
    # Coordinates of order one and values around zero: rounding is then that of the values' own variation.
    scale = np.abs(place).max(1, initial=0)
    scale[scale == 0] = 1.0
    units = np.concatenate([[1.0], scale, [scale[i] * scale[j] for i, j in pairs]])
    _check_enough(points, len(units), dimensions)
    columns = _columns(place / scale[:, None], pairs)
    middle = float(np.average(values, weights=roots**2))
    solution, covariance = _solve(columns, values - middle, roots)
    misfit = float((((values - middle - columns @ solution) * roots) ** 2).sum())
    if not known_errors:
        spare = points - len(units)
        covariance = covariance * (misfit / spare if spare else np.nan)
    coefficients, deviations = solution / units, np.sqrt(np.diag(covariance)) / units
    hessian, hessian_error = (_matrix(c[1 + dimensions :], pairs) for c in (coefficients, deviations))
    return Quadratic(
        value=float(coefficients[0] + middle),
        gradient=coefficients[1 : 1 + dimensions],
        hessian=hessian,
        eigenvalues=np.linalg.eigvalsh(hessian)[::-1],
        value_error=float(deviations[0]),
        gradient_error=deviations[1 : 1 + dimensions],
        hessian_error=hessian_error,
        residual=float(np.sqrt(misfit / (roots**2).sum())),
        relative=_share(misfit, values, middle, roots),
        points=points,
    )


def _check_enough(points: int, coefficients: int, dimensions: int) -> None:
    if points < coefficients:
        raise LandscapeError(
            f"a quadratic in {dimensions} coordinate(s) has {coefficients} coefficients, but only {points} "
            "finite point(s) are there to fit it to; widen the radius or measure more points"
        )


def _solve(columns: np.ndarray, values: np.ndarray, roots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients by weighted least squares, and the inverse of the normal matrix."""
    design = columns * roots[:, None]
    solution, _, rank, _ = np.linalg.lstsq(design, values * roots, rcond=None)
    if np.linalg.cond(columns) > _SINGULAR or rank < columns.shape[1]:
        raise LandscapeError(
            f"the {len(values)} points do not determine a quadratic: they need at least three different "
            "places along each coordinate, not all on one line or circle, and errors of comparable size"
        )
    inverse = np.linalg.pinv(design)
    return solution, inverse @ inverse.T


def _columns(place: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Terms that multiply c, g and the upper triangle of H, shape (n, coefficients)."""
    bends = [place[i] * place[j] * (0.5 if i == j else 1.0) for i, j in pairs]
    return np.stack([np.ones(place.shape[1]), *place, *bends], 1)


def _matrix(entries: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    """The symmetric matrix with this upper triangle."""
    matrix = np.empty((pairs[-1][1] + 1,) * 2)
    for (i, j), entry in zip(pairs, entries, strict=True):
        matrix[i, j] = matrix[j, i] = entry
    return matrix


def _share(misfit: float, values: np.ndarray, middle: float, roots: np.ndarray) -> float:
    """1 − R²; 0 for a constant, which is fitted exactly but has no variation to compare with."""
    variation = float((((values - middle) * roots) ** 2).sum())
    rounding = float(((_ROUNDING * values * roots) ** 2).sum())
    return min(misfit / variation, 1.0) if variation > rounding else 0.0
