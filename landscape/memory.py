"""How much may stay in memory to save time, by the device that it is on."""

from __future__ import annotations

import torch

_SHARE = 4


def spare(device: torch.device, least: int) -> int:
    """Bytes that may stay on a device: on a GPU a quarter of what is free, if that is more.

    Main memory is shared with whatever else runs, and how much of it is free changes; there it is always the
    least, so that work that was killed, or is shared out, goes on as it began.

    Args:
        device: Where.
        least: Bytes that any device has.
    """
    return max(least, torch.cuda.mem_get_info(device)[0] // _SHARE if device.type == "cuda" else 0)
