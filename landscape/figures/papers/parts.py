"""What panels of the papers share: drawn parts with the words under them, and what missing ones take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from landscape.comparison.identity import Results
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import joined
from landscape.figures.papers.networks import Selection
from landscape.figures.papers.tables import Table
from landscape.figures.registry import caption, find
from landscape.results import KINDS

Widths = tuple[float, float]
"""Width of one column and of the whole page, in inches."""
ICML: Widths = style.PRESETS["icml"]

_LOOKS = (
    ("deterministic", "no smoothing"),
    ("deterministic + S", "after stage 1"),
    ("MC dropout", "GAP"),
    ("MC dropout + S", "GAP + S"),
    ("MLP",),
    ("max",),
    ("median",),
)
"""Labels that share a look, so that a network looks alike in every panel."""


@dataclass(frozen=True)
class Part:
    """One figure or table of a panel.

    Attributes:
        letter: `a`, `b`, … of a panel that has several; empty for one alone.
        content: A figure, or a table.
        caption: What it shows, of which networks, and how it was measured.
    """

    letter: str
    content: Figure | Table
    caption: str


def drawn(
    number: str,
    figure: str,
    selection: Selection,
    datasets: Mapping[str, xr.Dataset],
    *,
    letter: str = "",
    width: float | None = None,
    said: str = "",
    **options: Any,
) -> Part:
    """One figure of the catalogue, of the selected networks under the panel's labels.

    Args:
        number: The panel, as in `Fig. 8 of Park & Kim (2022a)`.
        figure: Name of the figure in the catalogue.
        selection: Which networks.
        datasets: What is drawn, by label.
        letter: Of a panel with several parts.
        width: In inches.
        said: More for the caption.
        **options: Of the figure and of its caption.
    """
    entry = find(figure)
    own = {"looks": looks(datasets)} if entry.per_network else {}
    content = entry.draw(datasets, width=width, **options, **own)
    words = joined(introduction(number, selection), said, caption(figure, datasets, **options))
    return Part(letter, content, words)


def looks(labels: Sequence[str] | Mapping[str, Any]) -> dict[str, style.Look]:
    """The same look for a label in every panel; by order where one is not among those of the papers."""
    places = {label: index for index, shared in enumerate(_LOOKS) for label in shared}
    if set(labels) <= set(places) and len({places[label] for label in labels}) == len(labels):
        every = list(style.looks(map(str, range(len(_LOOKS)))).values())
        return {label: every[places[label]] for label in labels}
    return style.looks(labels)


def introduction(number: str, selection: Selection) -> str:
    """Which panel it is the counterpart of, which networks are drawn, and which of its curves are absent."""
    found = selection.found
    named = [f"{label}: {network}" if label != network else network for label, network in found.items()]
    absent = ", ".join(selection.absent)
    return joined(
        f"Counterpart of {number}, of other networks and data.",
        f"Networks: {'; '.join(named)}{_settings(selection)}.",
        "S: smoothing layers." if any(label.endswith("+ S") for label in found) else "",
        f"Absent, for want of such a network or result: {absent}." if absent else "",
        "Of several networks that fit, the first is drawn." if selection.more else "",
    )


def _settings(selection: Selection) -> str:
    """Architecture and rate of dropout, in brackets."""
    configs = [record["config"] for record in selection.records.values()]
    parts = list(
        dict.fromkeys(f"{config.get('architecture')} of depth {config.get('depth')}" for config in configs)
    )
    if not any(float(config.get("dropout", 0)) for config in configs):
        parts += ["without dropout"] if configs else []
    elif selection.rate:
        parts.append(f"MC dropout {100 * selection.rate:g} %")
    return f" ({', '.join(parts)})" if parts else ""


def measured_by(name: str) -> str:
    """The command that measures a result of this name."""
    if name == "sequence":
        return f"{KINDS['surface'].measured_by} --masks 5 --dropout fresh"
    return KINDS[name].measured_by


def require(number: str, selection: Selection, results: Results, names: Sequence[str]) -> None:
    """Raise a `ResultError` that says what is missing and what measures it, unless some network was selected.

    Args:
        number: The panel.
        selection: Which networks.
        results: What there is.
        names: Names of the results that the panel takes.
    """
    if selection.found:
        return
    there = dict.fromkeys(name for kinds in results.values() for name in kinds)
    commands = "; ".join(f"{name}: `{measured_by(name)}`" for name in names)
    received = ", ".join(results) if len(results) < 5 else f"{len(results)} networks"
    raise ResultError(
        f"{number} takes results {' or '.join(names)} of {' or '.join(selection.absent) or 'any network'}; "
        f"received {', '.join(there) or 'nothing'} of {received or 'no network'}. They are measured by "
        f"{commands}"
    )
