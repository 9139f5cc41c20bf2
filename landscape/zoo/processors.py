"""What a folder of transformers states of its images (`preprocessor_config.json`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from landscape.errors import LandscapeError, printable

_RESAMPLINGS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of the ways to change a size."""
_WHOLE = 384
"""From this size on, processors with a `crop_pct` bring images to it as they are (ConvNeXt)."""
_BYTE = 1 / 255


def stated(config: Mapping[str, Any], where: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Normalisation and shaping, by the names that other libraries use for them, and the size of the images.

    Args:
        config: The file's content.
        where: Its path, for messages.

    Raises:
        LandscapeError: If images enter the network otherwise than as RGB from 0 to 1, normalised.
    """
    _require_usual(config, where)
    side = config.get("crop_size") if config.get("do_center_crop") else config.get("size")
    if isinstance(side, Mapping):
        side = [side.get("height", side.get("shortest_edge")), side.get("width", side.get("shortest_edge"))]
    sides = [side, side] if isinstance(side, int) else side
    size = (3, *sides) if isinstance(sides, list) and list(map(type, sides)) == [int, int] else ()
    values: dict[str, Any] = {"mean": config.get("image_mean"), "std": config.get("image_std")}
    numbers = all(isinstance(v, list) and all(isinstance(x, int | float) for x in v) for v in values.values())
    found = values if numbers and config.get("do_normalize", True) else {}
    return found | _shaping(config, size), size


def _require_usual(config: Mapping[str, Any], where: str) -> None:
    factor = config.get("rescale_factor", _BYTE)
    byte = isinstance(factor, int | float) and math.isclose(factor, _BYTE, rel_tol=1e-3)
    odd = {
        "do_flip_channel_order": config.get("do_flip_channel_order") is True,
        "do_rescale": config.get("do_rescale") is False,
        "rescale_factor": config.get("do_rescale", True) and not byte,
        "rescale_offset": config.get("rescale_offset") is True,
    }
    for name, is_odd in odd.items():
        if is_odd:
            raise LandscapeError(
                f"{where} states {name} = {printable(config.get(name), 50)}, and landscape gives networks "
                "RGB images from 0 to 1, normalised; wrap the network in a module that takes those "
                "(file.py:factory), or change the file if it is wrong"
            )


def _shaping(config: Mapping[str, Any], size: tuple[int, ...]) -> dict[str, Any]:
    """How images get their size; nothing where it is not stated in a way that is known."""
    kind, edge = config.get("resample", 2), config.get("size")
    if kind not in _RESAMPLINGS or config.get("do_resize", True) is False or not size:
        return {"shaped": False}
    found: dict[str, Any] = {"interpolation": _RESAMPLINGS[kind]}
    shorter = edge.get("shortest_edge") if isinstance(edge, Mapping) else edge
    share = config.get("crop_pct")
    if isinstance(share, float) and 0 < share <= 1 and isinstance(shorter, int):
        return found | ({"crop_pct": share} if shorter < _WHOLE else {"squash": shorter})
    if config.get("do_center_crop"):
        return found | ({"shortest_edge": shorter} if isinstance(shorter, int) else {"shaped": False})
    by_edge = isinstance(edge, Mapping) and "shortest_edge" in edge
    return {"shaped": False} if by_edge else found | {"squash": size[1]}
