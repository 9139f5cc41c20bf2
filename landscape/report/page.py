"""The comparison as a folder: figures, summary files and one page that needs nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined

from landscape import figures
from landscape.figures.captions import protocol_phrase
from landscape.figures.style import Look
from landscape.files import write_text
from landscape.report.drawing import panels
from landscape.report.protocols import protocols
from landscape.report.sentences import sentences
from landscape.report.summary import Results, Row, summarise, write_summary
from landscape.report.table import table
from landscape.report.trust import trust, verdict
from landscape.results import attribute

CITATIONS = (
    "N. Park, S. Kim. Blurs Behave Like Ensembles: Spatial Smoothings to Improve Accuracy, Uncertainty, and "
    "Robustness. ICML 2022, arXiv 2105.12639.",
    "N. Park, S. Kim. How Do Vision Transformers Work? ICLR 2022, arXiv 2202.06709.",
    "H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein. Visualizing the Loss Landscape of Neural Nets. "
    "NeurIPS 2018, arXiv 1712.09913.",
)
FORMATS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class Section:
    """One figure of the page: its files lie at `figures/<name>.<format>`."""

    name: str
    title: str
    sentence: str
    caption: str
    alternative: str


def write_report(
    results: Results, folder: str | Path, *, title: str = "Loss landscapes", command: str | None = None
) -> Path:
    """Write a comparison: `index.html`, `summary.csv`, `summary.json` and `figures/`.

    Every figure for which some network has a result is written as PDF, SVG and PNG with its caption as text.
    The page links by relative paths only, and each file is written atomically, the page last.

    Args:
        results: Network name → kind of result → dataset; networks may lack kinds.
        folder: Where to write; created if need be.
        title: Heading of the page.
        command: The command line that made it; by default one is put together from the checkpoints.

    Returns:
        Path of the page.

    Raises:
        ResultError: If there are no results, or one is filed under another kind.
        LandscapeError: If the folder cannot be written.
    """
    rows = summarise(results)
    said = sentences(results, rows)
    sections = _write_figures(results, Path(folder) / "figures", said)
    write_summary(rows, folder)
    page = Path(folder) / "index.html"
    values = _values(results, rows) | {"sentences": said, "sections": sections, "title": title}
    template = _environment().get_template("index.html.j2")
    write_text(page, template.render(command=command or default_command(results), **values))
    return page


def _values(results: Results, rows: Sequence[Row]) -> dict[str, Any]:
    """What the template shows besides figures and sentences."""
    columns, body = table(rows)
    findings = trust(results)
    return {
        "names": list(results),
        "looks": figures.looks(results),
        "protocol_lines": _protocol_lines(results),
        "protocols": protocols(results),
        "columns": columns,
        "body": body,
        "formats": FORMATS,
        "findings": findings,
        "verdict": verdict(findings),
        "failed": any(not finding.passed for finding in findings),
        "checkpoints": _checkpoints(results),
        "citations": CITATIONS,
    }


def default_command(results: Results) -> str:
    """The command line that compares the same checkpoints."""
    paths = [network.get("path") or network["name"] for network in _networks(results).values()]
    return f"landscape compare {' '.join(shlex.quote(str(path)) for path in paths)}"


def _write_figures(results: Results, folder: Path, said: Mapping[str, str]) -> list[Section]:
    """Draw and save every figure there is data for; colours follow the order of all networks."""
    looks: Mapping[str, Look] = figures.looks(results)
    sections = []
    for panel in panels(results):
        text = panel.save(folder, looks, FORMATS)
        name, drawing, sentence = panel.name, panel.drawing, said.get(panel.name, "")
        alternative = f"{drawing.description}, for {', '.join(panel.datasets)}. {sentence}".strip()
        sections.append(Section(name, drawing.title, sentence, text, alternative))
    return sections


def _protocol_lines(results: Results) -> list[tuple[str, str]]:
    """Each kind of result with its protocol in one line."""
    by_kind: dict[str, dict[str, xr.Dataset]] = {}
    for name, kinds in results.items():
        for kind, dataset in kinds.items():
            by_kind.setdefault(kind, {})[name] = dataset
    return [(kind, protocol_phrase(found).removeprefix("Protocol: ")) for kind, found in by_kind.items()]


def _networks(results: Results) -> dict[str, dict]:
    return {
        name: attribute(next(iter(kinds.values())), "network") for name, kinds in results.items() if kinds
    }


def _checkpoints(results: Results) -> list[tuple[str, ...]]:
    """Name, architecture, path and digest of each network, in words."""
    return [
        (name, *(str(network.get(key) or "not recorded") for key in ("architecture", "path", "sha256")))
        for name, network in _networks(results).items()
    ]


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("landscape.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
