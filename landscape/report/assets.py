"""What a page carries inside itself: script, styles, data and files, and the policy that forbids all else."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from markupsafe import Markup

from landscape.figures.style import Look

SCRIPTS = (
    "words.js",
    "colours.js",
    "scales.js",
    "state.js",
    "chart.js",
    "relief.js",
    "contours.js",
    "differences.js",
    "surfaces.js",
    "spectra.js",
    "curves.js",
    "pairs.js",
    "training.js",
    "tables.js",
    "downloads.js",
    "contents.js",
    "address.js",
    "theme.js",
)
DIGITS = 7
"""Significant digits of the numbers in a page; a float32 holds about seven."""
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
STYLES = ("style.css", "story.css", "live.css", "print.css")
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


def numbers(values: Any, *, done: Any = None) -> list[float | str | None]:
    """Numbers as a flat list for JSON.

    Args:
        values: Array of any shape.
        done: Which of them were computed, of the same shape; all by default.

    Returns:
        Finite numbers to `DIGITS` digits; the others as the words NaN, Infinity and -Infinity, which JSON
        has no numbers for; None where nothing was computed.
    """
    flat = np.ravel(np.asarray(values, dtype=float)).tolist()
    there = [True] * len(flat) if done is None else np.ravel(np.asarray(done, dtype=bool)).tolist()
    return [number(value) if here else None for value, here in zip(flat, there, strict=True)]


def number(value: float) -> float | str:
    """One number for JSON, as in `numbers`."""
    if math.isfinite(value):
        return float(f"{value:.{DIGITS}g}")
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def script_json(values: Any) -> Markup:
    """JSON that can stand inside a script element, whatever the strings in it say."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)


def data_address(content: bytes, media_type: str) -> str:
    """A file as an address that holds its content."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def policy_hash(text: str) -> str:
    """A source expression of a Content-Security-Policy that allows exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
