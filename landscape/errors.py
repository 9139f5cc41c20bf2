"""Errors that a user is meant to read: what was received, what was expected, how to fix it."""


class LandscapeError(Exception):
    """Bad input or an impossible request; the command line prints it as one message, without a traceback."""


class CheckpointError(LandscapeError):
    """A checkpoint file that cannot be read, or that does not fit the network it is loaded into."""


class DataError(LandscapeError):
    """A data set that is missing, damaged, or does not hold what was asked for."""


class ResultError(LandscapeError):
    """A saved result that is missing, damaged, or cannot be combined with another."""


class NewerResultError(ResultError):
    """A result of a newer version, which nothing may take for a damaged one and replace."""


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
