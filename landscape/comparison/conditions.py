"""Whether results were measured alike."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from landscape.errors import ResultError
from landscape.results import attribute, differences, incidental


def apart(datasets: Sequence[xr.Dataset]) -> list[str]:
    """Entries in which the protocol of a later result differs from that of the first, incidental ones aside.

    Args:
        datasets: At least one.
    """
    first, *others = (attribute(dataset, "protocol") for dataset in datasets)
    found = dict.fromkeys(name for other in others for name in differences(first, other))
    return [name for name in found if not incidental(name)]


def require_alike(what: str, labels: Sequence[str], datasets: Sequence[xr.Dataset]) -> None:
    """Refuse results of different protocols.

    Args:
        what: Which results these are.
        labels: What was measured.
        datasets: At least one.

    Raises:
        ResultError: If protocols differ.
    """
    different = apart(datasets)
    if different:
        raise ResultError(
            f"{' and '.join(labels)} were measured under different protocols ({what}: "
            f"{', '.join(different)} differ); measure them alike, or allow it with --mix"
        )
