"""How much may stay in memory to save time, by the memory that the device has."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_SHARE = 4
"""What may stay is one part in so many: programs beside this one, and all that is not counted, need room."""
_LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


def spare(device: torch.device) -> int:
    """Bytes that may stay: a quarter of what is free on a GPU, or of the machine's memory.

    What the machine has does not change while it works, so that work that was killed goes on as it began.
    Ranks that torchrun has started on one machine share it.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) // _SHARE
    return machine() // _SHARE // max(int(os.environ.get("LOCAL_WORLD_SIZE") or 1), 1)


def machine() -> int:
    """Bytes of memory that the machine has, or its container may take; 0 where neither is known."""
    try:
        installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return 0
    return min([installed, *map(_limit, _LIMITS)], key=lambda size: size or installed)


def _limit(file: str) -> int:
    """Bytes that a control group allows; 0 if there is none."""
    try:
        text = Path(file).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdigit() else 0
