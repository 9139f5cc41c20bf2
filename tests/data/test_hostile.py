"""Data sets that hurt or mislead: each is refused in a sentence, at once and within little memory."""

from __future__ import annotations

import io
import os
import pickle
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from landscape import data
from landscape.errors import ArgumentError, DataError

PIXELS = np.zeros((10_000, 3072), np.uint8)
LABELS = [0] * 10_000
DOUBLING = b"(K\x00t" + b"".join(b"q\x010(h\x01h\x01t" for _ in range(40))
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))


class Running:
    """Asks to be made by a call."""

    def __reduce__(self):
        return (os.system, ("touch executed",))


def batch(raw: bytes, meta: bytes = b"") -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / "test_batch").write_bytes(raw)
        if meta:
            (folder / "batches.meta").write_bytes(meta)
        return f"cifar10:{folder}"

    return write


def pickled(content: object, meta: bytes = b"") -> Callable[[Path], str]:
    return batch(pickle.dumps(content, 2), meta)


def picture(raw: bytes, name: str = "a/1.png") -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(raw)
        return f"images:{folder}"

    return write


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def place(make: Callable[[Path], object], form: str) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        make(folder / "x")
        return f"{form}:{folder / 'x'}"

    return write


def texts() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("k", "A" * (100 << 20), zip=True)
    return encoded(PICTURE, "PNG", pnginfo=info)


BAD: dict[str, tuple[Callable[[Path], str], str]] = {
    "call as a key": (pickled({Running(): 1}), "it asks for 'posix.system'|it asks for 'nt.system'"),
    "call as a name": (pickled({"data": PIXELS, "labels": LABELS}, pickle.dumps(Running())), "asks for"),
    "load by name": (batch(b"cnumpy\nload\n(S'x'\ntR."), r"it asks for 'numpy\.load'"),
    "name as a value": (batch(b"}S'data'\ncos\nsystem\ns."), r"it asks for 'os\.system'"),
    "large labels": (pickled({"data": PIXELS, "labels": [10**30] * 10_000}), "label 1000000"),
    "no names": (
        pickled({"data": PIXELS, "labels": LABELS}, pickle.dumps({"label_names": None})),
        "lists what are no names",
    ),
    "names that are numbers": (
        pickled({"data": PIXELS, "labels": LABELS}, pickle.dumps({"label_names": list(range(10))})),
        "lists what are no names",
    ),
    "keys of any type": (pickled({1: 2, "a": 3, (1, 2): 4}), "expected 'data' and 'labels'"),
    "long key": (pickled({10**10_000: 2}), "expected 'data'|not a readable"),
    "doubling key": (batch(b"\x80\x02}(" + DOUBLING + b"K\x01u."), "expected 'data'"),
    "doubling value": (batch(b"\x80\x02}X\x04\x00\x00\x00data" + DOUBLING + b"s."), "expected 'data'"),
    "deep": (batch(b"\x80\x02" + b"]" * 10**4 + b"a" * (10**4 - 1) + b"."), "holds a list"),
    "far memo": (batch(b"\x80\x02Nr\xff\xff\xff\x0f."), "holds a NoneType"),
    "long bytes": (batch(b"\x80\x04\x8e" + struct.pack("<Q", 2**33) + b"x."), "is not a readable pickle"),
    "long array of bytes": (batch(b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"x."), "is not a readable"),
    "long frame": (batch(b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"x."), "is not a readable pickle"),
    "persistent": (batch(b"\x80\x02Px\n."), "something beside it"),
    "script as an image": (picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"), "cannot read the"),
    "large image": (picture(encoded(Image.new("1", (9000, 9000)), "PNG")), "declares 9,000×9,000 pixels"),
    "large image of TIFF": (
        picture(encoded(Image.new("1", (9000, 9000)), "TIFF", compression="group4"), "a/1.tiff"),
        "declares 9,000×9,000 pixels",
    ),
    "large text in an image": (picture(texts()), "cannot read the image"),
    "cut image": (picture(encoded(PICTURE, "JPEG")[:300], "a/1.jpg"), "cannot read the image"),
    "text as an image": (picture(b"root:x:0:0:root:/root:/bin/sh\n"), "cannot read the image"),
    "animation of a kind not named": (picture(encoded(PICTURE, "GIF"), "a/1.png"), "cannot read the image"),
    "pipe as images": (place(os.mkfifo, "images"), "there is no folder"),
    "pipe as an archive": (place(os.mkfifo, "npz"), "it is no regular file"),
    "pipe as batches": (place(os.mkfifo, "cifar10"), "cannot read the folder"),
    "link to itself as images": (
        place(lambda x: x.symlink_to(x), "images"),
        "there is no folder|cannot read",
    ),
    "link to itself as batches": (place(lambda x: x.symlink_to(x), "cifar10"), "cannot read the folder"),
    "endless device": (lambda folder: "npz:/dev/zero", "it is no regular file"),
    "endless name": (lambda folder: f"images:{'x' * 5000}", "cannot read the folder|there is no folder"),
    "endless word": (lambda folder: "x" * 5000, "unknown data set"),
    "home of nobody": (lambda folder: "images:~nobody-of-this-name", "there is no folder"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_sets(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write, message = BAD[name]
    spec = write(tmp_path)
    started = time.process_time()
    with pytest.raises((DataError, ArgumentError), match=message) as caught:
        data.load(spec)
    assert time.process_time() - started < 5
    assert "allow_pickle" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_a_pipe_among_batches_and_images_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "test_batch")
    with pytest.raises(DataError, match="no test files of cifar10"):
        data.load(f"cifar10:{tmp_path}")
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "0.png")
    (tmp_path / "a" / "1.png").write_bytes(encoded(PICTURE, "PNG"))
    assert len(data.load(f"images:{tmp_path}")) == 1


def test_only_the_images_that_are_wanted_are_opened(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(encoded(PICTURE, "PNG"))
    (tmp_path / "a" / "2.png").write_bytes(b"damaged")
    assert len(data.load(f"images:{tmp_path}", "test", 1)) == 1
    with pytest.raises(DataError, match=r"cannot read the image .*2\.png"):
        data.load(f"images:{tmp_path}", "test", 2).images()


def test_a_listing_of_gigabytes_is_not_read(tmp_path):
    (tmp_path / "test_batch.bin").write_bytes(bytes(10_000 * 3073))
    (tmp_path / "batches.meta.txt").touch()
    os.truncate(tmp_path / "batches.meta.txt", 2**31)
    with pytest.raises(DataError, match="lists 1 class names, expected 10"):
        data.load(f"cifar10:{tmp_path}")
