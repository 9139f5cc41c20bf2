"""A surface as a triangle mesh for 3D programs: VTK (ParaView), OBJ, PLY (Blender) and STL (printers)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import ArgumentError, LandscapeError, ResultError
from landscape.exchange.layout import one_grid, quantity_values
from landscape.files import atomic_path

# Legacy VTK 4.2 is what programs of every age read; OBJ is text by nature and has no such switch.
_FORMATS: dict[str, dict[str, Any]] = {
    ".vtk": {"file_format": "vtk42", "binary": True},
    ".obj": {"file_format": "obj"},
    ".ply": {"file_format": "ply", "binary": True},
    ".stl": {"file_format": "stl", "binary": True},
}
_WITH_DATA = (".vtk", ".ply")  # OBJ and STL hold nothing but geometry
_HEIGHT = 0.5


@dataclass(frozen=True)
class Mesh:
    """Triangles over the plane, counter-clockwise seen from above.

    Attributes:
        points: x, y and scaled height of each vertex, shape (N, 3).
        triangles: Indices of their corners, shape (T, 3).
        data: Per vertex: the quantity, nll and accuracy, as measured.
        quantity: What the height is of.
        lowest: The value (its log10 with `log`) at height 0.
        scale: Height per unit of the value (of its log10 with `log`).
        holes: Grid points left out: not finite, or not computed.
        clipped: Grid points cut to the clipping height.
    """

    points: np.ndarray
    triangles: np.ndarray
    data: dict[str, np.ndarray]
    quantity: str
    lowest: float
    scale: float
    holes: int
    clipped: int


def triangulated(
    dataset: xr.Dataset,
    quantity: str = "nll",
    *,
    log: bool = False,
    clip: float | None = None,
    scale: float | None = None,
) -> Mesh:
    """The surface z = quantity as triangles.

    x and y stay as they are. The height is (value − lowest value) · scale, and unless a scale is given it is
    the one that makes the surface half as high as its longer side is long: losses in nats and steps in filter
    norms have no common unit, and this looks right from 0.1 to 10⁶. Give one mesh's scale to another to
    compare their heights. Points that are not finite or not computed are holes. A square of the grid is cut
    along the diagonal that climbs less; one with three corners left is one triangle.

    Args:
        dataset: A surface with dimensions y, x.
        quantity: `nll`, `accuracy`, `total` or any other variable on the grid.
        log: Take log10 of the value.
        clip: Cut higher values to this one; infinite ones remain holes. Nothing is cut unless it is given.
        scale: Height per unit of the value.

    Raises:
        ResultError: If the surface is a line, has no such quantity, or too few finite points for a triangle.
        LandscapeError: If clip or scale cannot be used, or a value has no logarithm.
    """
    surface = one_grid(dataset)
    if "y" not in surface["nll"].dims:
        raise ResultError("a line has no triangles; write it as .csv, .npz or .h5")
    value = quantity_values(surface, quantity)
    value[~np.isfinite(value)] = np.nan
    height, clipped = _height(value, quantity, log, clip)
    triangles = _triangles(height)
    if not len(triangles):
        raise ResultError(f"no three neighbouring points of this surface have a finite {quantity}")
    used, corners = np.unique(triangles, return_inverse=True)
    z = height.ravel()[used]
    x, y = (part.ravel()[used] for part in np.meshgrid(surface.x.values, surface.y.values))
    factor = _scale(x, y, z, scale)
    names = dict.fromkeys((quantity, "nll", *(["accuracy"] if "accuracy" in surface else [])))
    return Mesh(
        points=np.stack([x, y, (z - z.min()) * factor], axis=1).astype(float),
        triangles=corners.reshape(-1, 3).astype(np.int32),  # PLY knows no wider integers
        data={name: quantity_values(surface, name).ravel()[used] for name in names},
        quantity=quantity,
        lowest=float(z.min()),
        scale=factor,
        holes=int(np.isnan(height).sum()),
        clipped=clipped,
    )


def write(mesh: Mesh, path: str | Path) -> Path:
    """Write a mesh; the suffix says how. VTK and PLY carry the data of each vertex, OBJ and STL cannot.

    Args:
        mesh: From `triangulated`.
        path: A name that ends in .vtk, .obj, .ply or .stl.

    Raises:
        ResultError: If it ends otherwise.
        LandscapeError: If it cannot be written.
    """
    import meshio

    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ResultError(f"no mesh has the suffix {suffix or '(none)'!r}; there are {', '.join(_FORMATS)}")
    data = mesh.data if suffix in _WITH_DATA else {}
    body = meshio.Mesh(mesh.points, [("triangle", mesh.triangles)], point_data=dict(data))
    with atomic_path(path) as draft:
        meshio.write(draft, body, **_FORMATS[suffix])
    return Path(path)


def _height(value: np.ndarray, quantity: str, log: bool, clip: float | None) -> tuple[np.ndarray, int]:
    """Values after clipping and logarithm, NaN for holes, and how many were clipped."""
    clipped = 0
    if clip is not None:
        if not np.isfinite(clip):
            raise LandscapeError(f"the clipping height must be finite, got {clip}")
        clipped = int((value > clip).sum())
        value = np.minimum(value, clip)
    if log:
        below = int((value <= 0).sum())
        if below:
            raise LandscapeError(
                f"{below} of {value.size} values of {quantity} are zero or negative (after clipping) and "
                "have no logarithm; leave --log out"
            )
        value = np.log10(value)
    return value, clipped


def _scale(x: np.ndarray, y: np.ndarray, z: np.ndarray, given: float | None) -> float:
    """Height per unit of the value."""
    if given is not None:
        if not 0 < given < np.inf:
            raise ArgumentError(f"the scale must be positive and finite, got {given}")
        return float(given)
    rise = float(np.ptp(z))
    side = float(max(np.ptp(x), np.ptp(y)))
    return _HEIGHT * side / rise if rise else 1.0  # a flat surface is flat at any scale


def _triangles(height: np.ndarray) -> np.ndarray:
    """Corners of all triangles between finite points, as indices into the flattened grid, shape (T, 3)."""
    index = np.arange(height.size).reshape(height.shape)
    flat = height.ravel()
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()  # the lower row of each square
    c, d = index[1:, :-1].ravel(), index[1:, 1:].ravel()  # the upper row
    rising, falling = np.abs(flat[a] - flat[d]), np.abs(flat[b] - flat[c])
    along = np.isfinite(rising) & ~(falling < rising)  # a missing corner leaves the diagonal without it
    first = np.where(along, (a, b, d), (a, b, c)).T
    second = np.where(along, (a, d, c), (b, d, c)).T
    both = np.stack([first, second], axis=1).reshape(-1, 3)
    return both[np.isfinite(flat[both]).all(axis=1)]
