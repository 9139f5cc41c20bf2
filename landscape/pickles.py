"""Pickles read inert: containers, numbers, text and what a table builds; everything else stays a name.

A pickle is a program whose instructions look up any function and call it. Here nothing is looked up: a name
in the file becomes a `Named`, and what would be a call or an object becomes a `Stub` that holds what it was
given, unless the reader has a builder of its own for that name. The instructions themselves are those of
Python's own reader; how many are taken, and how much one may ask for, is bounded.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar

_PLAIN_KEYS = (str, int, float, bool, bytes, type(None))
_LARGEST_KEY = 2**63
_LONGEST_NAME = 1000
MOST_STEPS = 3_000_000
"""Instructions that a pickle may take: a hundred thousand tensors need fewer."""

_LONGEST_LINE = 2**20


@dataclass(frozen=True)
class Named:
    """A class or function that the file names, never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(repr=False)
class Stub:
    """An object that is not built.

    Attributes:
        kind: Its class, or the function that would have made it.
        items: What it would hold as a mapping.
        state: What its attributes would be made from.
    """

    kind: str
    items: dict[Any, Any] = field(default_factory=dict)
    state: Any = None


Builder = Callable[..., Any]
"""Gets the reader first, then the arguments in the file."""


class Reader(pickle._Unpickler):
    """Reads one pickle inert.

    Attributes:
        stubs: Names of what was not built, in the order of the file.
        builders: What is built, by module and name.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    instructions: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    builders: ClassVar[Mapping[tuple[str, str], Builder]] = {}

    def __init__(self, stream: IO[bytes]) -> None:
        """Say where it is; reading ends right behind it."""
        super().__init__(stream, encoding="latin1")
        self.stubs: dict[str, None] = {}
        self._steps = _Steps(self.instructions)
        vars(self)["dispatch"] = self._steps  # where Python's reader looks instructions up

    def find_class(self, module: str, name: str) -> Named:
        """The name alone."""
        if len(module) + len(name) > _LONGEST_NAME:
            raise ValueError("it names something by more than a name")
        return Named(module, name)

    def made(self, what: Any, args: Any) -> Any:
        """What a call would have given."""
        build = self.builders.get((what.module, what.name)) if isinstance(what, Named) else None
        if build is None:
            return self.stub(what)
        if not isinstance(args, tuple):
            raise ValueError(f"it calls {what} without arguments")
        self.spend(len(args))
        return build(self, *args)

    def spend(self, steps: int) -> None:
        """Count what a builder does, which may be given the same long list again and again."""
        self._steps.left -= steps

    def stub(self, what: Any) -> Stub:
        """An object that is not built, and noted."""
        name = called(what)
        self.stubs[name] = None
        return Stub(name)

    def attributes(self, built: Any, state: Any) -> None:
        """Take in what the file says of the attributes of something plain, which has none here."""

    def get_extension(self, code: int) -> None:
        """Refused: it would be looked up."""
        raise ValueError("it refers to a registry of this computer")

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(self.made(klass, args))


def called(what: Any) -> str:
    """What a message may call a class or function that the file names: anything else has no end of words."""
    return str(what) if isinstance(what, Named) else "what is no name"


class _Steps(dict[int, Any]):
    """The instructions, each of which is counted as it is looked up."""

    left = MOST_STEPS

    def __getitem__(self, code: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"reading it takes more than {MOST_STEPS:,} steps")
        return super().__getitem__(code)


class Bounded:
    """A stream that is never asked for more than it holds, and no further than a pickle may reach."""

    def __init__(self, stream: IO[bytes], size: int, most: int) -> None:
        """Say what it holds.

        Args:
            stream: A file.
            size: Its bytes.
            most: Bytes from its start within which a pickle must end.
        """
        self._stream = stream
        self._left = min(size, most) - stream.tell()

    def read(self, count: int) -> bytes:
        """So many bytes."""
        if not 0 <= count <= self._left:
            raise EOFError("it is cut off, or its index is larger than any of weights")
        self._left -= count
        return self._stream.read(count)

    def readline(self) -> bytes:
        """Bytes up to the end of the line."""
        line = self._stream.readline(_LONGEST_LINE)
        self._left -= len(line)
        return line


def _reduce(reader: Reader) -> None:
    args = reader.stack.pop()
    reader.stack[-1] = reader.made(reader.stack[-1], args)


def _reduce_with_names(reader: Reader) -> None:
    reader.stack.pop()
    _reduce(reader)


def _build(reader: Reader) -> None:
    state, built = reader.stack.pop(), reader.stack[-1]
    if isinstance(built, Stub):
        built.state = state
    else:
        reader.attributes(built, state)


def _append(reader: Reader) -> None:
    value = reader.stack.pop()
    if isinstance(reader.stack[-1], list):
        reader.stack[-1].append(value)


def _extend(reader: Reader) -> None:
    items = reader.pop_mark()
    if isinstance(reader.stack[-1], list):
        reader.stack[-1].extend(items)


def _set_item(reader: Reader) -> None:
    value, key = reader.stack.pop(), reader.stack.pop()
    put(reader.stack[-1], [key, value])


def _set_items(reader: Reader) -> None:
    items = reader.pop_mark()
    put(reader.stack[-1], items)


def _dictionary(reader: Reader) -> None:
    made: dict[Any, Any] = {}
    put(made, reader.pop_mark())
    reader.append(made)


def _empty_set(reader: Reader) -> None:
    reader.append([])  # hashing may cost more than the file is long, and no weights lie in sets


def _frozen_set(reader: Reader) -> None:
    reader.append(reader.pop_mark())


def _refused(reader: Reader) -> None:
    raise ValueError("it refers to buffers outside the file")


Reader.instructions |= {
    pickle.REDUCE[0]: _reduce,
    pickle.NEWOBJ[0]: _reduce,
    pickle.NEWOBJ_EX[0]: _reduce_with_names,
    pickle.BUILD[0]: _build,
    pickle.APPEND[0]: _append,
    pickle.APPENDS[0]: _extend,
    pickle.ADDITEMS[0]: _extend,
    pickle.SETITEM[0]: _set_item,
    pickle.SETITEMS[0]: _set_items,
    pickle.DICT[0]: _dictionary,
    pickle.EMPTY_SET[0]: _empty_set,
    pickle.FROZENSET[0]: _frozen_set,
    pickle.NEXT_BUFFER[0]: _refused,
    pickle.READONLY_BUFFER[0]: _refused,
    pickle.BYTEARRAY8[0]: _refused,
}


def put(into: Any, items: list[Any]) -> None:
    """Keys and values in turn; keys whose hash may cost more than they are long are left out."""
    if len(items) % 2:
        raise ValueError("it holds a key without a value")
    target = into.items if isinstance(into, Stub) else into
    if not isinstance(target, dict):
        return
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) in _PLAIN_KEYS and not (type(key) is int and not -_LARGEST_KEY < key < _LARGEST_KEY):
            target[key] = value
