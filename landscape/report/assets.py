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
_DARK = "#0f1419"  # the ground of the dark theme in style.css
_CONTRAST = 3.0  # what WCAG 2.1 asks of parts of a picture


def script() -> str:
    """All scripts as one, in strict mode, that leaves no name behind."""
    body = "\n".join(_read(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}\n}})();\n'


def style(looks: Mapping[str, Look]) -> str:
    """All styles as one, with a colour for each network on a light and on a dark ground.

    Network n of the comparison has the property `--network-n`, which the classes `network-n` use.
    """
    light = _colours(look.colour for look in looks.values())
    dark = _colours(legible(look.colour) for look in looks.values())
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


def legible(colour: str, ground: str = _DARK, contrast: float = _CONTRAST) -> str:
    """A colour `#rrggbb`, mixed with as much white as it needs to stand out on a dark ground.

    Args:
        colour: What the figures draw on white.
        ground: What it shall stand on.
        contrast: Ratio of contrast as WCAG 2 defines it.
    """
    mixed = (_lighter(colour, share / 20) for share in range(21))
    return next((each for each in mixed if _luminance(each) >= _needed(ground, contrast)), "#ffffff")


def _needed(ground: str, contrast: float) -> float:
    return contrast * (_luminance(ground) + 0.05) - 0.05


def _lighter(colour: str, share: float) -> str:
    return "#" + "".join(f"{round(part + (255 - part) * share):02x}" for part in _parts(colour))


def _luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2)."""
    scaled = [part / 255 for part in _parts(colour)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in scaled]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _parts(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def _colours(colours: Iterable[str]) -> str:
    return " ".join(f"--network-{place}: {colour};" for place, colour in enumerate(colours))


@cache
def _read(name: str) -> str:
    return files("landscape.report").joinpath("templates", name).read_text(encoding="utf-8")
