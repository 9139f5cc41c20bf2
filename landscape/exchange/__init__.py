"""Surfaces and directions in other tools' files: read, written, and nothing in them executed.

    >>> from landscape import exchange
    >>> surface = exchange.read("cifar100_vit_ti_losslandscape.csv")      # doctest: +SKIP
    >>> exchange.write(surface, "vit.npz")                                # doctest: +SKIP

`loss_landscape` is the HDF5 of Li et al.'s code, `published` Park & Kim's tables, `meshes` triangles for 3D
programs, `tables` CSV and NPZ for everything else.
"""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from landscape.errors import ResultError
from landscape.results import load, save

READABLE = (".zarr", ".h5", ".hdf5", ".csv", ".npz")
"""Suffixes that `read` knows."""

TABLES = (".csv", ".npz", ".h5", ".hdf5", ".zarr")
"""Suffixes of files that hold the numbers themselves, and can be read back."""

MESHES = (".vtk", ".obj", ".ply", ".stl")
"""Suffixes of triangle meshes, see `meshes.write`."""


def read(path: str | Path) -> xr.Dataset:
    """A surface from any file that we know, told apart by its suffix.

    Args:
        path: A result of ours (.zarr, .npz, or .csv with a header), a loss-landscape surface (.h5) or a
            published table (.csv without a header).

    Raises:
        ResultError: If it is none of these, damaged, or not a surface.
    """
    from landscape.exchange import loss_landscape, published, tables
    from landscape.exchange.layout import require_surface

    suffix = Path(path).suffix.lower()
    if suffix in (".h5", ".hdf5"):
        return loss_landscape.read_surface(path)
    if suffix == ".npz":
        return tables.read_npz(path)
    if suffix == ".csv":
        return tables.read_csv(path) if tables.has_header(path) else published.read(path)
    if suffix != ".zarr" and not Path(path).is_dir():
        raise ResultError(f"cannot tell what {path} is; surfaces are read from {', '.join(READABLE)}")
    return require_surface(load(path))


def write(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write the numbers of a surface; the suffix says how.

    Args:
        dataset: A result of kind `surface`.
        path: A name that ends in one of `TABLES`.

    Raises:
        ResultError: If the suffix is none of them, or the format cannot hold this surface.
        LandscapeError: If it cannot be written.
    """
    from landscape.exchange import loss_landscape, tables
    from landscape.exchange.layout import require_surface

    writers = {".csv": tables.write_csv, ".npz": tables.write_npz, ".zarr": save}
    writers |= dict.fromkeys((".h5", ".hdf5"), loss_landscape.write_surface)
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise ResultError(f"no format has the suffix {suffix or '(none)'!r}; there are {', '.join(TABLES)}")
    return writers[suffix](require_surface(dataset), path)
