"""Pickles read inert: containers, numbers, text and declared tensors; everything else stays a name.

A pickle is a program whose instructions look up any function and call it. Here nothing is looked up: a name
in the file becomes a `Named`, and what would be a call or an object becomes a `Stub` that holds what it was
given. So weights can be read beside a `Namespace`, a NumPy number or a whole pickled module, none of which
comes to life. The instructions themselves are those of Python's own reader.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import IO, Any, ClassVar

from landscape.checkpoint.declared import STORAGES, Named, Odd, Storage, Stub, tensor, typed, whole

_PLAIN_KEYS = (str, int, float, bool, bytes, type(None))
_LARGEST_KEY = 2**63


class Reader(pickle._Unpickler):
    """Reads one pickle inert.

    Attributes:
        stubs: Names of what was not built, in the order of the file.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, stream: IO[bytes]) -> None:
        """Say where it is; reading ends right behind it."""
        super().__init__(stream, encoding="latin1")
        self.stubs: dict[str, None] = {}

    def find_class(self, module: str, name: str) -> Named:
        """The name alone."""
        return Named(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """A storage, as torch.save refers to it: ("storage", type, key, location, count).

        In the format before the zip, classes of modules stand beside the pickle too, with their source.
        """
        if isinstance(pid, tuple) and len(pid) >= 2 and pid[0] == "module" and isinstance(pid[1], Named):
            return pid[1]
        if not (isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage"):
            raise ValueError("it refers to something beside it that is no storage")
        kind, key, count = pid[1], pid[2], pid[4]
        if not (isinstance(kind, Named) and kind.name in STORAGES):
            return Odd(str(kind))
        if not (isinstance(key, str) and whole(count)) or any(part is not None for part in pid[5:]):
            raise ValueError("it refers to a storage in an unusual way")
        return Storage(key, STORAGES[kind.name], count)

    def made(self, what: Any, args: Any) -> Any:
        """What a call would have given."""
        if isinstance(what, Named):
            build = _BUILDERS.get((what.module, what.name))
            if build is not None:
                return build(self, *args)
            if what.module == "torch._utils" and what.name.startswith("_rebuild_"):
                return Odd(what.name.removeprefix("_rebuild_").replace("_", " "))
        return self.stub(what)

    def stub(self, what: Any) -> Stub:
        """An object that is not built, and noted."""
        name = str(what) if isinstance(what, Named) else "a call of what is no name"
        self.stubs[name] = None
        return Stub(name)

    def get_extension(self, code: int) -> None:
        """Refused: it would be looked up."""
        raise ValueError("it refers to a registry of this computer")

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(self.made(klass, args))


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
    _put(reader.stack[-1], [key, value])


def _set_items(reader: Reader) -> None:
    items = reader.pop_mark()
    _put(reader.stack[-1], items)


def _dictionary(reader: Reader) -> None:
    made: dict[Any, Any] = {}
    _put(made, reader.pop_mark())
    reader.append(made)


def _empty_set(reader: Reader) -> None:
    reader.append([])  # hashing may cost more than the file is long, and no weights lie in sets


def _frozen_set(reader: Reader) -> None:
    reader.append(reader.pop_mark())


def _refused(reader: Reader) -> None:
    raise ValueError("it refers to buffers outside the file")


Reader.dispatch |= {
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


def _put(into: Any, items: list[Any]) -> None:
    """Keys and values in turn; keys whose hash may cost more than they are long are left out."""
    target = into.items if isinstance(into, Stub) else into
    if not isinstance(target, dict):
        return
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) in _PLAIN_KEYS and not (type(key) is int and abs(key) >= _LARGEST_KEY):
            target[key] = value


_ORDINARY = ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer")


def _of_class(reader: Reader, build: Any, kind: Any, args: Any, *state: Any) -> Any:
    """`torch._tensor._rebuild_from_type_v2`: the tensor, without the attributes that the file puts on it."""
    return reader.made(build, args) if str(kind) in _ORDINARY else Odd(str(kind))


def _mapping(reader: Reader, *args: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    pairs = args[-1] if args and isinstance(args[-1], list) else []
    for pair in pairs:
        if isinstance(pair, list | tuple) and len(pair) == 2:
            _put(made, list(pair))
    return made


_BUILDERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor"): lambda reader, *given: tensor(*given),
    ("torch._utils", "_rebuild_tensor_v2"): lambda reader, *given: tensor(*given),
    ("torch._utils", "_rebuild_tensor_v3"): lambda reader, *given: typed(*given),
    ("torch._utils", "_rebuild_parameter"): lambda reader, data, *rest: data,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda reader, data, *rest: data,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_class,
    ("torch.nn.parameter", "Parameter"): lambda reader, data=None, *rest: data,
    ("torch", "Size"): lambda reader, sizes=(): tuple(sizes) if isinstance(sizes, list | tuple) else (),
    ("collections", "OrderedDict"): _mapping,
    ("collections", "defaultdict"): _mapping,
    ("collections", "Counter"): _mapping,
    ("copyreg", "_reconstructor"): lambda reader, kind, *rest: reader.stub(kind),
    ("copy_reg", "_reconstructor"): lambda reader, kind, *rest: reader.stub(kind),
    **{
        (module, name): lambda reader, items=(), *rest: items
        for module in ("builtins", "__builtin__")
        for name in ("set", "frozenset")
    },
}
"""What weights are made of; each gets the reader first, then the arguments in the file."""
