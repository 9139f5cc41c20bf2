"""Panels of curves with at most six in each: families are split into deterministic and MC dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.figures import style
from landscape.figures.style import Look, curves

MOST = 6
"""So many curves share an axis."""


@dataclass(frozen=True)
class Group:
    """Networks whose curves share their panels.

    Attributes:
        title: What they have in common; empty where there is no other group.
        names: Of the networks.
        axes: A panel for each quantity; empty where they are not laid out yet.
    """

    title: str
    names: tuple[str, ...]
    axes: tuple[Axes, ...] = ()

    def of(self, networks: Mapping[str, object]) -> dict:
        """What is known of these networks."""
        return {name: networks[name] for name in self.names if name in networks}


@dataclass(frozen=True)
class Panels:
    """A figure with a panel for each group of networks and each quantity.

    Attributes:
        figure: The figure.
        groups: With their panels.
        across: Panels in a row.
        width: Of the figure in inches.
        looks: Looks of the networks that are drawn.
        labels: What the legend says of the networks; empty where it has their names.
        extra: What else is in the legend, by label.
    """

    figure: Figure
    groups: tuple[Group, ...]
    across: int
    width: float
    looks: Mapping[str, Look]
    labels: Sequence[str]
    extra: Mapping[str, Artist]

    @property
    def axes(self) -> list[Axes]:
        """All panels."""
        return [axis for group in self.groups for axis in group.axes]

    def of(self, quantity: int) -> list[Axes]:
        """The panels of one quantity."""
        return [group.axes[quantity] for group in self.groups]

    def label(self, quantity: int, label: str) -> None:
        """Label the vertical axes of a quantity, where no panel of the same is at their left."""
        beside = self.across if len(self.groups[0].axes) == 1 else 1
        for group in self.groups[::beside]:
            group.axes[quantity].set_ylabel(label)

    def label_left(self, label: str) -> None:
        """Label the vertical axes of the first panel of each row, where all are the same."""
        for axis in self.axes:
            if _leftmost(axis):
                axis.set_ylabel(label)


def split(looks: Mapping[str, Look]) -> list[Group]:
    """Networks in groups of at most six: deterministic and with MC dropout, each in parts if need be."""
    if len(looks) <= MOST:
        return [Group("", tuple(looks))]
    kinds = {"deterministic": False, "MC dropout": True}
    found = {
        title: [name for name, look in looks.items() if look.dropout == dropout]
        for title, dropout in kinds.items()
    }
    found = {title if all(found.values()) else "": names for title, names in found.items() if names}
    return [Group(*part) for title, names in found.items() for part in _parts(title, names)]


def _parts(title: str, names: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The names in as few parts of at most six as there are, about equally many in each."""
    count = -(-len(names) // MOST)
    cuts = [len(names) * index // count for index in range(count + 1)]
    parts = [tuple(names[start:stop]) for start, stop in pairwise(cuts)]
    if count == 1:
        return [(title, parts[0])]
    return [(", ".join(filter(None, (title, f"part {i}"))), part) for i, part in enumerate(parts, 1)]


def panels(
    count: int,
    looks: Mapping[str, Look],
    *,
    width: float,
    x: str,
    height: float = 1.9,
    extra: Mapping[str, Artist] | None = None,
    sharey: bool = False,
    titles: Sequence[str] = (),
    labels: Sequence[str] = (),
    narrow: int = 1,
) -> Panels:
    """Panels with a common horizontal axis above one legend: a column a quantity, a row a group.

    Groups of a single quantity stand side by side. If narrow, all panels are stacked. Panels of one quantity
    share their vertical axis.

    Args:
        count: Number of quantities.
        looks: Looks of the networks that are drawn.
        width: Width of the figure in inches.
        x: Label of the common axis: of the last of stacked panels, else of each with nothing below it.
        height: Height of a row of panels in inches.
        extra: What else is in the legend, by label.
        sharey: Whether all panels share their vertical axis.
        titles: Of the quantities, above each of their panels; none by default.
        labels: What the legend says of the networks; by default their names.
        narrow: Panels in a row of a narrow figure.
    """
    groups = split(looks)
    places = _places(len(groups), count, width, narrow)
    down, across = (1 + max(each[side] for each in places.values()) for side in (0, 1))
    rows = curves.legend_rows(len(looks) + len(extra or {}), width, labels)
    headings = 0.17 * down * (len(groups) > 1 and not titles)
    figure = Figure(figsize=(width, height * down + 0.25 + headings + 0.14 * rows), layout="constrained")
    cells = figure.subplots(down, across, squeeze=False, sharex=True)
    found = tuple(
        Group(group.title, group.names, tuple(cells[places[row, each]] for each in range(count)))
        for row, group in enumerate(groups)
    )
    _finish(cells, set(places.values()), x)
    _share(found, everything=sharey)
    for group in found:
        for quantity, axis in enumerate(group.axes):
            if titles:
                axis.set_title(", ".join(filter(None, (titles[quantity], group.title))))
            elif not quantity or across == 1:
                axis.set_title(group.title, loc="left")
    curves.legend(figure, looks, width, extra, labels=labels)
    return Panels(figure, found, across, width, looks, labels, extra or {})


Place = tuple[int, int]


def _places(groups: int, count: int, width: float, narrow: int) -> dict[Place, Place]:
    """Row and column of each panel by group and quantity."""
    slim = width < style.NARROW
    if count == 1 or (slim and narrow == 1):  # stacked, the groups of a quantity follow one another
        across = 1 if slim else 2 if groups == 4 else min(groups, 3)
        order = [(group, quantity) for quantity in range(count) for group in range(groups)]
        return {each: divmod(index, across) for index, each in enumerate(order)}
    across = narrow if slim else count if count <= 3 else style.columns(count, width)
    down = -(-count // across)
    order = [(group, quantity) for group in range(groups) for quantity in range(count)]
    return {(g, q): (g * down + q // across, q % across) for g, q in order}


def _finish(cells: np.ndarray, taken: set[Place], x: str) -> None:
    """Take away cells without a panel, and label the panels with nothing below them."""
    for place, axis in np.ndenumerate(cells):
        if place not in taken:
            axis.remove()
        elif (place[0] + 1, place[1]) not in taken:
            axis.set_xlabel(x)
            axis.xaxis.set_tick_params(labelbottom=True)


def _leftmost(axis: Axes) -> bool:
    """Whether a panel is the first of its row."""
    place = axis.get_subplotspec()
    return place is None or place.is_first_col()


def _share(groups: Sequence[Group], *, everything: bool) -> None:
    """Panels of one quantity share their vertical axis, or all do."""
    first = groups[0].axes
    for group in groups:
        for quantity, axis in enumerate(group.axes):
            leader = first[0] if everything else first[quantity]
            if axis is not leader:
                axis.sharey(leader)
            if (everything or len(first) == 1) and not _leftmost(axis):
                axis.tick_params(labelleft=False)
