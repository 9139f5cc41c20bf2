"""Tables as CSV, LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from landscape.figures.papers.tables import Cell, Table
from landscape.files import write_text
from landscape.numbers import number, plus_minus
from landscape.results.estimate import Estimate
from landscape.spreadsheet import guarded

NOTHING = "–"

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "∘": r"$\circ$",
        "→": r"$\to$",
        "×": r"$\times$",
        "−": "$-$",
        "–": "--",
        "\N{NO-BREAK SPACE}": "~",
        **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    }
)
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
    latex = as_latex(table, caption, Path(stem).name)
    texts = {"csv": as_csv(table), "tex": latex, "md": as_markdown(table, caption)}
    paths = []
    for suffix, text in texts.items():
        paths.append(Path(f"{stem}.{suffix}"))
        write_text(paths[-1], text)
    return paths


def as_csv(table: Table) -> str:
    """Numbers in full; a column of numbers is followed by that of their standard errors."""
    columns: dict[str, list] = {}
    for name, cells, numeric in _columns(table):
        if not numeric:
            columns[name] = cells
            continue
        estimates = [cell if isinstance(cell, Estimate) else None for cell in cells]
        columns[name] = [each and each.value for each in estimates]
        errors = [each.error if each and each.known else None for each in estimates]
        columns[f"{name} standard error"] = errors
    return pd.DataFrame(columns, dtype=object).map(guarded).to_csv(index=False, lineterminator="\n")


def as_latex(table: Table, caption: str, name: str = "") -> str:
    """A `table` environment with the rules of booktabs, in small type, shrunk where a column is narrower.

    Args:
        table: What to write.
        caption: Its first paragraph becomes the caption; the others, notes and protocol, become comments.
        name: Its label is ``tab:NAME``; it has none by default.
    """
    said, *notes = caption.split("\n\n")
    printed_cells = [[printed(cell).translate(_LATEX) for cell in row] for row in table.rows]
    frame = pd.DataFrame(printed_cells, columns=[column.translate(_LATEX) for column in table.columns])
    aligned = "".join("r" if numeric else "l" for _, _, numeric in _columns(table))
    written = frame.style.hide(axis="index").to_latex(
        hrules=True,
        column_format=aligned,
        position="t",
        position_float="centering",
        caption=said.translate(_LATEX),
        label=f"tab:{name}" if name else None,
    )
    begun, ended = r"\begin{tabular}", r"\end{tabular}"
    fitted = written.replace(begun, f"\\footnotesize\n\\begin{{adjustbox}}{{max width=\\linewidth}}\n{begun}")
    fitted = fitted.replace(ended, f"{ended}\n\\end{{adjustbox}}")
    comments = "".join(f"% {line}\n" for note in notes for line in note.splitlines())
    return f"% needs \\usepackage{{adjustbox,booktabs}}\n{comments}{fitted}"


def as_markdown(table: Table, caption: str) -> str:
    """A table of GitHub's Markdown, with the caption below."""
    rows = [[printed(cell) for cell in row] for row in table.rows]
    numeric = [numeric for _, _, numeric in _columns(table)]
    return f"{markdown(table.columns, rows, numeric)}\n\n{caption}\n"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool] = ()) -> str:
    """A table of GitHub's Markdown, without an end of line.

    Args:
        columns: Headings.
        rows: Cells.
        numeric: Which columns are aligned to the right; none by default.
    """
    rule = ["---:" if right else "---" for right in numeric or [False] * len(columns)]
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (columns, *rows)]
    first, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([first, f"|{'|'.join(rule)}|", *rest])


def printed(cell: Cell) -> str:
    """`0.312 ± 0.010`, words as they are, and a dash for nothing."""
    if cell is None:
        return NOTHING
    if not isinstance(cell, Estimate):
        return cell
    if cell.interval and not cell.known:
        return f"{number(cell.value)} [{number(cell.low)}, {number(cell.high)}]"
    return plus_minus(cell.value, cell.error)


def _columns(table: Table) -> list[tuple[str, list[Cell], bool]]:
    """Heading and cells of each column, and whether it holds numbers."""
    columns = [(name, [row[place] for row in table.rows]) for place, name in enumerate(table.columns)]
    return [(name, cells, any(isinstance(cell, Estimate) for cell in cells)) for name, cells in columns]
