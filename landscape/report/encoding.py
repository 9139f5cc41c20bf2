"""What a page carries inside itself: data as JSON in a script element, files as data: addresses, hashes."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from typing import Any

import numpy as np
from markupsafe import Markup

DIGITS = 7
"""Significant digits of the numbers in a page; a float32 holds about seven."""
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


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
