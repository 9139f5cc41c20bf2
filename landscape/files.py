"""Files: texts written, digests taken, and what an unknown one is, told from its first bytes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import IO, BinaryIO

from landscape.replacing import atomic_path, lock

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def locked(stream: IO[bytes]) -> bool:
    """Whether an open file could be locked for this process alone; the lock ends with the file's closing.

    Where the system or the file system knows no locks, it counts as locked.
    """
    return lock(stream.fileno()) is not False


def regular(path: Path) -> BinaryIO:
    """A file open for reading, if it is a regular one: no link, and nothing that waits for a writer.

    Raises:
        OSError: If it is none, or cannot be read.
    """
    stream = os.fdopen(os.open(path, os.O_RDONLY | _NO_LINKS | getattr(os, "O_NONBLOCK", 0)), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(f"{path} is no regular file")
    return stream


def created(path: Path) -> int:
    """The descriptor of a new file, made exclusively.

    Raises:
        OSError: If anything has that name already, or the file cannot be made.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o666)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically, UTF-8; a lone surrogate, which that has no bytes for, as its escape."""
    with atomic_path(path) as draft:
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


def expanded(path: str | Path) -> Path:
    """A path with the home directory in place of ``~``, where there is one."""
    return Path(os.path.expanduser(path))


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_COPY = (
    "copy its weights into the same network in PyTorch and write that with torch.save(net.state_dict(), FILE)"
)
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", f"an HDF5 file, as Keras writes its weights; {_COPY}"),
    (0, b"GGUF", "a GGUF file of a language model"),
    (4, b"TFL3", f"a TensorFlow Lite model; {_COPY}"),
    (0, b"\x93NUMPY", "a single NumPy array (.npy)"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"BM", "a BMP image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PAR1", "a Parquet table"),
    (0, b"\x1f\x8b", "a file compressed by gzip; unpack it first"),
    (0, b"BZh", "a file compressed by bzip2; unpack it first"),
    (0, b"\xfd7zXZ\0", "a file compressed by xz; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "a file compressed by Zstandard; unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (0, b"Rar!", "a RAR archive; unpack it first"),
    (257, b"ustar", "a tar archive; unpack it first"),
    (
        0,
        b"version https://git-lfs",
        "a pointer of Git LFS and not the file itself; fetch it with git lfs pull",
    ),
)
WEIGHTS = (".safetensors", ".pt", ".pth", ".th", ".bin", ".ckpt", ".tar", ".pkl", ".model")
"""How names of files of weights end."""
_SHARD = re.compile(r"(\d+)-of-(\d+)(?=\.|$)")
_LARGEST_INDEX = 2**22
_SHOWN = 5


def kind(path: Path) -> str:
    """What a file is, such as ``an ONNX model``; empty for files of tensors, and for those not recognised."""
    with open(path, "rb") as stream:
        head = stream.read(512)
    for offset, signature, words in _SIGNATURES:
        if head[offset:].startswith(signature):
            return words
    if head.startswith(b"PK"):
        return _zip_kind(path)
    if path.suffix == ".onnx" or (head[:1] == b"\x08" and head[2:3] == b"\x12" and b"onnx" in head.lower()):
        return f"an ONNX model; {_COPY}"
    return _text_kind(path, head)


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return ""
    ends = {name.partition("/")[2] or name for name in names}
    if "data.pkl" in ends:  # written by torch.save, or TorchScript, whose code is left alone
        return ""
    if any("exported_program" in end or end == "archive_format" for end in ends):
        return (
            "a program exported by torch.export; where you trust it, save its tensors: "
            "torch.save(torch.export.load(FILE).state_dict, NEW)"
        )
    if "model.weights.h5" in names:
        return f"a Keras model (.keras); {_COPY}"
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive (.npz) of arrays"
    return f"a zip archive that holds {_listed(names)}; unpack it first"


def _text_kind(path: Path, head: bytes) -> str:
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page and not the file itself; the download failed"
    if text[:1] not in (b"{", b"["):
        return "an empty file" if not head else ""
    if path.stat().st_size > _LARGEST_INDEX:
        return ""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return ""
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict):
        return "a JSON text without weights"
    files = sorted({str(file) for file in shards.values()})
    return f"the index of weights in several shards ({_listed(files)})"


def folder_kind(path: Path) -> str:
    """What a folder holds, in words that say what to name instead."""
    names = sorted(file.name for file in path.iterdir())
    indices = [name for name in names if name.endswith(".index.json")]
    weights = [name for name in names if name.endswith(WEIGHTS)]
    if indices or sum(bool(_SHARD.search(name)) for name in weights) > 1:
        found = _listed(weights or indices)
        return f"a folder of several sets of weights ({found}); name the file or the index in it"
    if any(name.endswith(".distcp") for name in names):
        return (
            "a folder of a distributed checkpoint; make one file of it with "
            "torch.distributed.checkpoint.format_utils.dcp_to_torch_save(FOLDER, FILE)"
        )
    if "saved_model.pb" in names:
        return f"a folder with a TensorFlow SavedModel; {_COPY}"
    return "a folder; name the file in it" + (f" ({_listed(weights)})" if weights else "")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "nothing") + more
