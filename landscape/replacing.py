"""Files and folders that appear whole or not at all, and replace older ones in one step."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from landscape.errors import LandscapeError

_ASIDE = ".old"
_YESTERDAY = 86400.0  # seconds
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux and RENAME_SWAP of macOS
_AS_GIVEN = -100  # AT_FDCWD of Linux
_UNABLE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}


@contextmanager
def atomic_path(path: str | Path, *, lasting: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    A file or a whole directory may be written there; on an error it is removed and `path` stays as it was. A
    file replaces a file, a directory a directory, never one the other. A kill leaves the one or the other
    under the name, or what `settle` puts there.

    Args:
        path: Where it goes.
        lasting: Whether what is written reaches the disk before it takes the place, so that it survives a
            power cut, too.

    Raises:
        LandscapeError: If the folder cannot be created or written, or a file and a directory would replace
            each other.
    """
    target = Path(path)
    if target.name in ("", ".."):
        raise LandscapeError(f"cannot write {path}: it names a folder that exists; choose another --out")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        settle(target)
        scratch, hold = _scratch(target)
    except OSError as error:
        raise LandscapeError(
            f"cannot write {target}: {error.strerror or error}; choose another --out"
        ) from error
    try:
        draft = scratch / target.name
        yield draft
        if lasting:
            _flush(draft)
        _replace(draft, target, scratch / f"{target.name}{_ASIDE}")
        if lasting:
            sync(target.parent)
    except OSError as error:
        raise LandscapeError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        _clear(scratch, target)
        _release(hold)


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """A folder beside a path, for what will lie there; it goes at the end, and with `settle` after a kill.

    Args:
        target: The path, whose own folder exists.
    """
    scratch, hold = _scratch(target)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        _release(hold)


def _scratch(target: Path) -> tuple[Path, int | None]:
    """A folder for the draft, and the descriptor whose lock marks it as in use."""
    while True:
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        hold, free = _held(scratch)
        if free is not False and scratch.exists():
            return scratch, hold
        _release(hold)  # it was swept in between


def _held(folder: Path) -> tuple[int | None, bool | None]:
    """A descriptor of a folder, and whether nobody else has locked it; None where that is not known."""
    try:
        hold = os.open(folder, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except PermissionError:  # Windows opens no folders
        return None, None
    return hold, lock(hold)


def _release(hold: int | None) -> None:
    if hold is not None:
        os.close(hold)


def settle(path: str | Path) -> None:
    """Put right what killed processes left beside a path: drafts are swept, those of living ones stay.

    Where the system cannot exchange names, a kill may come while the old directory has stepped aside and the
    new one, which is whole, has not taken its place: now it does.

    Args:
        path: Of the file or directory that was being written.
    """
    target = Path(path)
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}")
    try:
        left = [entry for entry in os.scandir(target.parent) if pattern.fullmatch(entry.name)]
    except OSError:
        return
    for entry in left:
        if entry.is_dir(follow_symlinks=False):
            with suppress(OSError):
                _sweep(Path(entry.path), target)


def _sweep(scratch: Path, target: Path) -> None:
    """Remove the draft of a process that has ended; where that is not known, one of yesterday."""
    hold, free = _held(scratch)
    try:
        if not (time.time() - scratch.stat().st_mtime > _YESTERDAY if free is None else free):
            return
        _clear(scratch, target)
    finally:
        _release(hold)


def _clear(scratch: Path, target: Path) -> None:
    """Remove a draft; where the old directory has stepped aside for it, it is whole, and takes the place."""
    draft, aside = scratch / target.name, scratch / f"{target.name}{_ASIDE}"
    if aside.exists() and not target.exists():
        os.rename(draft if draft.exists() else aside, target)
    shutil.rmtree(scratch, ignore_errors=True)


def _replace(draft: Path, target: Path, aside: Path) -> None:
    """Put the draft in the target's place; a directory cannot be overwritten, and its name is exchanged."""
    if not (draft.is_dir() and target.is_dir()) or target.is_symlink():
        os.replace(draft, target)
        return
    if _exchanged(draft, target):
        return
    os.replace(target, aside)
    try:
        os.replace(draft, target)
    except OSError:
        os.replace(aside, target)
        raise


def _exchanged(first: Path, second: Path) -> bool:
    """Whether two files or folders now have each other's name.

    False, with nothing done, where system or file system have no such call (Windows, NFS, FAT).

    Args:
        first: One of them.
        second: The other, on the same file system.

    Raises:
        OSError: If the call fails otherwise, as where a folder cannot be written.
    """
    call = _call()
    if call is None or call(os.fsencode(first), os.fsencode(second)) == 0:
        return call is not None
    number = ctypes.get_errno()
    if number in _UNABLE:
        return False
    raise OSError(number, os.strerror(number), str(second))


@cache
def _call() -> Callable[[bytes, bytes], int] | None:
    """The system's call of two paths, which gives 0 where it was done; None if there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            swap = library.renamex_np
            swap.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint)
            return lambda first, second: swap(first, second, _EXCHANGE)
        rename = library.renameat2
        rename.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
        return lambda first, second: rename(_AS_GIVEN, first, _AS_GIVEN, second, _EXCHANGE)
    except (OSError, AttributeError, TypeError):
        return None


def _flush(draft: Path) -> None:
    """Wait until a file, or everything in a directory, is on the disk."""
    with suppress(OSError, AttributeError, TypeError):
        # All at once, which is faster than one file after the other: Linux alone has it.
        hold = os.open(draft, os.O_RDONLY)
        try:
            if ctypes.CDLL(None).syncfs(hold) == 0:
                return
        finally:
            os.close(hold)
    for place, _, names in os.walk(draft):
        for name in names:
            sync(Path(place, name))
        sync(Path(place))
    if draft.is_file():
        sync(draft)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    with suppress(PermissionError):  # of folders, on systems that open files alone
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def lock(descriptor: int) -> bool | None:
    """Whether a lock was taken that ends with the process; None where system or file system knows none."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True
