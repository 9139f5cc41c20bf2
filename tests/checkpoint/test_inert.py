"""Pickles and archives made by hand: what they declare is checked, what they call is not called."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from landscape.checkpoint.inert import Reader
from landscape.checkpoint.statefile import read
from landscape.errors import CheckpointError
from landscape.pickles import Stub

FOUR = np.arange(4, dtype="f4").tobytes()


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def whole(value: int) -> bytes:
    raw = pickle.encode_long(value)
    return b"\x8b" + struct.pack("<i", len(raw)) + raw


def several(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def tensor(
    count: int = 4,
    offset: int = 0,
    size: tuple[int, ...] = (4,),
    stride: tuple[int, ...] = (1,),
    key: str = "0",
    kind: str = "FloatStorage",
) -> bytes:
    storage = several(text("storage"), named("torch", kind), text(key), text("cpu"), whole(count)) + b"Q"
    shape = [several(*map(whole, dims)) for dims in (size, stride)]
    hooks = named("collections", "OrderedDict") + b")R"
    return named("torch._utils", "_rebuild_tensor_v2") + (
        several(storage, whole(offset), *shape, b"\x89", hooks) + b"R"
    )


def mapping(*items: tuple[bytes, bytes]) -> bytes:
    return b"}(" + b"".join(key + value for key, value in items) + b"u"


def archive(path: Path, body: bytes, records: dict[str, bytes] | None = None, **options) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("a/data.pkl", b"\x80\x02" + body + b".")
        for key, raw in ({"0": FOUR} if records is None else records).items():
            file.writestr(f"a/data/{key}", raw)
        file.writestr("a/version", "3\n")
    return path


DOUBLING = several(b"K\x00") + b"".join(b"q\x010" + several(b"h\x01", b"h\x01") for _ in range(40))
"""Tuples, each of which holds the one before twice, so that the hash of the last takes 2⁴⁰ steps."""


def test_a_tensor_made_by_hand_is_read(tmp_path):
    body = mapping((text("w"), tensor(offset=1, size=(2, 2), stride=(1, 1))))
    found = read(archive(tmp_path / "x.pt", body)).tensors["w"]
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0], [2.0, 3.0]]))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"count": 256}, "record 0 has 16 bytes, but 1,024 are declared"),
        ({"count": 2**62}, "refers to a storage in an unusual way"),
        ({"count": -4}, "refers to a storage in an unusual way"),
        ({"offset": -2, "size": (2,)}, "shape, strides or offset that no tensor has"),
        ({"offset": 10**12, "size": (2,)}, "lies beyond its 4 values"),
        ({"offset": 3, "stride": (-1,)}, "shape, strides or offset that no tensor has"),
        ({"size": (1000,)}, "lies beyond its 4 values"),
        ({"size": (10**6, 10**6), "stride": (0, 0)}, "1,000,000,000,000 values, over a storage of 4"),
        ({"key": "7"}, "record '7' is missing"),
        ({"key": "../../etc/passwd"}, "is missing"),
        ({"kind": "QInt8Storage"}, "without plain values"),
    ],
)
def test_what_is_declared_must_be_there(tmp_path, declared, message):
    path = archive(tmp_path / "x.pt", mapping((text("w"), tensor(**declared))))
    with pytest.raises(CheckpointError, match=message):
        read(path)


@pytest.mark.parametrize(
    "body",
    [
        named("torch.hub", "load") + several(text("a/b")) + b"R",
        named("builtins", "getattr") + several(named("os", "system"), text("__call__")) + b"R",
        named("os", "system") + several(text("false")) + b"\x81",
        b"(" + named("os", "system") + text("false") + b"o",
        b"(" + text("false") + b"ios\nsystem\n",
        named("torch.storage", "_load_from_bytes") + several(b"C\x01x") + b"R",
        named("collections", "OrderedDict") + b")R" + mapping((text("__class__"), text("x"))) + b"b",
        named("torch._utils", "_rebuild_parameter") + several(named("os", "system"), b"\x89", b"}") + b"R",
    ],
)
def test_calls_are_not_made(tmp_path, body):
    with pytest.raises(CheckpointError, match="holds no tensors"):
        read(archive(tmp_path / "x.pt", body))


def test_every_instruction_of_pickles_is_known_or_refused():
    codes = {code.code.encode("latin1")[0] for code in pickletools.opcodes}
    assert codes <= set(Reader.instructions)
    for module in ("os", "builtins", "torch.nn.modules.linear"):
        reader = Reader(io.BytesIO(b"\x80\x04" + text(module) + text("x") + b"\x93)R."))
        assert isinstance(reader.load(), Stub)
        assert reader.stubs == {f"{module}.x": None}


@pytest.mark.parametrize(
    "body",
    [
        b"}(" + DOUBLING + b"Nu",
        b"}q\x01(" + b"".join(text(f"k{i}") + b"h\x01" for i in range(2000)) + b"u",
        b"]" * 10**5 + b"a" * (10**5 - 1),
        b"\x8f(" + DOUBLING + b"\x90",
        b"\x96" + struct.pack("<Q", 2**40),
        b"\x8d" + struct.pack("<Q", 2**40),
        b"r" + struct.pack("<I", 2**32 - 1),
    ],
    ids=["tuple keys", "refers to itself", "deep", "set of tuples", "byte array", "long text", "far memo"],
)
def test_small_files_of_large_cost_are_refused_at_once(tmp_path, body):
    path = archive(tmp_path / "x.pt", body)
    started = time.monotonic()
    with pytest.raises(CheckpointError):
        read(path)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("at", ["data.pkl", "data/0"])
def test_a_flipped_bit_is_found(tmp_path, at):
    path = archive(tmp_path / "x.pt", mapping((text("w"), tensor())))
    with zipfile.ZipFile(path) as file:
        info = file.getinfo(f"a/{at}")
    raw = bytearray(path.read_bytes())
    raw[info.header_offset + 30 + len(info.filename) + info.file_size // 2] ^= 4
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="cannot be read as a torch file"):
        read(path)


def test_archives_that_are_not_what_they_seem(tmp_path):
    big = archive(
        tmp_path / "big.pt",
        mapping((text("w"), tensor(count=10**7, size=(10**7,)))),
        {"0": bytes(4 * 10**7)},
        compression=zipfile.ZIP_DEFLATED,
    )
    with pytest.raises(CheckpointError, match=r"record a/data/0 would unpack to 40,000,000 bytes"):
        read(big)
    twice = tmp_path / "twice.pt"
    with zipfile.ZipFile(twice, "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02N.")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a/data.pkl", b"\x80\x02N.")
    with pytest.raises(CheckpointError, match="two of its records have one name"):
        read(twice)


def test_names_without_end_are_cut(tmp_path):
    path = archive(tmp_path / "x.pt", mapping((text("module." * 20_000 + "w"), tensor())))
    with pytest.raises(
        CheckpointError, match=r"has 140,001 characters, module\..* … .*; names have"
    ) as caught:
        read(path)
    assert len(str(caught.value)) < 500


def test_a_file_of_holes_is_not_read(tmp_path):
    path = tmp_path / "x.safetensors"
    size = 2**33
    header = f'{{"a":{{"dtype":"F32","shape":[{size // 4}],"data_offsets":[0,{size}]}}}}'.encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with open(path, "r+b") as stream:
        stream.truncate(8 + len(header) + size)
    with pytest.raises(CheckpointError, match="the copy or download did not finish"):
        read(path)


def test_many_tensors_over_a_few_values_are_refused(tmp_path):
    wide = tensor(size=(2**20, 4, 2), stride=(0, 1, 0))
    one, many = (
        archive(tmp_path / f"{count}.pt", mapping(*((text(f"w{i}"), wide) for i in range(count))))
        for count in (1, 3)
    )
    assert read(one).tensors["w0"].shape == (2**20, 4, 2)
    with pytest.raises(CheckpointError, match="tensors of 100,663,296 bytes that repeat 16 bytes"):
        read(many)


def test_a_file_holds_no_more_than_its_size_lets_it(tmp_path):
    # Compressed within the ratio of a record, but far beyond what trained weights are.
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, 2**20, dtype=np.uint8).tobytes() + bytes(2**27)
    body = mapping((text("w"), tensor(count=len(raw) // 4, size=(len(raw) // 4,))))
    path = archive(tmp_path / "x.pt", body, {"0": raw}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match=r"declares .* bytes of values: it is damaged|would unpack to"):
        read(path)
