"""The restricted unpickler: what it reads, and what it must never run."""

import os
import pickle
import struct

import numpy as np
import pytest

from landscape.data.unpickle import unpickle
from landscape.errors import DataError

NDARRAY = b"cnumpy\nndarray\n"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
EMPTY_ARRAY = RECONSTRUCT + b"(" + NDARRAY + b"(K\x00tU\x01btR"
BYTES_DTYPE = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


def _write(path, content: bytes):
    path.write_bytes(content)
    return path


def python2_batch(pixels: bytes, shape: tuple[int, int], labels: list[int]) -> bytes:
    """What Python 2 wrote for ``{"data": array, "labels": list}``: protocol 2 with byte strings."""
    dimensions = b"".join(b"J" + struct.pack("<i", length) for length in shape)
    array = EMPTY_ARRAY + b"(K\x01(" + dimensions + b"t" + BYTES_DTYPE + b"\x89"
    array += b"T" + struct.pack("<i", len(pixels)) + pixels + b"tb"
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels](" + numbers + b"eu."


def test_files_of_python_2(tmp_path):
    batch = unpickle(_write(tmp_path / "batch", python2_batch(bytes(range(250, 256)), (2, 3), [7, 1])))
    assert batch["labels"] == [7, 1]
    assert batch["data"].dtype == np.uint8
    assert batch["data"].tolist() == [[250, 251, 252], [253, 254, 255]]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_files_of_python_3(tmp_path, protocol):
    content = {
        b"data": np.arange(12, dtype=np.uint8).reshape(3, 4),
        "other": np.array([[1.5, -2.0]], ">f8"),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "plain": [1, (2, "é"), {"a": b"\xff\x00"}, None, True, 0.5],
    }
    read = unpickle(_write(tmp_path / "batch", pickle.dumps(content, protocol=protocol)))
    assert read["plain"] == content["plain"]
    for key in ("other", "fortran"):
        assert np.array_equal(read[key], content[key])
        assert read[key].dtype == content[key].dtype.newbyteorder("=")
    assert np.array_equal(read["data"], content[b"data"])


class _Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, __import__, np.load, np.memmap])
def test_calls_are_refused_and_not_made(tmp_path, monkeypatch, protocol, function):
    monkeypatch.chdir(tmp_path)
    argument = "touch executed" if function is os.system else "open('executed', 'w')"
    path = _write(tmp_path / "evil", pickle.dumps({"data": _Call(function, argument)}, protocol=protocol))
    with pytest.raises(DataError, match=r"evil is refused: it asks for '.*'.*nothing of it was executed"):
        unpickle(path)
    assert not (tmp_path / "executed").exists()


def _system(stack: bytes) -> bytes:
    return b"\x80\x02}U\x04data" + stack + b"s."


def _names(module: str, name: str) -> bytes:
    """Protocol 4's way to ask for a name, which may have dots."""
    parts = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
    return parts + b"\x93"


ALLOWED = {
    "reconstruct": RECONSTRUCT,
    "ndarray": NDARRAY,
    "dtype": b"cnumpy\ndtype\n",
    "encode": b"c_codecs\nencode\n",
}
TRICKS = {
    "dotted name": _names("numpy", "dtype.__class__"),
    "globals of an allowed function": _names("numpy.core.multiarray", "_reconstruct.__globals__"),
    "other name of an allowed module": _names("numpy", "memmap"),
    "other codec": ALLOWED["encode"] + b"(U\x04textU\x05rot13tR",
    "array of a huge shape": NDARRAY + b"(\x8a\x06\x00\x00\x00\x00\x00\x01\x85tR",
    "reconstruct with a huge shape": RECONSTRUCT + b"(" + NDARRAY + b"(J\xff\xff\xff\x7ftU\x01btR",
    "reconstruct of another type": RECONSTRUCT + b"(" + ALLOWED["dtype"] + b"(K\x00tU\x01btR",
    "object dtype": ALLOWED["dtype"] + b"(U\x02O8K\x00K\x01tR",
    "structured dtype": ALLOWED["dtype"] + b"(U\x05u1,O8K\x00K\x01tR",
    "void dtype": ALLOWED["dtype"] + b"(U\x02V8K\x00K\x01tR",
    "fields in a dtype's state": (
        ALLOWED["dtype"] + b"(U\x02u1K\x00K\x01tR(K\x03U\x01|N(U\x01at}K\x08K\x01K\x00tb"
    ),
    "array of objects": EMPTY_ARRAY + b"(K\x01(K\x01t" + BYTES_DTYPE + b"\x89](K\x01etb",
    "array longer than its bytes": EMPTY_ARRAY + b"(K\x01(K\x09t" + BYTES_DTYPE + b"\x89U\x01atb",
    # 2^32 · 2^32 overflows to 0, as many as there are bytes
    "array whose size overflows": (
        EMPTY_ARRAY + b"(K\x01(" + b"\x8a\x05\x00\x00\x00\x00\x01" * 2 + b"t" + BYTES_DTYPE + b"\x89U\x00tb"
    ),
    "negative shape": EMPTY_ARRAY
    + b"(K\x01(J\xff\xff\xff\xffJ\xff\xff\xff\xfft"
    + BYTES_DTYPE
    + b"\x89U\x01atb",
    "new object of an allowed name": NDARRAY + b")\x81",
    **{f"attributes set on {name}": code + b"N}U\x07__doc__U\x01xs\x86b" for name, code in ALLOWED.items()},
    **{f"state given to {name}": code + b"}U\x06_buildU\x01xsb" for name, code in ALLOWED.items()},
    "extension registry": b"\x82\x01",
    "persistent object": b"Pname\n",
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_through_allowed_names_are_refused(tmp_path, trick):
    with pytest.raises(DataError, match="evil is "):
        unpickle(_write(tmp_path / "evil", _system(TRICKS[trick])))
    # The reader itself came out unchanged.
    test_files_of_python_2(tmp_path)


def test_arrays_of_objects_are_refused(tmp_path):
    content = pickle.dumps({"data": np.array([{}], object)}, protocol=2)
    with pytest.raises(DataError, match="element type 'O8', expected booleans or numbers"):
        unpickle(_write(tmp_path / "batch", content))


@pytest.mark.parametrize("content", [b"", b"\x80\x02}", b"no pickle at all", b"\x1f\x8b" + bytes(20)])
def test_damaged_files(tmp_path, content):
    with pytest.raises(DataError, match=r"batch is not a readable pickle .* official archive"):
        unpickle(_write(tmp_path / "batch", content))


def test_cut_files(tmp_path):
    whole = python2_batch(bytes(300), (3, 100), [1, 2, 3])
    for length in range(2, len(whole), 7):
        with pytest.raises(DataError, match="not a readable pickle"):
            unpickle(_write(tmp_path / "batch", whole[:length]))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*: No such file"):
        unpickle(tmp_path / "nothing")


def test_anything_but_a_dictionary(tmp_path):
    with pytest.raises(DataError, match="holds a list, expected a dictionary"):
        unpickle(_write(tmp_path / "batch", pickle.dumps([1])))
