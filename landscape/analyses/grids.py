"""Networks over a grid of two fields of their training records: which network is in which cell."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from landscape.errors import ArgumentError, CheckpointError, LandscapeError
from landscape.files import WEIGHTS
from landscape.network import Network

SEED = "seed"
IMAGES = "images"
"""What the field is called that says how many images a network was trained on."""
_ACROSS = ("width", IMAGES, "depth")
"""Fields that go across where nobody says otherwise: what a network is or is given, not how it is trained."""
_KEPT = re.compile(r"-epoch\d{3}\.\w+$")


@dataclass(frozen=True)
class Cell:
    """One cell of a grid.

    Attributes:
        x: Value of the first field.
        y: Value of the second field.
        members: Places of its networks among all, in the order of their seeds.
    """

    x: Any
    y: Any
    members: tuple[int, ...]

    def pairs(self) -> list[tuple[int, int]]:
        """Every two of its networks."""
        return list(combinations(self.members, 2))


@dataclass(frozen=True)
class Layout:
    """A grid of networks.

    Attributes:
        x: Name of the field that goes across.
        y: Name of the field that goes upward.
        cells: Those that have networks, by y and then x.
    """

    x: str
    y: str
    cells: tuple[Cell, ...]


def checkpoints_of(folder: str | Path) -> list[Path]:
    """Files of weights in a folder, by name, without those that training kept on its way.

    Raises:
        CheckpointError: If there are none.
    """
    place = Path(folder)
    if not place.is_dir():
        raise CheckpointError(f"{folder} is no folder; name one that holds the checkpoints of a grid")
    found = [
        file
        for file in sorted(place.iterdir())
        if file.suffix in WEIGHTS and not _KEPT.search(file.name) and not file.name.endswith(".training.pt")
    ]
    if not found:
        raise CheckpointError(
            f"{folder} holds no checkpoints; a grid is a folder of those that `train` wrote"
        )
    return found


def fields_of(network: Network) -> dict[str, Any]:
    """What tells a network from others: its configuration, its recipe and the number of training images.

    Raises:
        LandscapeError: If its checkpoint does not record how it was trained.
    """
    recipe, data = network.training.get("recipe"), network.training.get("data")
    if not isinstance(recipe, Mapping) or not network.config:
        raise LandscapeError(
            f"{network.name} has no training record, which says where it is on a grid; train networks by "
            "`landscape train`, or measure others by `landscape compare`"
        )
    images = {IMAGES: data["samples"]} if isinstance(data, Mapping) and "samples" in data else {}
    return {name: _plain(value) for name, value in {**network.config, **recipe, **images}.items()}


def _plain(value: Any) -> Any:
    """A number or a word; anything else as text."""
    return value if isinstance(value, int | float | str) else json.dumps(value, sort_keys=True, default=str)


def layout(networks: Sequence[Network], x: str = "", y: str = "") -> Layout:
    """The grid that networks are over.

    Args:
        networks: With training records.
        x: Field that goes across; left out, the two fields that differ are found.
        y: Field that goes upward.

    Raises:
        LandscapeError: If the networks are not over a grid of two fields: a field is unknown, another one
            differs too, or two networks are of one cell and one seed.
    """
    records = [fields_of(network) for network in networks]
    names = list(dict.fromkeys(name for record in records for name in record))
    differing = [n for n in names if n != SEED and len({repr(record.get(n)) for record in records}) > 1]
    x, y = _chosen(names, differing, x, y)
    others = [name for name in differing if name not in (x, y)]
    if others:
        raise ArgumentError(
            f"the networks differ in {', '.join(others)} beside {x} and {y}; put those that are alike in it "
            "into a folder of their own, or choose other fields by --x and --y"
        )
    cells: dict[tuple[Any, Any], list[int]] = {}
    for index, record in enumerate(records):
        cells.setdefault((record.get(x), record.get(y)), []).append(index)
    for members in cells.values():
        seeds = [records[index].get(SEED) for index in members]
        if len(set(map(repr, seeds))) < len(seeds):
            same = " and ".join(networks[index].name for index in members)
            raise ArgumentError(
                f"{same} are of one cell and do not all have seeds of their own; leave copies out"
            )
        members.sort(key=lambda index: str(records[index].get(SEED)))
    order = sorted(cells, key=lambda cell: (_rank(cell[1]), _rank(cell[0])))
    return Layout(x, y, tuple(Cell(*cell, tuple(cells[cell])) for cell in order))


def _chosen(names: Sequence[str], differing: Sequence[str], x: str, y: str) -> tuple[str, str]:
    """The two fields: those asked for, or those in which the networks differ."""
    for asked in filter(None, (x, y)):
        if asked not in names:
            raise ArgumentError(f"no network records the field {asked!r}; they record {', '.join(names)}")
    if x and x == y:
        raise ArgumentError(f"a map is over two fields, and both are {x!r}")
    free = [name for name in differing if name not in (x, y)]
    if len(free) != 2 - bool(x) - bool(y) and not (x and y):
        found = ", ".join(differing) or "their seeds alone"
        raise ArgumentError(
            f"a map is over two fields, and the networks differ in {found}; name two by --x and --y"
        )
    free.sort(key=lambda name: _ACROSS.index(name) if name in _ACROSS else len(_ACROSS))
    first = x or free.pop(0)
    return first, y or free.pop(0)


def _rank(value: Any) -> tuple[int, float, str]:
    """Numbers before words, each in their order."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, float(value), "") if real else (1, 0.0, str(value))
