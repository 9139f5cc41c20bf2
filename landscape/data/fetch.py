"""Download of the official CIFAR archives: resumed, verified, and unpacked whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from landscape.errors import DataError
from landscape.files import sha256
from landscape.work import Progress, silent

_CHUNK = 1 << 16
_TIMEOUT = 30.0


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

    An interrupted download is left as ``NAME.tar.gz.part`` and resumed by the next call.

    Args:
        name: ``cifar10`` or ``cifar100``.
        folder: Where the data set's own folder goes; made if need be.
        url: Another address of the same archive, a mirror for example.
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
    archive, root = ARCHIVES[name], Path(folder).expanduser()
    target = root / archive.folder
    if not _wrong_files(target, archive):
        return target
    url = url or archive.url
    part = root / f"{archive.folder}.tar.gz.part"
    try:
        root.mkdir(parents=True, exist_ok=True)
        _download(url, md5 or archive.md5, part, progress)
        _unpack(part, target, archive, url)
        part.unlink()
    except OSError as error:  # errors of the network are DataErrors already
        raise DataError(
            f"cannot write to {folder}: {error.strerror or error}; free some space (about 350 MB are needed) "
            "or choose another folder, then run it again to go on"
        ) from error
    return target


def _wrong_files(folder: Path, archive: Archive) -> list[str]:
    """Names of the files that are missing or not as published."""

    def right(path: Path, expected: str | int) -> bool:
        if not path.is_file():
            return False
        return path.stat().st_size == expected if isinstance(expected, int) else sha256(path) == expected

    return [name for name, expected in archive.files.items() if not right(folder / name, expected)]


def _md5(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _download(url: str, md5: str, part: Path, progress: Progress) -> None:
    """Complete the partial file and verify it; one that cannot be right is deleted."""
    offset = part.stat().st_size if part.exists() else 0
    if offset and _md5(part) == md5:
        return
    with _open(url, offset) as response:
        _receive(response, url, part, offset, progress)
    found = _md5(part)
    if found != md5:
        part.unlink()
        raise DataError(
            f"the archive from {url} has the MD5 {found}, expected {md5}; it was deleted: run it again for a "
            "fresh download, and if that fails too, the address serves something else"
        )


def _open(url: str, offset: int) -> http.client.HTTPResponse:
    """The server's answer, from `offset` on if it can resume, else from the start."""
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            return _open(url, 0)  # the partial file is longer than the archive: start again
        raise DataError(
            f"the server answered {error.code} {error.reason} for {url}; try again later, or give another url"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"cannot reach {url}: {reason}; check the network, "
            "or download the archive elsewhere and unpack it here"
        ) from error


def _receive(
    response: http.client.HTTPResponse, url: str, part: Path, offset: int, progress: Progress
) -> None:
    """Append the answer to the partial file, or replace the file where the server starts over."""
    resumed = offset > 0 and (response.headers.get("Content-Range") or "").startswith(f"bytes {offset}-")
    length = response.headers.get("Content-Length")
    size = int(length) if length and length.isdigit() else None
    pieces = None if size is None else -(-size // _CHUNK)
    received = 0
    with open(part, "ab" if resumed else "wb") as stream:
        for chunk in progress(_chunks(response, url), "download", pieces):
            stream.write(chunk)
            received += len(chunk)
    if size is not None and received < size:
        raise DataError(
            f"the connection to {url} ended after {received:,} of {size:,} bytes; "
            "run it again: the download goes on where it stopped"
        )


def _chunks(response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    try:
        while chunk := response.read(_CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, http.client.IncompleteRead):
            yield error.partial
        raise DataError(
            f"the connection to {url} was lost: {error}; run it again: the download goes on where it stopped"
        ) from error


def _unpack(part: Path, target: Path, archive: Archive, url: str) -> None:
    """Unpack beside the target, verify every file, then move them into place."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        try:
            with tarfile.open(part, "r:gz") as tar:
                tar.extractall(scratch, filter="data")
        except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
            part.unlink()
            raise DataError(f"the archive from {url} cannot be unpacked: {error}; it was deleted") from error
        fresh = Path(scratch) / target.name
        wrong = _wrong_files(fresh, archive)
        if wrong:
            part.unlink()
            raise DataError(
                f"the archive from {url} holds wrong or no {', '.join(wrong)}; it was deleted: leave url and "
                "md5 out to download the official one"
            )
        if not target.exists():
            os.replace(fresh, target)
            return
        for path in fresh.iterdir():  # other files of the user in that folder stay
            os.replace(path, target / path.name)
