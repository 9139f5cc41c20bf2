"""Keeps what functions return as it is written, when the reference is made.

Readers of Google-style docstrings take everything before the first colon of a Returns section for a type.
Ours begin with words, and the types are in the signatures: the annotation is put in front.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_RETURNS = re.compile(r"^(?P<head>[ \t]*Returns:\n)(?P<indent>[ \t]+)(?=\S)", re.MULTILINE)


class Returns(griffe.Extension):
    """Called by griffe for every function."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Put the annotation in front of the text."""
        if func.docstring is None:
            return
        annotation = str(func.returns or "value").replace("\n", " ")
        func.docstring.value = _RETURNS.sub(
            lambda found: f"{found['head']}{found['indent']}{annotation}: ", func.docstring.value
        )
