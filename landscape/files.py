"""Atomic writes: a file appears whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from landscape.errors import LandscapeError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends without an error.

    A file or a whole directory may be written there; on an error it is removed and `path` stays as it was. A
    file replaces a file, a directory a directory, never one the other.

    Raises:
        LandscapeError: If the folder cannot be created or written, or a file and a directory would replace
            each other.
    """
    target = Path(path)
    if target.name in ("", ".."):
        raise LandscapeError(f"cannot write {path}: it names a folder that exists; choose another --out")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise LandscapeError(
            f"cannot write {target}: {error.strerror or error}; choose another --out"
        ) from error
    try:
        draft = scratch / target.name
        yield draft
        _exchange(draft, target, scratch / f"{target.name}.old")
    except OSError as error:
        raise LandscapeError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _exchange(draft: Path, target: Path, aside: Path) -> None:
    """Put the draft in the target's place; a directory cannot be overwritten and steps aside first."""
    if not (draft.is_dir() and target.is_dir()) or target.is_symlink():
        os.replace(draft, target)
        return
    os.replace(target, aside)
    try:
        os.replace(draft, target)
    except BaseException:
        os.replace(aside, target)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically, UTF-8."""
    with atomic_path(path) as draft:
        draft.write_text(text, encoding="utf-8")


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
