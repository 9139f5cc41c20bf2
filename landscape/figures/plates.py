"""What panels of the papers share: which networks are drawn, what is absent, and the words under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from landscape.comparison.identity import Results
from landscape.comparison.roles import Cast
from landscape.comparison.tables import Table
from landscape.errors import ResultError
from landscape.figures import style
from landscape.figures.captions import joined
from landscape.figures.registry import caption, find

Widths = tuple[float, float]
"""Width of one column and of the whole page, in inches."""
ICML: Widths = style.PRESETS["icml"]

COMMANDS = {
    "evaluation": "landscape evaluate CKPT",
    "ensemble": "landscape evaluate CKPT --ensemble 50",
    "robustness": "landscape evaluate CKPT --corrupt",
    "features": "landscape features CKPT --draws 4",
    "maps": "landscape features CKPT --pictures 0",
    "covariance": "landscape features CKPT --covariance",
    "noise": "landscape features CKPT --noise gaussian",
    "surface": "landscape surface CKPT",
    "sequence": "landscape surface CKPT --masks 5 --dropout fresh",
    "trajectory": "landscape trajectory CKPT…",
    "spectrum": "landscape hessian CKPT --spectrum",
    "density": "landscape hessian CKPT --density 8",
}
"""The command that measures each kind of result."""

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
class Plate:
    """One output of a panel.

    Attributes:
        part: `a`, `b`, … of a panel that has several; empty for one alone.
        content: A figure, or a table.
        caption: What it shows, of which networks, and how it was measured.
    """

    part: str
    content: Figure | Table
    caption: str


def plate(
    number: str,
    figure: str,
    played: Cast,
    results: Results,
    *,
    kind: str = "",
    part: str = "",
    width: float | None = None,
    said: str = "",
    **options: Any,
) -> Plate:
    """One figure of the catalogue, of the networks of a cast, under the labels of their roles.

    Args:
        number: The panel, as in `Fig. 8 of Park & Kim (2022a)`.
        figure: Name of the figure in the catalogue.
        played: Which networks.
        results: As `landscape.comparison.roles.renamed` gives them.
        kind: Name of the result; by default the kind that the figure draws.
        part: Of a panel with several.
        width: In inches.
        said: More for the caption.
        **options: Of the figure and of its caption.

    Raises:
        ResultError: If no network plays a role.
    """
    name = kind or find(figure).kind
    require(number, played, results, (name,))
    datasets = {label: results[network][name] for label, network in played.found.items()}
    return drawn(number, figure, played, datasets, part=part, width=width, said=said, **options)


def drawn(
    number: str,
    figure: str,
    played: Cast,
    datasets: Mapping[str, xr.Dataset],
    *,
    part: str = "",
    width: float | None = None,
    said: str = "",
    **options: Any,
) -> Plate:
    """As `plate`, of datasets by label."""
    drawing = find(figure)
    own = {"looks": looks(datasets)} if drawing.per_network else {}
    content = drawing.draw(datasets, width=width, **options, **own)
    words = joined(introduction(number, played), said, caption(figure, datasets, **options))
    return Plate(part, content, words)


def looks(labels: Sequence[str] | Mapping[str, Any]) -> dict[str, style.Look]:
    """The same look for a role in every panel; by order where a label is no role's."""
    places = {label: index for index, shared in enumerate(_LOOKS) for label in shared}
    if set(labels) <= set(places) and len({places[label] for label in labels}) == len(labels):
        every = list(style.looks(map(str, range(len(_LOOKS)))).values())
        return {label: every[places[label]] for label in labels}
    return style.looks(labels)


def introduction(number: str, played: Cast) -> str:
    """Which panel it is the counterpart of, which networks are drawn, and which of its curves are absent."""
    named = [
        f"{label}: {network}" if label != network else network for label, network in played.found.items()
    ]
    smoothed = "S: smoothing layers." if any(label.endswith("+ S") for label in played.found) else ""
    return joined(
        f"Counterpart of {number}, of other networks and data.",
        f"Networks: {'; '.join(named)}{_settings(played)}.",
        smoothed,
        f"Absent, for want of such a network or result: {', '.join(played.absent)}." if played.absent else "",
        "Of several networks that fit, the first is drawn." if played.spare else "",
    )


def _settings(played: Cast) -> str:
    """Architecture and rate of dropout, in brackets."""
    configs = [each["config"] for each in played.records.values()]
    kinds = dict.fromkeys(
        f"{config.get('architecture')} of depth {config.get('depth')}" for config in configs
    )
    dropping = any(float(config.get("dropout", 0)) for config in configs)
    rates = [f"MC dropout {100 * played.rate:g} %" if dropping else "without dropout"] if configs else []
    parts = [*kinds, *(rates if played.rate or not dropping else [])]
    return f" ({', '.join(parts)})" if parts else ""


def require(number: str, played: Cast, results: Results, names: Sequence[str]) -> None:
    """Raise a `ResultError` that says what is missing and what measures it, unless someone plays a role.

    Args:
        number: The panel.
        played: Which networks.
        results: What there is.
        names: Names of the results that the panel takes.
    """
    if played.found:
        return
    there = dict.fromkeys(name for kinds in results.values() for name in kinds)
    commands = "; ".join(f"{name}: `{COMMANDS[name]}`" for name in names)
    received = ", ".join(results) if len(results) < 5 else f"{len(results)} networks"
    raise ResultError(
        f"{number} takes results {' or '.join(names)} of {' or '.join(played.absent) or 'any network'}; "
        f"received {', '.join(there) or 'nothing'} of {received or 'no network'}. They are measured by "
        f"{commands}"
    )


def lowered(text: str) -> str:
    """A sentence to go on with: its first letter small, unless the first word is all capitals."""
    return text if text[:2].isupper() else text[0].lower() + text[1:]
