"""The comparison as a folder: figures, summary files and one page that needs nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from landscape import figures
from landscape.comparison import Verdict, members, pooled
from landscape.figures.captions import protocol_phrase
from landscape.files import write_text
from landscape.report import assets
from landscape.report.assets import data_address, script_json
from landscape.report.differences import Differences
from landscape.report.effects import heat
from landscape.report.factors import factors
from landscape.report.headline import headline
from landscape.report.live import live, surface_rows
from landscape.report.sections import FORMATS, chapters, write_figures
from landscape.report.sentences import sentences
from landscape.report.summary import Results, Row, sheets, summarise, table, write_summary
from landscape.report.trust import protocols, trust, verdict, write_reasons
from landscape.results import attribute, condition

CITATIONS = (
    "N. Park, S. Kim. Blurs Behave Like Ensembles: Spatial Smoothings to Improve Accuracy, Uncertainty, and "
    "Robustness. ICML 2022, arXiv 2105.12639.",
    "N. Park, S. Kim. How Do Vision Transformers Work? ICLR 2022, arXiv 2202.06709.",
    "H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein. Visualizing the Loss Landscape of Neural Nets. "
    "NeurIPS 2018, arXiv 1712.09913.",
)


def write_report(
    results: Results,
    folder: str | Path,
    *,
    title: str = "Loss landscapes",
    command: str | None = None,
    verdicts: Sequence[Verdict] | None = None,
    earlier: Sequence[Verdict] = (),
) -> Path:
    """Write a comparison: `index.html`, `summary.csv`, `summary.json` and `figures/`.

    Every figure for which some network has a result is written as PDF, SVG and PNG with its caption as text.
    The page holds all it needs, figures, data and script, and may be sent on alone; its policy forbids it
    the network. Without scripts it shows the figures and numbers, with them also surfaces to turn and curves
    to select. Each file is written atomically, the page last. Seeds of one configuration are shown as one
    network, see `landscape.comparison.pooled`.

    Args:
        results: Network name → kind of result → dataset; networks may lack kinds.
        folder: Where to write; created if need be.
        title: Heading of the page.
        command: The command line that made it; by default one is put together from the checkpoints.
        verdicts: Of `landscape.comparison`, for the overview and the chain of reasons; none by default.
        earlier: Verdicts of the same factors over more seeds, measured before; in rows of their own.

    Returns:
        Path of the page.

    Raises:
        ResultError: If there are no results, one is filed under another kind, or seeds do not fit together.
        LandscapeError: If the folder cannot be written.
    """
    every = {name: _usual(kinds) for name, kinds in results.items()}
    results = pooled(every)
    rows = summarise(results)
    said = sentences(results, rows, Differences(results, every, verdicts or ()))
    looks = figures.looks(results)
    drawn = Path(folder) / "figures"
    sections = write_reasons(verdicts or (), results, drawn)
    sections += write_figures(results, drawn, looks=looks, said=said)
    files = write_summary(rows, folder)
    parts = live(results, looks)
    values = {
        "title": title,
        "command": command or default_command(every),
        "sentences": said,
        "chapters": chapters(sections, parts),
        "parts": parts,
        "data": script_json(parts),
        "headline": headline(verdicts or (), said),
        "heat": heat(verdicts or (), earlier),
        "factors": factors(verdicts or (), results),
        "summaries": _summaries(files),
        "lead": lead(results),
        "checkpoints": _checkpoints(every),
        **_values(results, rows),
        **_assets(looks),
    }
    page = Path(folder) / "index.html"
    write_text(page, _environment().get_template("index.html.j2").render(values))
    return page


def _assets(looks: Mapping[str, figures.Look]) -> dict[str, Any]:
    """The script, the styles and the policy that allows these alone."""
    script, style = assets.script(), assets.style(looks)
    return {
        "script": Markup(script),
        "style": Markup(style),
        "policy": assets.policy([script], [style]),
    }


def _values(results: Results, rows: Sequence[Row]) -> dict[str, Any]:
    """What the template shows besides figures and sentences."""
    columns, body = table(rows)
    findings = trust(results)
    return {
        "names": list(results),
        "places": {name: place for place, name in enumerate(results)},
        "protocol_lines": _protocol_lines(results),
        "protocols": protocols(results),
        "columns": columns,
        "body": body,
        "sheets": sheets(len(columns)),
        "surface_rows": surface_rows(results),
        "formats": FORMATS,
        "findings": findings,
        "verdict": verdict(findings),
        "failed": any(not finding.passed for finding in findings),
        "citations": CITATIONS,
    }


def _summaries(files: Sequence[Path]) -> list[tuple[str, str]]:
    """The summary files and what they hold as addresses."""
    types = {".csv": "text/csv", ".json": "application/json"}
    return [(path.name, data_address(path.read_bytes(), types[path.suffix])) for path in files]


def _usual(kinds: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Without further results of a kind, under other conditions, which the page does not show."""
    return {
        name: dataset
        for name, dataset in kinds.items()
        if name == dataset.attrs.get("kind") or not condition(dataset)
    }


def lead(results: Results) -> str:
    """How many networks the page shows, and of how many seeds."""
    counts = [
        max((len(members(dataset)) for dataset in kinds.values()), default=0) or 1
        for kinds in results.values()
    ]
    text = "One network" if len(counts) == 1 else f"{len(counts)} networks compared"
    if max(counts) < 2:
        return text
    each = str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    return f"{text}, {each} seeds{' each' if len(counts) > 1 else ''}"


def default_command(results: Results) -> str:
    """The command line that compares the same checkpoints."""
    paths = [network.get("path") or network["name"] for network in _networks(results).values()]
    return f"landscape compare {' '.join(shlex.quote(str(path)) for path in paths)}"


def _protocol_lines(results: Results) -> list[tuple[str, str]]:
    """Kinds of results with their protocol in one line; those of the same protocol together."""
    by_kind: dict[str, dict[str, xr.Dataset]] = {}
    for name, kinds in results.items():
        for kind, dataset in kinds.items():
            by_kind.setdefault(kind, {})[name] = dataset
    alike: dict[str, list[str]] = {}
    for kind, found in by_kind.items():
        alike.setdefault(protocol_phrase(found).removeprefix("Protocol: "), []).append(kind)
    return [(", ".join(kinds), line) for line, kinds in alike.items()]


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
