"""Text in CSV files, which spreadsheets take for a formula if it begins like one."""

from __future__ import annotations

import re
from typing import Any

_FORMULA = re.compile("'*[=+\\-@\t\r]")
_GUARDED = re.compile("'(?='*[=+\\-@\t\r])")


def guarded(cell: Any) -> Any:
    """A cell as it is to be written: text that begins like a formula gets an apostrophe, numbers never.

    Text that is a number (``-2``) computes nothing and stays; `unguarded` gives back every text as it was.

    Args:
        cell: Text, a number, a truth value or None.
    """
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) and not _is_number(cell) else cell


def unguarded(text: str) -> str:
    """A text as it was before `guarded`.

    Args:
        text: What a cell of a CSV file holds.
    """
    return text[1:] if _GUARDED.match(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text[0] not in "\t\r"
