"""Small pickles that would cost much: instructions are counted, and what a builder is given counts too."""

from __future__ import annotations

import io
import pickle
import time

import pytest

from landscape.checkpoint.declared import Odd
from landscape.checkpoint.inert import Reader
from landscape.pickles import Bounded, Named

LIST = b"]q\x01(" + b"N" * 1000 + b"e"
"""A long list, kept under 1."""
LONG = b"X" + (10**5).to_bytes(4, "little") + b"x" * 10**5 + b"q\x01"
"""A long text, kept under 1."""
TUPLE = b"(" + b"K\x00" * 1000 + b"tq\x01"
NEGATIVE = b"\x8b" + (10**5).to_bytes(4, "little") + b"\xff" * (10**5 - 1) + b"\x80q\x01"
PAIRS = b"ccollections\nOrderedDict\nq\x02"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\nq\x02"


def read(body: bytes, most: int = 2**40):
    stream = io.BytesIO(b"\x80\x04" + body + b".")
    return Reader(Bounded(stream, len(stream.getvalue()), most)).load()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"]0" * 20_000, "more than 10,000 steps"),
        (LIST + PAIRS + b"h\x02h\x01\x85R0" * 100, "more than 10,000 steps"),
        (TUPLE + REBUILD + b"h\x02h\x01R0", "no storage|positional"),
        (TUPLE + REBUILD + b"h\x02(NK\x00h\x01h\x01tR0", "no storage"),
        (LONG + b"h\x01h\x01\x93", "more than a name"),
        (REBUILD + b"h\x02NR", "without arguments"),
    ],
    ids=["steps", "pairs", "arguments", "shape", "names", "no arguments"],
)
def test_the_same_long_thing_again_and_again_is_counted(monkeypatch, body, message):
    monkeypatch.setattr("landscape.pickles._Steps.left", 10_000)
    monkeypatch.setattr("landscape.pickles.MOST_STEPS", 10_000)
    with pytest.raises((ValueError, TypeError), match=message):
        read(body)


def test_a_long_number_as_a_key_costs_nothing():
    started = time.process_time()
    assert read(NEGATIVE + b"}" + b"h\x01Ns" * 20_000) == {}
    assert time.process_time() - started < 1


def test_names_have_an_end():
    with pytest.raises(ValueError, match="more than a name"):
        read(b"c" + b"a" * 2000 + b"\nb\n")
    assert read(b"cos\nsystem\n") == Named("os", "system")


DOUBLING = b"(K\x00t" + b"".join(b"q\x010(h\x01h\x01t" for _ in range(40)) + b"q\x03"
"""Tuples, each of which holds the one before twice; to write out the last takes 2⁴⁰ words."""


def tensor(**changed: bytes) -> bytes:
    given = {"size": b"(K\x04t", "stride": b"(K\x01t", "offset": b"K\x00", "kind": b"ctorch\nFloatStorage\n"}
    given |= changed
    storage = b"(X\x07\x00\x00\x00storage" + given["kind"] + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
    return DOUBLING + REBUILD + b"(" + storage + given["offset"] + given["size"] + given["stride"] + b"tR"


def test_messages_do_not_spell_out_what_doubles():
    assert read(tensor()).size == (4,)
    for part in ("size", "stride", "offset"):
        with pytest.raises(ValueError, match="shape, strides or offset that no tensor has"):
            read(tensor(**{part: b"h\x03"}))
    assert read(tensor(kind=b"h\x03")) == Odd("what is no name")


def test_a_pickle_must_end_within_its_bound():
    content = pickle.dumps(list(range(1000)))
    with pytest.raises(EOFError, match="larger than any"):
        Reader(Bounded(io.BytesIO(content), len(content), 100)).load()  # type: ignore[arg-type]
