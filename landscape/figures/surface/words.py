"""Words that captions of surfaces share: on which plane, in which units, under which conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from landscape.figures.captions import Results, by_name, option, protocols
from landscape.figures.style.scales import Scale, scale
from landscape.figures.surface.grids import cells, is_plane, profile, repeats
from landscape.numbers import plain_number
from landscape.results import at_centre, left_out

UNITS = {
    "filter": "filter norms",
    "layer": "layer norms",
    "weight": "weight magnitudes",
    "none": "standard deviations",
    "paper": "norms across filters",
}
"""Unit of the axes of results that do not store it, by how their directions were normalised."""
LENGTH = "‖Δw‖"
_AXES = {
    "random direction 1": "x",
    "random direction 2": "y",
    "principal component 1": "first principal component",
    "principal component 2": "second principal component",
}


@dataclass(frozen=True)
class Axis:
    """One axis of a surface.

    Attributes:
        name: What it runs along, such as x.
        unit: What one unit of it is; None if that is not known.
        length: Euclidean length of one unit; None if it is not known, or is the unit.
    """

    name: str
    unit: str | None
    length: str | None

    @property
    def step(self) -> str:
        """How far one unit moves the weights: `1 unit: ‖Δw‖ = 12.3`; empty if that is not known."""
        return f"1 unit: {LENGTH} = {self.length}" if self.length else ""

    def bare(self) -> Axis:
        """The axis without its length."""
        return Axis(self.name, self.unit, None)

    def label(self, *, lines: bool = False) -> str:
        """The label: `x (filter norms; 1 unit: ‖Δw‖ = 12.3)`.

        Args:
            lines: Whether the length has a line of its own, for narrow panels.
        """
        if lines:
            return "\n".join(part for part in (self.bare().label(), self.step) if part)
        inside = "; ".join(part for part in (self.unit, self.step) if part)
        return f"{self.name} ({inside})" if inside else self.name


def axis_of(dataset: xr.Dataset, which: str) -> Axis:
    """One axis of a surface or of a trajectory.

    Args:
        dataset: The result; the mean length of several repeats is taken.
        which: `x` or `y`.
    """
    attributes = dataset[which].attrs
    name = str(attributes.get("long_name") or which)
    unit = attributes.get("units") or UNITS.get(str(option(dataset, "norm")))
    stored = dataset.get(f"{which}_norm")
    length = float(np.mean(stored.values)) if stored is not None else np.nan
    known = np.isfinite(length) and unit != LENGTH
    return Axis(_AXES.get(name, name), unit, plain_number(length) if known else None)


def panel_labels(
    found: Sequence[tuple[Axis, Axis]], across: int, *, lines: bool = False
) -> list[tuple[str, str]]:
    """Labels of the x and the y axis of every panel, each thing said once.

    Outer panels have whole labels. Inner ones add what is theirs alone: their lengths, for x where they
    differ from the panel below, for y where they differ from their own x; the whole where the unit differs.

    Args:
        found: The axes x and y of each panel, in rows from the left.
        across: Panels in a row.
        lines: Whether lengths have a line of their own.
    """
    labels = []
    for index, (x, y) in enumerate(found):
        below = found[index + across][0] if index + across < len(found) else None
        left = found[index - 1][1] if index % across else None
        own = (y.unit, y.length) == (x.unit, x.length) or len(set(found)) == 1
        labels.append((_beside(x, below, x == below, lines), _beside(y, left, own, lines)))
    return labels


def _beside(this: Axis, outer: Axis | None, said: bool, lines: bool) -> str:
    if outer is None or (this.name, this.unit) != (outer.name, outer.unit):
        return this.label(lines=lines)
    return "" if said else this.step


def proportion(dataset: xr.Dataset) -> float:
    """Height of a panel over its width that shows a plane as it lies in weight space.

    1 where the lengths of the directions are not known, or the panel would be too flat or too tall.
    """
    width, height = (
        float(np.ptp(dataset[which].values)) * float(np.mean(dataset.get(f"{which}_norm", 1.0)))
        for which in ("x", "y")
    )
    found = height / width if width > 0 else np.nan
    if not 0.4 < found < 2.5 or abs(found - 1) < 0.05:  # for a few per cent, panels shall align
        return 1.0
    return found


NORMS = {
    "filter": "each filter of a direction scaled to the norm of that filter of the weights (Li et al. 2018)",
    "layer": "each layer of a direction scaled to the norm of the same layer of the weights",
    "weight": "each weight of a direction scaled to the size of the same weight",
    "none": "directions not normalised",
    "paper": "directions normalised as in the code of Park & Kim (2022)",
}
"""How directions were scaled, in words."""
_ONE = {
    "filter norms": "at 1, every filter has moved by its own norm",
    "layer norms": "at 1, every layer has moved by its own norm",
    "weight magnitudes": "at 1, every weight has moved by its own size times a Gaussian number",
    "standard deviations": "at 1, every weight has moved by a Gaussian number",
    "norms across filters": "at 1, all filters together have moved by their norm at each place of the kernel",
    "direction lengths": "at 1, the weights have moved by the length of the direction",
    "share of the way": "0 and 1 are the two networks",
    "‖b − a‖": "one unit is the distance between the first two networks",
    LENGTH: "the Euclidean length of the step",
}
_MEANING = {
    "ece": "ECE: expected calibration error.",
    "convexity": (
        "|λmin / λmax|: smallest over largest eigenvalue of the Hessian at each point, by magnitude "
        "(Li et al. 2018, Fig. 7); near 0 the loss is convex or nearly so, whatever the sign of λmin."
    ),
    "l2": "L2 term: ½ · weight decay · ‖w‖².",
    "total": "L2: ½ · weight decay · ‖w‖².",
}


def where(results: Results) -> str:
    """On which plane or line, through what, and how the directions were scaled."""
    norms = dict.fromkeys(option(dataset, "norm") for dataset in results.values())
    how = "; ".join(
        NORMS.get(norm, "their normalisation is not recorded" if norm is None else f"norm {norm}")
        for norm in norms
    )
    planes = [is_plane(dataset) for dataset in results.values()]
    point = "plane w + x·δ + y·η" if all(planes) else "line w + x·δ"
    axes = ("x", "y") if all(planes) else ("x",)
    names = {tuple(axis_of(dataset, axis).name for axis in axes) for dataset in results.values()}
    if names == {axes}:
        return f"on the {point} through the trained weights w, {how}"
    said = "; ".join(" and ".join(found) for found in sorted(names))
    return f"on the {point} through the weights w at its origin, along: {said}"


def conditions(results: Results, quantity: str) -> list[str]:
    """What else has to be known to read a surface: units, repeats, dropout, errors, samples."""
    return [
        _MEANING.get(quantity, ""),
        _units(results),
        _repeats(results),
        _dropout(results),
        _error(results, quantity),
        _samples(results),
    ]


def _units(results: Results) -> str:
    """What one unit of the axes is."""
    axes = [axis_of(d, which) for d in results.values() for which in ("x", "y") if which in d.dims]
    units = dict.fromkeys(axis.unit for axis in axes if axis.unit)
    said = [f"{unit} ({_ONE[unit]})" if unit in _ONE else unit for unit in units]
    if not said:
        return "What one unit of the axes is, is not recorded."
    length = f"; {LENGTH} is the Euclidean length of that step" if any(axis.length for axis in axes) else ""
    return f"Units of the axes: {', '.join(said)}{length}."


def _repeats(results: Results) -> str:
    several = {n: str(repeats(d)) for n, d in results.items() if is_plane(d) and repeats(d) > 1}
    return f"Direction pairs measured: {by_name(several)}; the first is drawn." if several else ""


def _dropout(results: Results) -> str:
    fresh = any(protocol.get("dropout") == "fresh" for protocol in protocols(results))
    return (
        "Under fresh dropout each point has a mask of its own, which roughens the picture." if fresh else ""
    )


def _error(results: Results, quantity: str) -> str:
    """Standard error over samples at the centre, where it is known."""
    if quantity not in ("nll", "total"):
        return ""
    found = {}
    for name, dataset in results.items():
        point = at_centre(dataset)
        if point is not None and "standard_error" in point:
            error = float(point["standard_error"])
            if np.isfinite(error):
                found[name] = plain_number(float(f"{error:.2g}"))
    return f"Standard error of the NLL over samples at w: {by_name(found)}." if found else ""


def _samples(results: Results) -> str:
    """How many samples the points rest on, where that is not the same for all."""
    found = {}
    for name, dataset in results.items():
        count = dataset["samples"].values.astype(float) if "samples" in dataset else np.array([])
        done = dataset["done"].values.astype(bool) if "done" in dataset else np.ones(count.shape, bool)
        count = count[done & np.isfinite(count)] if count.size else count
        if count.size and count.min() < count.max():
            found[name] = f"{count.min():,.0f} to {count.max():,.0f}"
            if (part := left_out(dataset)) is not None:
                found[name] += f", whose standard error is at most {100 * part.error:.2g} % of the NLL"
                found[name] += f" (95 % interval ± {100 * part.interval:.2g} %)"
    return f"Samples per point: {by_name(found)}." if found else ""


def shared_scale(results: Results, quantity: str, log: bool | None, count: int = 11) -> Scale | None:
    """The scale that the planes of several networks share; None if no value is finite."""
    return scale((cells(dataset, quantity).drawn() for dataset in results.values()), log=log, count=count)


def not_drawn(results: Results, quantity: str, broken: str, undone: str) -> str:
    """Counts of the points that could not be drawn, and at which resolution a stopped run is."""
    parts, found = [], {}
    point = "Cells" if all(is_plane(dataset) for dataset in results.values()) else "Points"
    for name, dataset in results.items():
        if is_plane(dataset):
            grid = cells(dataset, quantity)
            found[name] = (grid.not_finite, grid.not_done, grid.values.size, grid.covering().step)
        else:
            line = profile(dataset, quantity)
            found[name] = (int(line.broken.sum()), int((~line.done).sum()), line.values.size, 1)
    for place, what, how in ((0, "not finite", broken), (1, "not computed yet", undone)):
        listed = [f"{each[place]} of {each[2]} in {name}" for name, each in found.items() if each[place]]
        if len(listed) == len(found) > 1 and len(set(found.values())) == 1:
            listed = [f"{found[next(iter(found))][place]} of {found[next(iter(found))][2]} in each"]
        if listed:
            parts.append(f"{point} {what} ({', '.join(listed)}) are {how}.")
    coarse = {name: str(each[3]) for name, each in found.items() if each[3] > 1}
    if coarse:
        parts.append(
            f"The run is not finished: drawn on the finest grid that is, every n-th row and column, n = "
            f"{by_name(coarse)}."
        )
    return " ".join(parts)
