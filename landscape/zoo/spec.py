"""How a network is named in words: ``PATH@SPEC``, and ``SOURCE[,key=value…]``."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landscape.errors import LandscapeError, printable
from landscape.zoo.naming import is_zoo_name

LIBRARIES = ("timm", "torchvision", "hf")
"""Sources that are called by a word of their own."""
PLAIN = "sequential"
"""The source of plain chains of layers, whose shapes the checkpoint gives."""
_OPENING, _CLOSING, _QUOTES = "([{", ")]}", "'\""


@dataclass(frozen=True)
class Spec:
    """A network in words.

    Attributes:
        source: `zoo`, `timm`, `torchvision`, `hf`, `sequential`, or `factory`.
        name: What the source knows it by: a zoo specification, a model, a folder, or ``place:factory``.
        options: Arguments, given as ``key=value``; a zoo specification keeps its own.
        text: All of it, as it was written.
    """

    source: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    text: str = ""


def read_spec(text: str) -> Spec:
    """Read ``SOURCE[,key=value…]``.

    SOURCE is a name of the zoo with its own options (``resnet18:blur,dropout=0.3``), ``timm:NAME``,
    ``torchvision:NAME``, ``hf:FOLDER``, ``file.py:factory``, ``package.module:factory``, or ``sequential``.
    Values are Python literals (``2``, ``0.5``, ``[1,2]``, ``None``), ``true`` and ``false``, or else text;
    commas inside of brackets and quotes belong to the value.

    Raises:
        LandscapeError: If an option has no name or no value, or stands twice.
    """
    if is_zoo_name(text):
        return Spec("zoo", text, text=text)
    head, _, rest = text.partition(":")
    if head == PLAIN:
        return Spec(PLAIN, PLAIN, _options(_parts(rest), text), text)
    if text.partition(",")[0] == PLAIN:
        return Spec(PLAIN, PLAIN, _options(_parts(text)[1:], text), text)
    if head in LIBRARIES:
        name, *options = _parts(rest) or [""]
        return Spec(head, name, _options(options, text), text)
    if not rest and ":" not in text:
        return Spec("zoo", text, text=text)
    file, found, rest = text.partition(".py:")
    place, rest = (f"{file}.py", rest) if found else (head, text.partition(":")[2])
    name, *options = _parts(rest) or [""]
    return Spec("factory", f"{place}:{name}", _options(options, text), text)


def split_path(text: str | Path) -> tuple[Path, str | None]:
    """A checkpoint and the model that it carries, ``PATH@SPEC``.

    The path ends at the last ``@`` behind which a file or folder of that name exists, unless one of the whole
    name does. Where there is none, it ends at the last ``@`` if what follows names a model. ``hf:FOLDER``
    stands for ``FOLDER@hf:FOLDER``.

    Returns:
        The path, and the specification or None.
    """
    words = str(text)
    if _exists(words):
        return Path(text), None
    if words.startswith("hf:") and _exists(folder := _parts(words[3:])[0]):
        return Path(folder), words
    places = [i for i, char in enumerate(words) if char == "@" and i]
    for i in reversed(places):
        if _exists(words[:i]):
            return Path(words[:i]), words[i + 1 :]
    if places and _names_model(words[places[-1] + 1 :]):
        return Path(words[: places[-1]]), words[places[-1] + 1 :]
    return Path(text), None


def _names_model(text: str) -> bool:
    head = text.partition(":")[0]
    return (
        is_zoo_name(text) or head in (*LIBRARIES, PLAIN) or (":" in text and "/" not in text.split(":")[-1])
    )


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def called(make: Callable[..., Any], options: dict[str, Any], text: str, what: str) -> Any:
    """What a function of a library or a user gives for the options of a specification.

    Raises:
        LandscapeError: Whatever it raises, in words.
    """
    try:
        return make(**options)
    except (Exception, SystemExit) as error:  # code by anyone may raise anything
        given = ", ".join(f"{key}={printable(repr(value), 60)}" for key, value in options.items())
        raise LandscapeError(
            f"{text} raised {type(error).__name__}: {error}; {what} is called "
            + (f"with {given}" if given else "without arguments")
        ) from error


def _parts(text: str) -> list[str]:
    """Text between the commas that stand outside of brackets and quotes; none of empty text."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        depth += 0 if quote else (char in _OPENING) - (char in _CLOSING)
        if char == "," and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return parts if text else []


def _options(parts: list[str], text: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in parts:
        key, found, value = part.partition("=")
        key = key.strip()
        if not (found and key.isidentifier()) or key in options:
            raise LandscapeError(
                f"{printable(part, 60)!r} in the model {printable(text, 200)!r} "
                + ("stands twice" if key in options else "is no option; write key=value, as in img_size=64")
            )
        options[key] = _value(value.strip())
    return options


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text
