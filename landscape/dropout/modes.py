"""The protocol's modes of dropout."""

from __future__ import annotations

from landscape.errors import LandscapeError

DropoutMode = str
"""`off`: the layer is the identity. `fixed`: one mask for the whole result. `fresh`: one per evaluation.
`ensemble:N`: the mean prediction over N masks."""

MODES = ("off", "fixed", "fresh")


def passes(mode: DropoutMode) -> int | None:
    """How many passes an `ensemble:N` averages; None for the other modes.

    Raises:
        LandscapeError: If there is no such mode.
    """
    if mode in MODES:
        return None
    name, _, count = mode.partition(":")
    if name != "ensemble" or not count.isdecimal() or int(count) < 1:
        raise LandscapeError(
            f"dropout is {mode!r}; choose one of {', '.join(MODES)}, or ensemble:N with N passes"
        )
    return int(count)
