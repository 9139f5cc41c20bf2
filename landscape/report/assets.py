"""The page's own script and styles as one text each, and the policy that forbids everything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from landscape.figures.style import Look
from landscape.report.encoding import policy_hash

SCRIPTS = (
    "words.js",
    "colours.js",
    "scales.js",
    "state.js",
    "chart.js",
    "relief.js",
    "contours.js",
    "surfaces.js",
    "spectra.js",
    "curves.js",
    "tables.js",
    "downloads.js",
    "theme.js",
)
STYLES = ("style.css", "live.css", "print.css")
_TOWARDS_WHITE = 0.45  # colours of networks on a dark ground keep a contrast of 4.5 to 1


def script() -> str:
    """All scripts as one, in strict mode, that leaves no name behind."""
    body = "\n".join(_read(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}\n}})();\n'


def style(looks: Mapping[str, Look]) -> str:
    """All styles as one, with a colour for each network on a light and on a dark ground.

    Network n of the comparison has the property `--network-n`, which the classes `network-n` use.
    """
    light = _colours(look.colour for look in looks.values())
    dark = _colours(lighter(look.colour) for look in looks.values())
    rules = [f".network-{place} {{ --colour: var(--network-{place}); }}" for place in range(len(looks))]
    colours = [
        f":root {{ {light} }}",
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}",
        f":root[data-theme=dark] {{ {dark} }}",
        f"@media print {{ :root:root:root {{ {light} }} }}",
    ]
    return "\n".join([*(_read(name) for name in STYLES), *colours, *rules]) + "\n"


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """A Content-Security-Policy: these scripts and styles, images inside the page, and no network at all."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(policy_hash, scripts))}",
            f"style-src {' '.join(map(policy_hash, styles))}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def lighter(colour: str) -> str:
    """A colour `#rrggbb` mixed with white, for a dark ground."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * _TOWARDS_WHITE):02x}" for part in parts)


def _colours(colours: Iterable[str]) -> str:
    return " ".join(f"--network-{place}: {colour};" for place, colour in enumerate(colours))


@cache
def _read(name: str) -> str:
    return files("landscape.report").joinpath("templates", name).read_text(encoding="utf-8")
