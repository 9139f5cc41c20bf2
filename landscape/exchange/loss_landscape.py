"""HDF5 files of Li et al.'s code, github.com/tomgoldstein/loss-landscape: surfaces and directions.

Their layout, from `plot_surface.py`, `scheduler.py` and `h5_util.py`. A surface file holds `xcoordinates`,
`ycoordinates` (not for a line), `train_loss` and `train_acc` (per cent), sometimes `test_loss` and
`test_acc`, and `dir_file`, the name of the direction file. A direction file holds the groups `xdirection`
and `ydirection`, each with the data sets `0` … `n-1`.

Order of a surface: their arrays are allocated with shape (len(x), len(y)), but filled through the flat index
of `meshgrid(x, y)`, in which x is fastest, and drawn over the same meshgrid. So the numbers, in the order in
which they lie in the file, are rows of constant y; on a square grid the array is simply [y, x].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from landscape.errors import ResultError
from landscape.exchange.hdf5 import created, entry, has, numbers, opened, text, text_attribute
from landscape.exchange.layout import UNKNOWN, blank_protocol, computed, extent, imported, one_grid, room
from landscape.results import attribute
from landscape.results.surfaces import check_axis

NOT_COMPUTED = -1.0
"""What their files hold where nothing was computed; ours have `done` for it."""

SPLITS = ("train", "test")
GROUPS = ("xdirection", "ydirection")
_OTHER_NETWORK = "it is a direction of another network, or of states instead of weights"


def read_surface(path: str | Path, split: str | None = None) -> xr.Dataset:
    """A surface or line of theirs as a result of kind `surface`.

    Where the file says −1, the point is not `done` and its values are NaN. Accuracies become shares. With
    both splits in the file, `nll` and `accuracy` are those of one, and the other's are kept beside them,
    as in `test_nll`, `test_accuracy` and `test_done`.

    Args:
        path: The file.
        split: `train` or `test`; left out, the training split where the file has it.

    Raises:
        ResultError: If it is not such a file, is damaged, or lacks the split.
    """
    with opened(path) as file:
        if not has(file, "xcoordinates"):
            raise ResultError(f"{path} has no xcoordinates: it is not a surface of loss-landscape")
        axes = {name: _axis(file, name) for name in ("y", "x") if has(file, f"{name}coordinates")}
        found = {part: _values(file, part, axes) for part in SPLITS if has(file, f"{part}_loss")}
        wanted = split or next(iter(found), "train")
        if wanted not in found:
            raise ResultError(f"{path} has no {wanted}_loss; nothing was computed for it yet")
        named = text_attribute(entry(file, f"{wanted}_loss"), "split")
        made_with = text(file, "dir_file")
    variables = found.pop(wanted)
    for other, arrays in found.items():
        variables |= {f"{other}_{name}": array for name, array in arrays.items()}
    protocol = _protocol(f"{made_with} {Path(path).name}", axes)
    protocol["data"]["split"] = named if named in SPLITS else wanted
    told = {"dir_file": made_with}
    name = re.split(r"_(?:weights|states)(?=_|\.|$)", Path(path).stem)[0]
    source = "HDF5 of loss-landscape"
    return imported(variables, axes, path=path, name=name, source=source, protocol=protocol, told=told)


def write_surface(dataset: xr.Dataset, path: str | Path, *, dir_file: str | Path | None = None) -> Path:
    """Write a surface so that their plotting code reads it: −1 where not done, accuracy in per cent.

    Their code draws `train_loss` unless told otherwise, so that is where `nll` goes whatever its split, and
    the attribute `split` of the data set tells which it was; a surface that was read with both splits gets
    both names back. L2, errors and the protocol have no place there.

    Args:
        dataset: A surface or line.
        path: Where it goes.
        dir_file: Name of the direction file; left out, the one that their naming gives.

    Raises:
        ResultError: If the surface has several grids, or a measured loss is exactly −1.
        LandscapeError: If it cannot be written.
    """
    surface = one_grid(dataset)
    protocol = attribute(surface, "protocol")
    done = computed(surface)
    if (surface["nll"].values[done] == NOT_COMPUTED).any():
        raise ResultError("a measured loss is exactly -1, which loss-landscape's files read as not computed")
    split = (protocol.get("data") or {}).get("split")
    own, other = ("test", "train") if "train_nll" in surface else ("train", "test")
    with created(path) as file:
        file["dir_file"] = str(dir_file or _direction_file(surface, protocol))
        for axis in surface["nll"].dims[::-1]:
            file[f"{axis}coordinates"] = surface[axis].values.astype(float)
        _put(file, own, surface["nll"], surface.get("accuracy"), done)
        if split in SPLITS:
            file[f"{own}_loss"].attrs["split"] = split
        if f"{other}_nll" in surface:
            parts = (surface[f"{other}_{name}"] for name in ("nll", "accuracy", "done"))
            _put(file, other, *parts)
    return Path(path)


def read_directions(path: str | Path) -> tuple[list[np.ndarray], ...]:
    """The tensors of each axis, x first: in the order of `module.parameters()`, or of the state dict.

    Which of the two, the file does not say; the number of tensors does, see `as_parameters`.

    Args:
        path: A direction file of theirs.

    Raises:
        ResultError: If it is not such a file, is damaged, or holds numbers that are not finite.
    """
    with opened(path) as file:
        found = [name for name in GROUPS if has(file, name)]
        if "xdirection" not in found:
            raise ResultError(f"{path} has no xdirection: it is not a direction file of loss-landscape")
        return tuple(_tensors(file, name) for name in found)


def as_parameters(
    arrays: Sequence[np.ndarray], names_and_shapes: Mapping[str, Sequence[int]]
) -> dict[str, np.ndarray]:
    """Their numbered tensors by the names of a network.

    Args:
        arrays: One axis of `read_directions`.
        names_and_shapes: Names and shapes in the network's own order: of its parameters, or of its whole
            state dict if the file was made with `--dir_type states`.

    Raises:
        ResultError: If a shape or the number of tensors differs; the message names the first.
    """
    counts = f"the direction has {len(arrays)} tensors, the network {len(names_and_shapes)}"
    pairs = zip(arrays, names_and_shapes.items(), strict=False)
    for index, (array, (name, shape)) in enumerate(pairs):
        if array.shape != tuple(shape):
            raise ResultError(
                f"tensor {index} of the direction has shape {array.shape}, but {name} has {tuple(shape)}; "
                f"{counts}: {_OTHER_NETWORK}"
            )
    if len(arrays) != len(names_and_shapes):
        raise ResultError(f"{counts}: {_OTHER_NETWORK}")
    return dict(zip(names_and_shapes, arrays, strict=True))


def write_directions(path: str | Path, axes: Sequence[Iterable[ArrayLike] | Mapping[str, ArrayLike]]) -> Path:
    """Write one or two directions in their layout.

    Args:
        path: Where they go.
        axes: The tensors of x, and of y for a plane, each in the order of `module.parameters()`.

    Raises:
        ResultError: If there are not one or two, or their tensors differ in number or shape.
        LandscapeError: If it cannot be written.
    """
    lists = [
        [np.asarray(value) for value in (axis.values() if isinstance(axis, Mapping) else axis)]
        for axis in axes
    ]
    if len(lists) not in (1, 2):
        raise ResultError(f"a direction file holds one or two directions, received {len(lists)}")
    if len({tuple(array.shape for array in arrays) for arrays in lists}) > 1:
        raise ResultError("the two directions belong to different networks: their shapes differ")
    with created(path) as file:
        for group, arrays in zip(GROUPS, lists, strict=False):
            place = file.create_group(group)
            for index, array in enumerate(arrays):
                place.create_dataset(str(index), data=array)
    return Path(path)


def _axis(file: h5py.File, name: str) -> np.ndarray:
    places = numbers(file, f"{name}coordinates").astype(float)
    if not places.size:
        raise ResultError(f"the {name} axis of {file.filename} is empty")
    check_axis(places, name, file.filename)
    return places


def _values(file: h5py.File, split: str, axes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`nll`, `accuracy` and `done` of a split; for their order see the top of this file."""
    shape = [len(place) for place in axes.values()]
    loss = _in_rows(file, f"{split}_loss", shape)
    accuracy = np.full(shape, np.nan)
    if has(file, f"{split}_acc"):
        accuracy = _in_rows(file, f"{split}_acc", shape)
    return {
        "nll": np.where(loss == NOT_COMPUTED, np.nan, loss),
        "accuracy": np.where(accuracy == NOT_COMPUTED, np.nan, accuracy) / 100,
        "done": loss != NOT_COMPUTED,
    }


