r"""Typesets formulas of the documentation, `$…$` in a line and `$$…$$` on lines of their own.

Code hosts typeset the same source themselves. Here matplotlib's own mathematics becomes outlines within the
page, so that nothing is fetched and no script runs; the source stays as the alternative text.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape

import numpy as np

_CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^\$\$\n?(.+?)\n?\$\$$", re.DOTALL | re.MULTILINE)
_LINE = re.compile(r"(?<![\\\w$])\$([^$\n]+?)\$(?![\w$])")
_COMMANDS = {2: "L", 3: "Q", 4: "C"}
_SIZE = 100.0
"""Of a letter in the outlines' own units."""


def typeset(markdown: str) -> str:
    """A page with its formulas as pictures; code stays as it is."""
    parts = _CODE.split(markdown)
    for index in range(0, len(parts), 2):
        text = _BLOCK.sub(lambda found: f'<p class="formula">{picture(found[1])}</p>', parts[index])
        parts[index] = _LINE.sub(lambda found: picture(found[1]), text)
    return "".join(parts)


@cache
def picture(source: str) -> str:
    """One formula as an inline SVG, its baseline on that of the text."""
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser
    from matplotlib.textpath import TextPath

    text = f"${source.strip()}$"
    with matplotlib.rc_context({"mathtext.fontset": "stix", "text.parse_math": True}):
        font = FontProperties(family="STIXGeneral", size=_SIZE)
        width, height, depth, *_ = MathTextParser("path").parse(text, 72, font)
        outline = TextPath((0, 0), text, size=_SIZE, prop=font)
    em = _SIZE * 0.95  # the letters of the page are a little wider than those of the formula
    box = f"0 {-height + depth:.1f} {width:.1f} {height:.1f}"
    style = f"width:{width / em:.3f}em;height:{height / em:.3f}em;vertical-align:{-depth / em:.3f}em"
    return (
        f'<svg class="math" role="img" aria-label="{escape(source.strip())}" style="{style}" viewBox="{box}">'
        f'<path d="{_data(outline.vertices, outline.codes)}"/></svg>'
    )


def _data(vertices: np.ndarray, codes: np.ndarray) -> str:
    """Outlines in the words of SVG, whose vertical axis points down."""
    parts, index = [], 0
    while index < len(codes):
        code = int(codes[index])
        if code in (1, 2):
            x, y = vertices[index]
            parts.append(f"{'M' if code == 1 else 'L'}{x:.1f} {-y:.1f}")
            index += 1
        elif code in (3, 4):
            points = vertices[index : index + code - 1]
            parts.append(_COMMANDS[code] + " ".join(f"{x:.1f} {-y:.1f}" for x, y in points))
            index += code - 1
        else:
            parts.append("Z" if code == 79 else "")
            index += 1
    return "".join(parts)
