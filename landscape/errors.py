"""Errors that a user is meant to read: what was received, what was expected, how to fix it."""

import difflib
from collections.abc import Collection

DISTRIBUTION = "landscape-toolkit"
"""Name on the package index, where `landscape` is somebody else's."""


def installation(extra: str) -> str:
    """What to type for packages that not everybody needs.

    Args:
        extra: Name of the extra in ``setup.cfg``.
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"


class LandscapeError(Exception):
    """Bad input or an impossible request; the command line prints it as one message, without a traceback."""


class ArgumentError(LandscapeError):
    """An argument that is none of what it may be; to the command line, wrong usage (exit status 2)."""


class CheckpointError(LandscapeError):
    """A checkpoint file that cannot be read, or that does not fit the network it is loaded into."""


class DataError(LandscapeError):
    """A data set that is missing, damaged, or does not hold what was asked for."""


class ResultError(LandscapeError):
    """A saved result that is missing, damaged, or cannot be combined with another."""


class DataRequestError(ArgumentError, DataError):
    """A request of data that no data set could meet, such as an unknown split."""


class ResultRequestError(ArgumentError, ResultError):
    """A request of results that none could meet, such as an unknown figure."""


class NewerResultError(ResultError):
    """A result of a newer version, which nothing may take for a damaged one and replace."""


class RankError(LandscapeError):
    """What stopped one rank of several, or all of them; every rank that still can raises it."""


class NothingToMeasure(LandscapeError):
    """A network that has not what is measured, such as feature maps; a comparison goes on without it."""


LONGEST_LINE = 5000
"""Characters of a printed line."""


def printable(text: object, most: int = 500) -> str:
    """Words of a file, a server or a library as one line that a terminal shows and does not obey.

    Control characters, line ends, marks of writing direction, other invisible ones and lone surrogates are
    written as escapes; what is endless is cut in the middle.

    Args:
        text: Anything; what is no string is converted.
        most: Characters to keep.
    """
    words = str(text)
    if len(words) > most:
        words = f"{words[: most - most // 3]} … {words[-most // 3 :]}"
    if words.isprintable():
        return words
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in words
    )


def meant(word: str, known: Collection[str]) -> str:
    """What was probably meant, as the end of a message; nothing where no known word is near.

    Args:
        word: As it was written.
        known: The words there are.
    """
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(near)}?" if near else ""