def _in_rows(file: h5py.File, name: str, shape: Sequence[int]) -> np.ndarray:
    values = numbers(file, name)
    if sorted(values.shape) != sorted(shape):
        wanted = " × ".join(map(str, shape))
        raise ResultError(f"{name} in {file.filename} has shape {values.shape}, but the grid is {wanted}")
    return values.astype(float).reshape(shape)


def _put(
    file: h5py.File, split: str, loss: xr.DataArray, accuracy: xr.DataArray | None, done: ArrayLike
) -> None:
    file[f"{split}_loss"] = np.where(done, loss, NOT_COMPUTED)
    shares = NOT_COMPUTED if accuracy is None else 100 * accuracy
    file[f"{split}_acc"] = np.where(done, shares, NOT_COMPUTED)


def _tensors(file: h5py.File, name: str) -> list[np.ndarray]:
    """The tensors `0` … `n-1` of a direction."""
    group = entry(file, name)
    if not isinstance(group, h5py.Group):
        raise ResultError(f"{name} in {file.filename} is not a group of tensors")
    arrays: list[np.ndarray] = []
    left = room(file.filename)
    for index in range(len(group)):
        arrays.append(numbers(group, str(index)))
        left -= arrays[-1].nbytes
        if left < 0:
            raise ResultError(f"{name} in {file.filename} claims more numbers than the file can hold")
        if not np.isfinite(arrays[-1]).all():
            raise ResultError(f"tensor {index} of {name} in {file.filename} is not finite")
    return arrays


