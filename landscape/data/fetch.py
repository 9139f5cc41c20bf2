"""Download of the official CIFAR archives: resumed, verified, and unpacked whole or not at all."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from landscape.data.download import download
from landscape.errors import DataError
from landscape.files import expanded, locked, sha256
from landscape.replacing import scratch_folder, settle
from landscape.work import Progress, silent

_TIMEOUT = 30.0
_LARGEST = 2**28  # bytes of an archive; those published have 170 MB
_LARGEST_FILE = 2**28
_MOST_FILES = 1000
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Archive:
    """A published archive and what must be in it.

    Attributes:
        url: Where its author publishes it.
        md5: Checksum of the archive, as published beside it.
        folder: The folder that it unpacks to.
        files: SHA-256 of each file in that folder, or its size in bytes where no SHA-256 is known.
    """

    url: str
    md5: str
    folder: str
    files: dict[str, str | int]


ARCHIVES = {
    "cifar10": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        folder="cifar-10-batches-bin",
        files={
            "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        },
    ),
    "cifar100": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        files={"train.bin": 50_000 * 3074, "test.bin": 10_000 * 3074},
    ),
}


def fetch(
    name: str,
    folder: str | Path,
    *,
    url: str | None = None,
    md5: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Download an official archive and unpack it; nothing is done where the data set is already complete.

    An interrupted download is left as ``NAME.tar.gz.part`` and resumed by the next call. Several calls at
    once each have a file of their own.

    Args:
        name: ``cifar10`` or ``cifar100``.
        folder: Where the data set's own folder goes; made if need be.
        url: Another address of the same archive, a mirror for example, by http or https.
        md5: Checksum expected of the archive, if the mirror's was packed anew.
        progress: Shows the pieces of the download.

    Returns:
        The data set's folder, ``folder/cifar-10-batches-bin`` for example.

    Raises:
        DataError: Without a network, on an error of the server, on a full disk, or if what came is not what
            was published.
    """
    if name not in ARCHIVES:
        raise DataError(f"unknown data set '{name}'; these can be downloaded: {', '.join(ARCHIVES)}")
    archive, root = ARCHIVES[name], expanded(folder)
    target = root / archive.folder
    if not _wrong_files(target, archive):
        _sweep(target)
        return target
    if os.path.lexists(target) and not target.is_dir():
        raise DataError(f"{target} is in the way: it is no folder; move it, or choose another folder")
    url, md5 = url or archive.url, md5 or archive.md5
    try:
        root.mkdir(parents=True, exist_ok=True)
        settle(target)
        with _part(root, archive.folder) as (part, stream):
            _complete(stream, url, md5, progress)
            _unpack(stream, target, archive, url)
            part.unlink()
    except _Worthless as error:
        raise DataError(str(error)) from error
    except OSError as error:  # errors of the network are DataErrors already
        advice = "free some space (about 350 MB are needed) or " if error.errno in _FULL else ""
        raise DataError(
            f"cannot write to {folder}: {error.strerror or error}; {advice}choose another folder, "
            "then run it again to go on"
        ) from error
    return target


def _sweep(target: Path) -> None:
    """Remove what kills left beside a complete data set, unless a process is at work on it."""
    with suppress(OSError):
        settle(target)
        for path in _parts(target.parent, target.name):
            stream = _taken(path, 0)
            if stream:
                path.unlink()
                stream.close()


def _parts(root: Path, name: str) -> list[Path]:
    """Partial files, the largest first."""
    return sorted(root.glob(f"{name}.tar.gz*.part"), key=lambda path: -path.lstat().st_size)


class _Worthless(Exception):
    """What came is of no use, and the partial file is deleted."""


@contextmanager
def _part(root: Path, name: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """A partial file that no other process writes, the largest of those left over, or a new one.

    Links are not followed. It is deleted after `_Worthless`, and left for the next call after other errors.
    """
    stream = None
    for path in _parts(root, name):
        stream = _taken(path, 0)
        if stream:
            break
    if not stream:
        path = root / f"{name}.tar.gz.part"
        stream = _taken(path, os.O_CREAT | os.O_EXCL)
    if not stream:
        descriptor, made = tempfile.mkstemp(prefix=f"{name}.tar.gz.", suffix=".part", dir=root)
        path, stream = Path(made), os.fdopen(descriptor, "r+b")
        locked(stream)
    with stream:
        try:
            yield path, stream
        except _Worthless:
            path.unlink(missing_ok=True)
            raise
        except BaseException:
            if not stream.seek(0, 2):
                path.unlink(missing_ok=True)
            raise


def _taken(path: Path, flags: int) -> IO[bytes] | None:
    """The file, locked; None if it is a link, no regular file, or in use."""
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | flags, 0o644)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ELOOP, errno.EACCES, errno.ENOENT, errno.EISDIR, errno.ENXIO):
            return None
        raise
    stream = os.fdopen(descriptor, "r+b")
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and locked(stream):
        return stream
    stream.close()
    return None


def _wrong_files(folder: Path, archive: Archive) -> list[str]:
    """Names of the files that are missing or not as published."""

    def right(path: Path, expected: str | int) -> bool:
        if not path.is_file():
            return False
        return path.stat().st_size == expected if isinstance(expected, int) else sha256(path) == expected

    return [name for name, expected in archive.files.items() if not right(folder / name, expected)]


def _md5(stream: IO[bytes]) -> str:
    stream.seek(0)
    return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()  # type: ignore[arg-type]


def _complete(stream: IO[bytes], url: str, md5: str, progress: Progress) -> None:
    """Download what is missing, and verify it."""
    if stream.seek(0, 2) and _md5(stream) == md5:
        return
    download(url, stream, largest=_LARGEST, timeout=_TIMEOUT, progress=progress)
    found = _md5(stream)
    if found != md5:
        raise _Worthless(
            f"the archive from {url} has the MD5 {found}, expected {md5}; it was deleted: run it again for a "
            "fresh download, and if that fails too, the address serves something else"
        )


def _unpack(stream: IO[bytes], target: Path, archive: Archive, url: str) -> None:
    """Unpack beside the target, verify every file, then move them into place."""
    with scratch_folder(target) as scratch:
        fresh = scratch / target.name
        fresh.mkdir()
        stream.seek(0)
        try:
            with tarfile.open(fileobj=stream, mode="r:gz") as tar:
                _extract(tar, fresh)
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
            raise _Worthless(f"the archive from {url} cannot be unpacked: {error}; it was deleted") from error
        wrong = _wrong_files(fresh, archive)
        if wrong:
            raise _Worthless(
                f"the archive from {url} holds wrong or no {', '.join(wrong)}; it was deleted: leave url and "
                "md5 out to download the official one"
            )
        target.mkdir(exist_ok=True)
        for path in fresh.iterdir():  # other files of the user in that folder stay
            os.replace(path, target / path.name)


def _extract(tar: tarfile.TarFile, fresh: Path) -> None:
    """The regular files of the data set's folder; folders, links, devices and other places are passed over.

    Raises:
        ValueError: If there are more files, or larger ones, than a data set has.
    """
    for position, member in enumerate(tar):
        if member.size > _LARGEST_FILE or position >= _MOST_FILES:
            raise ValueError(f"{member.name[:80]} is beyond what a data set holds")
        place = PurePosixPath(member.name)
        if not member.isreg() or place.parts != (fresh.name, place.name):
            continue
        content = tar.extractfile(member)
        if content is not None:
            with open(fresh / place.name, "wb") as copy:
                shutil.copyfileobj(content, copy)
