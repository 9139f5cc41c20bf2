"""Freed memory stays with the process while large arrays come and go.

glibc gives every array of more than a few hundred kilobytes back to the system when it is freed, and takes
new pages, which the system has to clear, for the next one. Passes over mini-batches do nothing else all the
time: page faults took a seventh of a Hessian–vector product of a ResNet-20 (docs/benchmarks.md). Numbers are
the same bit for bit either way.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

SWITCH = "LANDSCAPE_ALLOCATION"
"""Set to ``system`` in the environment, memory is freed as glibc does by default."""
_TRIM, _MMAP = -1, -3
"""Parameters of mallopt: free memory at the end of the heap that is given back, and sizes of own mappings."""
_KEPT = {_TRIM: 2**31 - 1, _MMAP: 2**31 - 1}
_USUAL = {_TRIM: 2**26, _MMAP: 2**25}
"""Where glibc's own adaptation ends, once large arrays have been freed."""
_lock = Lock()
_open: list[None] = []
"""One entry for each place that wants memory kept; the setting is that of the process."""


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep freed memory while open, for what is allocated next; give it back at the end.

    Contexts may be nested, and open in several threads; the last one to close gives the memory back. With an
    allocator other than glibc's, or where the user has set its thresholds, nothing changes.
    """
    library = _glibc()
    if library is None:
        yield
        return
    with _lock:
        if not _open:
            _set(library, _KEPT)
        _open.append(None)
    try:
        yield
    finally:
        with _lock:
            _open.pop()
            if not _open:
                _set(library, _USUAL)
                library.malloc_trim(0)


def _set(library: ctypes.CDLL, thresholds: dict[int, int]) -> None:
    for parameter, threshold in thresholds.items():
        library.mallopt(parameter, threshold)


def _glibc() -> ctypes.CDLL | None:
    """The C library, if it is glibc's allocator that is to be set."""
    chosen = os.environ.get(SWITCH) == "system" or any(name.startswith("MALLOC_") for name in os.environ)
    preloaded = "LD_PRELOAD" in os.environ or "malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if not sys.platform.startswith("linux") or chosen or preloaded:
        return None
    try:
        library = ctypes.CDLL(None)
    except OSError:
        return None
    return library if all(hasattr(library, name) for name in ("mallopt", "malloc_trim")) else None
