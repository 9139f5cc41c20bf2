"""Pickles of weights: storages and tensors are declared, see `landscape.pickles` for all the rest."""

from __future__ import annotations

from typing import IO, Any

from landscape import pickles
from landscape.checkpoint.declared import STORAGES, Odd, Storage, tensor, typed, whole
from landscape.checkpoint.versions import Versions, stated
from landscape.pickles import Named, called, put


class Reader(pickles.Reader):
    """Reads one pickle of torch.save inert.

    Attributes:
        versions: Of the layers of every state dict, in the order of the file.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self.versions: list[Versions] = []

    def attributes(self, built: Any, state: Any) -> None:
        """Keep the versions of layers that a state dict states beside its tensors."""
        found = stated(state) if isinstance(built, dict) else None
        if found:
            self.spend(len(found))
            self.versions.append(found)

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
            return Odd(called(kind))
        if not (isinstance(key, str) and whole(count)) or any(part is not None for part in pid[5:]):
            raise ValueError("it refers to a storage in an unusual way")
        return Storage(key, STORAGES[kind.name], count)

    def made(self, what: Any, args: Any) -> Any:
        """What a call would have given."""
        rebuilt = isinstance(what, Named) and what.module == "torch._utils"
        if rebuilt and (what.module, what.name) not in self.builders and what.name.startswith("_rebuild_"):
            return Odd(what.name.removeprefix("_rebuild_").replace("_", " "))
        return super().made(what, args)


_ORDINARY = ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer")


def _of_class(reader: Reader, build: Any, kind: Any, args: Any, *state: Any) -> Any:
    """`torch._tensor._rebuild_from_type_v2`: the tensor, without the attributes that the file puts on it."""
    return reader.made(build, args) if called(kind) in _ORDINARY else Odd(called(kind))


def _mapping(reader: Reader, *args: Any) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    pairs = args[-1] if args and isinstance(args[-1], list) else []
    reader.spend(len(pairs))
    for pair in pairs:
        if isinstance(pair, list | tuple) and len(pair) == 2:
            put(made, list(pair))
    return made


Reader.builders = {
    ("torch._utils", "_rebuild_tensor"): lambda reader, *given: tensor(*given),
    ("torch._utils", "_rebuild_tensor_v2"): lambda reader, *given: tensor(*given),
    ("torch._utils", "_rebuild_tensor_v3"): lambda reader, *given: typed(*given),
    ("torch._utils", "_rebuild_parameter"): lambda reader, data, *rest: data,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda reader, data, *rest: data,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_class,
    ("torch.nn.parameter", "Parameter"): lambda reader, data=None, *rest: data,
    ("torch", "Size"): lambda reader, sizes=(): sizes if isinstance(sizes, tuple) else (),
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
"""What weights are made of."""