def _protocol(names: str, axes: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What their file names tell: `…_weights_xignore=biasbn_xnorm=filter_yignore=biasbn_ynorm=filter.h5`."""

    def told(option: str) -> str:
        values = dict.fromkeys(re.findall(rf"_[xy]{option}=([a-z]+)", names))
        return " and ".join(values) or UNKNOWN

    kind = re.search(r"_(weights|states)(?=_|\.|$)", names)
    protocol = blank_protocol()
    protocol |= {"batch_norm": "eval", "dropout": "off"}  # evaluation.py calls net.eval()
    protocol["options"] = {
        "norm": told("norm"),
        "ignore": told("ignore"),
        "dir_type": kind[1] if kind else UNKNOWN,
        **extent(axes),
    }
    return protocol


def _direction_file(surface: xr.Dataset, protocol: Mapping[str, Any]) -> str:
    """The name that their `name_direction_file` gives; an imported surface keeps the one it came with."""
    kept = (attribute(surface, "provenance").get("imported") or {}).get("dir_file")
    if kept:
        return str(kept)
    norm = (protocol.get("options") or {}).get("norm", UNKNOWN)
    name = attribute(surface, "network").get("name") or "network"
    axes = (f"{axis}ignore=biasbn_{axis}norm={norm}" for axis in surface["nll"].dims[::-1])
    return f"{name}_weights_{'_'.join(axes)}.h5"
