"""What notebooks show: networks, objectives and results as small tables, figures with their captions.

Plain HTML without scripts or style sheets, so that it survives wherever a notebook is read. Everything that
comes from a file or a user is escaped.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import xarray as xr

from landscape.results import attribute
from landscape.results.schema import ATTRIBUTES

Figure = Any
"""A `matplotlib.figure.Figure`; nothing here imports it, so that computing never draws."""

Rows = list[tuple[str, str]]
"""A name and what is said of it."""

_PIXELS_PER_INCH = 130  # figures have the type of print, too small for a screen at its own resolution


@dataclass(frozen=True)
class Shown:
    """What a notebook displays; its text stands where there is no HTML."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def show(what: xr.Dataset | Figure, caption: str = "") -> Shown:
    """A result with its trust report, or a figure with its caption.

    Args:
        what: A result of an analysis, or what one of the functions of `landscape.figures` returned.
        caption: Caption of a figure, as `landscape.figures.caption` writes it; also its alternative text.

    Raises:
        ResultError: If a dataset is not a result of `landscape`.
    """
    if isinstance(what, xr.Dataset):
        kind, network = str(what.attrs.get("kind")), attribute(what, "network")
        checks = [_line(check) for check in attribute(what, "checks")]
        return Shown(result_html(what), "\n".join([f"{kind} of {network.get('name')}", *checks]))
    return Shown(figure_html(what, caption), caption or "figure")


def result_html(dataset: xr.Dataset) -> str:
    """Kind, network, trust report, protocol and data of a result; the last two folded.

    Raises:
        ResultError: If it is no result of ours.
    """
    network, made = attribute(dataset, "network"), attribute(dataset, "provenance")
    checks = attribute(dataset, "checks")
    rows = [
        (label, str(value))
        for label, value in (
            ("architecture", network.get("architecture")),
            ("measured", f"{made.get('created', 'unknown')}, in {made.get('seconds', '?')} s"),
        )
        if value
    ]
    lines = "".join(f"<li>{escape(_line(check))}</li>" for check in checks)
    failed = sum(not check["passed"] for check in checks)
    title = f"{dataset.attrs.get('kind')} of {network.get('name')}"
    parts = [
        table(title, rows),
        f'<ul aria-label="trust report">{lines}</ul>' if lines else "<p>no checks</p>",
        _folded("protocol", table("", _flat(attribute(dataset, "protocol")))),
        _folded("data", _without_records(dataset)._repr_html_()),
    ]
    if failed:
        parts.insert(1, f"<p><strong>{failed} of {len(checks)} checks failed.</strong></p>")
    return f"<div>{''.join(parts)}</div>"


def figure_html(figure: Figure, caption: str = "") -> str:
    """A figure as an image of twice a screen's resolution, with its caption."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=2 * _PIXELS_PER_INCH)
    image = base64.b64encode(stream.getvalue()).decode("ascii")
    width = round(_PIXELS_PER_INCH * figure.get_figwidth())
    text = escape(caption)
    below = f'<figcaption style="font-size:smaller">{text}</figcaption>' if text else ""
    return (
        f'<figure style="margin:0;max-width:{max(width, 600)}px">'
        f'<img style="width:{width}px;max-width:100%" alt="{text}" src="data:image/png;base64,{image}">'
        f"{below}</figure>"
    )


def _without_records(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset without the attributes that are shown as tables already."""
    plain = dataset.copy(deep=False)
    plain.attrs = {name: value for name, value in dataset.attrs.items() if name not in ATTRIBUTES}
    return plain


def _line(check: Mapping[str, Any]) -> str:
    return f"{'ok' if check['passed'] else 'WARN'} {check['message']}"


def _flat(entries: Mapping[str, Any], prefix: str = "") -> Rows:
    """Nested entries, one row each."""
    rows: Rows = []
    for name, value in entries.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", "none" if value is None else str(value)))
    return rows


def table(title: str, rows: Rows) -> str:
    """Rows of a name and a value; a caption is what a screen reader announces first."""
    caption = f'<caption style="text-align:left;font-weight:bold">{escape(title)}</caption>' if title else ""
    cell = 'style="text-align:left;vertical-align:top"'
    body = "".join(
        f'<tr><th scope="row" {cell}>{escape(name)}</th><td {cell}>{escape(value)}</td></tr>'
        for name, value in rows
    )
    return f"<table>{caption}<tbody>{body}</tbody></table>"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"
