"""Tables as CSV, LaTeX and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from landscape.comparison.scores import Number
from landscape.comparison.tables import Cell, Table
from landscape.files import write_text
from landscape.report.numbers import number, plus_minus

INTERVAL = "± two standard errors"
NOTHING = "–"

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "∘": r"$\circ$",
    "→": r"$\to$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "\N{NO-BREAK SPACE}": "~",
}
"""What LaTeX would take for its own, or has no letter for."""


def write_table(table: Table, stem: str | Path, caption: str) -> list[Path]:
    """Write `stem.csv`, `stem.tex` (booktabs) and `stem.md`, each atomically.

    CSV has each number in full with its standard error in a column of its own; the others round it to
    ± two standard errors.

    Args:
        table: What to write.
        stem: Path without the extension.
        caption: Of the LaTeX table, and under the Markdown one.

    Returns:
        The files written.

    Raises:
        LandscapeError: If the place cannot be written.
    """
    texts = {"csv": as_csv(table), "tex": as_latex(table, caption), "md": as_markdown(table, caption)}
    paths = []
    for suffix, text in texts.items():
        paths.append(Path(f"{stem}.{suffix}"))
        write_text(paths[-1], text)
    return paths


def as_csv(table: Table) -> str:
    """Numbers in full; a column of numbers is followed by that of their standard errors."""
    numeric = _numeric(table)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    headings = [
        [name, f"{name} standard error"] if number else [name]
        for name, number in zip(table.columns, numeric, strict=True)
    ]
    writer.writerow([name for pair in headings for name in pair])
    for row in table.rows:
        cells = [_full(cell, number) for cell, number in zip(row, numeric, strict=True)]
        writer.writerow([value for pair in cells for value in pair])
    return stream.getvalue()


def as_latex(table: Table, caption: str) -> str:
    """A `table` environment with the rules of booktabs."""
    aligned = "".join("r" if number else "l" for number in _numeric(table))
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{_escaped(caption)}}}",
        f"  \\begin{{tabular}}{{{aligned}}}",
        "    \\toprule",
        f"    {_latex_row(table.columns)}",
        "    \\midrule",
        *(f"    {_latex_row([printed(cell) for cell in row])}" for row in table.rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_markdown(table: Table, caption: str) -> str:
    """A table of GitHub's Markdown, with the caption below."""
    rule = ["---:" if number else "---" for number in _numeric(table)]
    rows = [list(table.columns), rule, *([printed(cell) for cell in row] for row in table.rows)]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([*lines, "", caption]) + "\n"


def printed(cell: Cell) -> str:
    """`0.312 ± 0.010`, words as they are, and a dash for nothing."""
    if cell is None:
        return NOTHING
    if not isinstance(cell, Number):
        return cell
    if cell.ends:
        return f"{number(cell.value)} [{number(cell.ends[0])}, {number(cell.ends[1])}]"
    return plus_minus(cell.value, cell.error)


def _numeric(table: Table) -> list[bool]:
    """Which columns hold numbers."""
    return [any(isinstance(row[index], Number) for row in table.rows) for index in range(len(table.columns))]


def _full(cell: Cell, number: bool) -> list[str]:
    if not number:
        return [cell if isinstance(cell, str) else ""]
    if not isinstance(cell, Number):
        return ["", ""]
    return [repr(cell.value), "" if cell.error is None else repr(cell.error)]


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_escaped(cell) for cell in cells) + r" \\"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
