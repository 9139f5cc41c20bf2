"""Counterparts of the tables of Park & Kim 2022a, with captions."""

from __future__ import annotations

from collections.abc import Callable

from landscape.comparison import tables
from landscape.comparison.identity import Results
from landscape.comparison.roles import renamed
from landscape.figures.captions import joined
from landscape.figures.plates import ICML, Plate, Widths, introduction, require


def tableb1(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Kinds of Prob without and with blur, and sizes of the blur: NLL, accuracy, ECE with standard errors.

    Args:
        results: Kinds `ensemble` or `evaluation`.
        widths: Without a meaning for tables.

    Raises:
        ResultError: If nothing of it is there.
    """
    said = "Rows put in: smoothing was put in after training, the weights as they were."
    return _plates("Table B.1", tables.prob_ablation, results, said)


def tablec1(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Heads: NLL on training images beside NLL, accuracy and ECE on test images.

    Args:
        results: Kinds `ensemble` or `evaluation`; for the training images `evaluation-train` or `surface`.
        widths: Without a meaning for tables.

    Raises:
        ResultError: If nothing of it is there.
    """
    return _plates("Table C.1", tables.head_comparison, results)


def tablec2(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Networks without and with pre-activation, deterministic and with MC dropout.

    Args:
        results: Kinds `ensemble` or `evaluation`.
        widths: Without a meaning for tables.

    Raises:
        ResultError: If nothing of it is there.
    """
    return _plates("Table C.2", tables.preactivation, results)


def tablee1(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """NLL, accuracy and ECE: deterministic and MC dropout, each without and with smoothing.

    Args:
        results: Kinds `ensemble` or `evaluation`.
        widths: Without a meaning for tables.

    Raises:
        ResultError: If nothing of it is there.
    """
    return _plates("Table E.1", tables.quality, results)


def _plates(
    number: str, make: Callable[[Results], tables.Table], results: Results, said: str = ""
) -> list[Plate]:
    full = f"{number} of Park & Kim (2022a)"
    table = make(results)
    require(full, table.cast, renamed(results), tables.NEEDS)
    put_in = any(label.endswith(tables.PUT_IN) for label in table.cast.found)
    return [Plate("", table, joined(introduction(full, table.cast), said if put_in else "", table.note))]
