"""What panels of the papers share: drawn parts with the words under them, and what missing ones take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from landscape.comparison import members
from landscape.comparison.identity import Results
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import joined, values
from landscape.figures.captions import options as option_values
from landscape.figures.papers.networks import Selection
from landscape.figures.papers.tables import Table
from landscape.figures.registry import caption_parts, find
from landscape.results import KINDS

Widths = tuple[float, float]
"""Width of one column and of the whole page, in inches."""
ICML: Widths = style.PRESETS["icml"]


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
    content = entry.draw(datasets, width=width, **options)
    text, notes, protocol = caption_parts(figure, datasets, **options)
    other = differences(datasets, PUBLISHED["2022b" in number]) if entry.kind == "spectrum" else ""
    return Part(letter, content, words(number, selection, text, joined(said, other, notes), protocol))


def words(number: str, selection: Selection, text: str, notes: str, protocol: str) -> str:
    """The caption of a panel: two sentences for a paper, then paragraphs of notes and of the protocol.

    Args:
        number: The panel.
        selection: Which networks.
        text: What is drawn, in two sentences at most.
        notes: What else has to be known.
        protocol: How it was measured.
    """
    first = f"{counterpart(number)}: {lowered(text)}"
    return "\n\n".join(filter(None, (first, joined(chosen(selection), notes), protocol)))


def lowered(text: str) -> str:
    """A sentence to go on with: its first letter small, unless the first word is all capitals."""
    return text if text[:2].isupper() else text[0].lower() + text[1:]


PUBLISHED = ({"batch_size": 128, "k": 1}, {"batch_size": 16, "k": 5})
"""How the papers measured the spectra of mini-batches (Park & Kim 2022a, Fig. 8; 2022b, Fig. 1c)."""


def differences(spectra: Mapping[str, xr.Dataset], published: Mapping[str, int]) -> str:
    """In what spectra of mini-batches were measured otherwise than in a paper."""
    counts = [dataset.sizes["batch"] // max(len(members(dataset)), 1) for dataset in spectra.values()]
    batches = values([{"": count} for count in counts], "")
    found = {name: option_values(spectra, name) for name in published}
    said = {
        "batch_size": f"{batches} mini-batches of {found['batch_size']} samples, there of "
        f"{published['batch_size']}",
        "k": f"the top {found['k']} of each, there the top {published['k']}",
    }
    other = [said[name] for name, value in found.items() if value != str(published[name])]
    return f"Other than in the paper: {'; '.join(other)}." if other else ""


def counterpart(number: str) -> str:
    """Which panel it is the counterpart of."""
    return f"Counterpart of {number}, of other networks and data"


def chosen(selection: Selection) -> str:
    """Which networks are drawn, and which of the panel's curves are absent."""
    found = selection.found
    named = [f"{label}: {network}" if label != network else network for label, network in found.items()]
    absent = ", ".join(selection.absent)
    return joined(
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
