"""Arrays of an .npz file: only what is needed comes into memory, and checksums are compared all the same."""

from __future__ import annotations

import io
import os
import struct
import time
import zipfile

import numpy as np
import pytest

from landscape.data.arrays import npz
from landscape.data.members import opened
from landscape.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)
LABELS = np.arange(8)


def header(descr: str, shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def archive(path, compression=zipfile.ZIP_STORED, **members: bytes):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, raw in members.items():
            file.writestr(f"{name}.npy", raw)
    return path


def plain(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_first_images_are_those_of_the_whole(tmp_path, order, save):
    save(tmp_path / "x.npz", images=np.array(IMAGES, order=order), labels=LABELS)
    some = npz(tmp_path / "x.npz", first=3)
    assert np.array_equal(some.inputs.numpy(), IMAGES[:3])
    assert some.targets.tolist() == [0, 1, 2]
    assert len(npz(tmp_path / "x.npz", first=100)) == 8
    with opened(tmp_path / "x.npz") as stored:
        assert stored.keys == ["images", "labels"]
        assert stored.shape("images") == (8, 3, 16, 16)
        assert np.array_equal(stored.read("images"), IMAGES)


def test_a_flipped_bit_behind_the_first_images_is_found(tmp_path):
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=LABELS)
    raw = bytearray((tmp_path / "x.npz").read_bytes())
    raw[raw.index(IMAGES.tobytes()) + IMAGES.size - 1] ^= 1
    (tmp_path / "x.npz").write_bytes(raw)
    with pytest.raises(DataError, match="Bad CRC-32"):
        npz(tmp_path / "x.npz", first=2)


def test_labels_are_counted_against_all_images(tmp_path):
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=LABELS[:4])
    with pytest.raises(DataError, match="8 images in 'images' but 4 labels"):
        npz(tmp_path / "x.npz", first=2)


def test_members_that_nobody_asked_for_are_not_opened(tmp_path):
    raw = {"images": plain(IMAGES), "labels": plain(LABELS), "more": header("|u1", (10**15,)) + bytes(9)}
    assert len(npz(archive(tmp_path / "x.npz", **raw))) == 8


BIG = header("|u1", (30_000, 3, 32, 32)) + bytes(30_000 * 3072)
BROKEN: dict[str, tuple[dict[str, bytes], str]] = {
    "declares too much": (
        {"images": header("|u1", (10**12, 3, 32, 32)) + bytes(9)},
        "declares 3,072,000,000",
    ),
    "overflows": ({"images": header("|u1", (2**40, 3, 2**40, 8)) + bytes(9)}, "declares .* pixels|declares"),
    "negative": ({"images": header("|u1", (-1, 3, 32, 32)) + bytes(9)}, "declares -3,072 bytes"),
    "twice negative": ({"images": header("|u1", (-1, 3, -1, 32)) + bytes(96)}, "declares 96 bytes of shape"),
    "large pixels": ({"images": header("|u1", (0, 3, 5000, 5000))}, "declares 5,000×5,000 pixels"),
    "bomb": ({"images": BIG}, r"would unpack to 92,160,128 bytes, [\d,]+ times its size"),
    "objects": ({"images": plain(np.array([{}], object))}, "holds Python objects"),
    "no header": ({"images": b"\x93NUMPY\x01\x00\xff\xff{"}, "header of images is damaged"),
    "deep": (
        {"images": b"\x93NUMPY\x02\x00" + struct.pack("<I", 60_011) + b"{'descr':" + b"[" * 60_000 + b"}\n"},
        "header of images is damaged",
    ),
    "version 3": ({"images": b"\x93NUMPY\x03\x00" + bytes(64)}, "of structured arrays"),
    "structures": ({"images": plain(np.zeros(8, [("a", "i4")]))}, "has shape"),
    "no array": ({"images": b""}, "cannot read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_members(tmp_path, name):
    members, message = BROKEN[name]
    path = archive(tmp_path / "x.npz", zipfile.ZIP_DEFLATED, labels=plain(LABELS), **members)
    started = time.process_time()
    with pytest.raises(DataError, match=message):
        npz(path)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_damaged_compression(tmp_path, method):
    path = archive(tmp_path / "x.npz", method, images=plain(IMAGES), labels=plain(LABELS))
    raw = bytearray(path.read_bytes())
    raw[100:140] = bytes(40)
    path.write_bytes(raw)
    with pytest.raises(DataError, match="cannot read"):
        npz(path)


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    os.symlink(tmp_path / "fifo", tmp_path / "link")
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    for place, message in (
        (tmp_path / "fifo", "it is no regular file"),
        (tmp_path / "link", "it is no regular file"),
        ("/dev/zero", "it is no regular file"),
        (tmp_path, "it is a folder"),
        (tmp_path / "loop", "cannot read|no file"),
        ("x" * 5000, "cannot read"),
        ("~nobody-of-this-name/x.npz", "there is no file"),
    ):
        with pytest.raises(DataError, match=message):
            npz(place)
