"""Saved results from wherever they lie: single ones, folders of them, bundles, other tools' surface files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.errors import ResultError, printable

if TYPE_CHECKING:
    import xarray as xr

Found = tuple[str, str, str, "xr.Dataset"]
"""Names of network and result, a path that tells two of the same names apart, and the dataset."""


def read(places: Iterable[str | Path], *, apart: bool = False) -> dict[str, dict[str, xr.Dataset]]:
    """Everything that lies at these places, by network and result, in their order.

    A place is a result (`.zarr`), a folder that `landscape compare` wrote (`datasets/NETWORK/KIND.zarr`), a
    folder of finished results (`NETWORK-KIND.zarr`), a bundle (`.zip`), or a surface file of another tool
    (`.h5`, `.csv`, `.npz`). A single result goes by its kind, others by the name they have there, which is
    the kind unless there are several of one kind.

    Args:
        places: Where results lie; several are taken together.
        apart: Whether a second result of the same names goes by its path, as is right for drawing, and is
            not refused, as is right where networks are counted.

    Returns:
        Network name → name of the result → dataset.

    Raises:
        ResultError: If a place holds no result, or two have the same names and are not told apart.
    """
    results: dict[str, dict[str, xr.Dataset]] = {}
    for place in places:
        for label, name, path, dataset in _at(place):
            twice = name in results.get(label, {})
            if twice and not apart:
                raise ResultError(
                    f"there is more than one {name} of {label}, the second in {place}; rename one of the "
                    "networks, or leave one out"
                )
            results.setdefault(path if twice else label, {})[name] = dataset
    return results


def _at(place: str | Path) -> Iterator[Found]:
    """The results of one place."""
    from landscape import exchange
    from landscape.results import load

    path, suffix = Path(place), Path(place).suffix.lower()
    if suffix == ".zip":
        yield from _bundle(path)
    elif suffix in exchange.READABLE[1:] and not path.is_dir():
        yield _single(exchange.read(path), str(place))
    elif path.is_dir() and suffix != ".zarr" and not (path / "zarr.json").is_file():
        yield from _folder(path)
    else:
        yield _single(load(path), str(place))


def _single(dataset: xr.Dataset, place: str) -> Found:
    return _label(dataset, place), str(dataset.attrs["kind"]), place, dataset


def _label(dataset: xr.Dataset, place: str) -> str:
    from landscape.results import attribute

    return str(attribute(dataset, "network").get("name") or place)


def _folder(folder: Path) -> Iterator[Found]:
    from landscape.results import load
    from landscape.results.store import FRAGMENT

    compared = sorted(folder.glob("datasets/*/*.zarr"))
    single = sorted(each for each in folder.glob("*.zarr") if not each.name.startswith("."))
    # What is not finished is drawn if it is named.
    compared, single = (
        [each for each in found if not each.name.endswith(FRAGMENT)] for found in (compared, single)
    )
    if not compared and not single:
        raise ResultError(
            f"{folder} holds no datasets; give results (.zarr), a folder of them, one that "
            "`landscape compare` wrote, or a bundle (.zip)"
        )
    for each in compared:
        yield printable(each.parent.name), each.stem, str(each), load(each)
    for each in single:
        dataset = load(each)
        label = _label(dataset, str(each))
        name = each.stem.removeprefix(f"{label}-")
        yield label, name if name != each.stem else str(dataset.attrs["kind"]), str(each), dataset


def _bundle(path: Path) -> Iterator[Found]:
    from landscape.results import load_bundle

    for label, found in load_bundle(path).items():
        for name, dataset in found.items():
            yield printable(label), printable(name), f"{path}: {label}/{name}", dataset
