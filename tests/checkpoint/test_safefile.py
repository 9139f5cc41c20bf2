"""Files of safetensors: what the library reads is read as it is, from the bytes that are digested."""

import hashlib
import json

import pytest
import torch
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load, save

from landscape import checkpoint
from landscape.checkpoint import safefile
from landscape.errors import CheckpointError
from tests import build

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.tensor(True),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "none": torch.empty(0, 2),
    "long": torch.tensor([-1, 2**40]),
}
WHOLE = save(TENSORS, metadata={"landscape": "{}", "ü": "\u2028"})


def packed(header, values: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_everything_comes_back_with_the_digest_of_the_file(tmp_path):
    (tmp_path / "a").write_bytes(WHOLE)
    found = safefile.read(tmp_path / "a")
    assert found.sha256 == hashlib.sha256(WHOLE).hexdigest()
    assert found.metadata == {"landscape": "{}", "ü": "\u2028"}
    assert found.tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert found.tensors[name].dtype == value.dtype
        assert torch.equal(found.tensors[name], value)


def test_values_that_do_not_begin_where_their_type_wants_are_read(tmp_path):
    values = bytes(1) + torch.tensor([1.5, -2.0]).numpy().tobytes()
    header = {"a": entry("U8", (1,), (0, 1)), "b": entry("F32", (2,), (1, 9))}
    (tmp_path / "a").write_bytes(packed(header, values))
    assert safefile.read(tmp_path / "a").tensors["b"].tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x02\0\0\0\0\0\0", "header is cut off"),
        ((2**62).to_bytes(8, "little") + b"{}", "header is cut off, or longer"),
        (packed(b"[" * 100_000), "nested too deeply"),
        (packed(b"{"), "Expecting"),
        (packed([]), "no mapping"),
        (packed({"__metadata__": {"a": 1}}), "not texts by name"),
        (packed(b'{"a":{},"a":{}}'), "one name"),
        (packed({"a": 1}), "in an unknown way"),
        (packed({"a": entry("F7")}, bytes(4)), "in an unknown way"),
        (packed({"a": entry(offsets=(0, True))}, bytes(4)), "in an unknown way"),
        (packed({"a": entry(shape=(2**31, 2**31, 2**31))}, bytes(4)), "does not fill its 4 bytes"),
        (packed({"a": entry(shape=(10**6,), offsets=(0, 4 * 10**6))}, bytes(4)), "it is cut off"),
        (packed({"a": entry(), "b": entry()}, bytes(4)), "does not begin where"),
        (packed({"a": entry(offsets=(4, 8))}, bytes(8)), "does not begin where"),
        (packed({"a": entry()}, bytes(8)), "holds 8: it is cut off or damaged"),
        (WHOLE[:-1], "it is cut off or damaged"),
    ],
)
def test_what_declares_other_than_it_holds_is_refused(tmp_path, content, words):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None, database=None)
@seed(0)
@example(0, b"", 0)
@given(st.integers(0, len(WHOLE)), st.binary(max_size=6), st.integers(0, 6))
def test_what_the_library_refuses_is_refused(tmp_path_factory, place, inserted, removed):
    content = WHOLE[:place] + inserted + WHOLE[place + removed :]
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    path.write_bytes(content)
    try:
        found = safefile.read(path).tensors
    except ValueError:
        return
    try:
        expected = load(content)
    except SafetensorError as error:
        pytest.fail(f"the library says {error}")
    assert {name: value.tolist() for name, value in found.items()} == {
        name: value.tolist() for name, value in expected.items()
    }


def test_digest_and_weights_are_of_the_same_bytes(tmp_path, monkeypatch):
    path = build.checkpoint(tmp_path / "a.safetensors")
    before, content = path.read_bytes(), build.checkpoint(tmp_path / "b.safetensors", seed=1).read_bytes()
    read = safefile.read

    def replaced(place):
        found = read(place)
        path.write_bytes(content)
        return found

    monkeypatch.setattr(safefile, "read", replaced)
    network = checkpoint.load(path)
    monkeypatch.undo()
    path.write_bytes(before)
    assert network.sha256 == hashlib.sha256(before).hexdigest() == checkpoint.load(path).sha256
    assert torch.equal(network.module.conv1.weight, checkpoint.load(path).module.conv1.weight)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_torch_file_that_is_written_to_while_it_is_read_is_refused(tmp_path, monkeypatch, zipped):
    from landscape.checkpoint.torchfile import TorchFile

    path, tensors = tmp_path / "a.pt", TorchFile.tensors
    torch.save({"a": torch.ones(9)}, path, _use_new_zipfile_serialization=zipped)

    def meanwhile(file, found):
        with open(path, "r+b") as stream:
            stream.write(stream.read(1)[:0] + b"P" if zipped else b"\x80")
        return tensors(file, found)

    monkeypatch.setattr(TorchFile, "tensors", meanwhile)
    with pytest.raises(CheckpointError, match="it was written to while it was read"):
        checkpoint.load(path, "resnet18")
