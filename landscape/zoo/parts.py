"""What a state dict says of layers: kinds and shapes under anyone's names, in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Shapes = Mapping[str, tuple[int, ...]]
Kind = Literal["conv", "linear", "norm", "blur", "other"]
_COUNTER = "num_batches_tracked"
_SHOWN = 24


@dataclass(frozen=True)
class Part:
    """The tensors that share all of their name but its last word.

    Attributes:
        name: What they share; may be empty.
        kind: `conv` and `linear` have weights of four and two dimensions, `norm` of one, `blur` is a filter
            of one channel that is not called a weight.
        shape: Of the weight, or of the filter.
        tensors: Shapes by last word, counters left out.
        counter: Whether a counter of batches was among them.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    tensors: Mapping[str, tuple[int, ...]]
    counter: bool = False

    @property
    def parent(self) -> str:
        """The name without its last word."""
        return self.name.rpartition(".")[0]

    @property
    def bias(self) -> bool:
        """Whether it has one."""
        return "bias" in self.tensors

    def like(self, other: Part) -> bool:
        """Whether kinds, words and shapes agree."""
        return self.kind == other.kind and dict(self.tensors) == dict(other.tensors)

    def keys(self, other: Part) -> dict[str, str]:
        """Names of this part's tensors with those of another like it, counters where both have one."""
        words = [*self.tensors, *([_COUNTER] if self.counter and other.counter else [])]
        return {joined(self.name, word): joined(other.name, word) for word in words}

    def __str__(self) -> str:
        name = self.name or "(no name)"
        if self.kind in ("conv", "linear"):
            kernel = "×".join(map(str, self.shape[2:]))
            return f"{name} {self.shape[1]}→{self.shape[0]}" + (f" {kernel}" if kernel else "")
        return f"{name} {self.shape}" if self.kind == "other" else f"{name} {self.kind} {self.shape[0]}"


def joined(*words: str) -> str:
    """Words of a name behind each other, empty ones left out."""
    return ".".join(word for word in words if word)


def parts_of(shapes: Shapes) -> list[Part]:
    """The layers of a state dict.

    Args:
        shapes: Shape of each tensor by name, in the order of the file. Where names are sorted, as safetensors
            sorts them, counters first, numbers in them are put in order.
    """
    names = sorted(shapes, key=lambda name: name.endswith(_COUNTER))
    telling = [name for name in names if not name.endswith(_COUNTER)]
    if telling == sorted(telling):
        names = sorted(names, key=natural)
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    for name in names:
        place, _, word = name.rpartition(".")
        groups.setdefault(place, {})[word] = tuple(shapes[name])
    return [_part(name, tensors) for name, tensors in groups.items()]


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key by which ``layer10`` comes after ``layer9``."""
    return [
        (0, int(word), "") if word.isdigit() and len(word) < 10 else (1, 0, word)
        for word in re.split(r"(\d+)|\.", name)
        if word
    ]


def listing(parts: Sequence[Part]) -> str:
    """The layers in words, with inputs, outputs and kernels."""
    words = [str(part) for part in parts if part.kind != "norm"]
    norms = len(parts) - len(words)
    more = f", … ({len(words)} in all)" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more + (f", and {norms} of normalisation" if norms else "")


def of_kind(parts: Iterable[Part], *kinds: Kind) -> list[Part]:
    """Those of these kinds."""
    return [part for part in parts if part.kind in kinds]


def _part(name: str, tensors: dict[str, tuple[int, ...]]) -> Part:
    counter = tensors.pop(_COUNTER, None) is not None
    kind: Kind = "other"
    shape = next(iter(tensors.values()), ())
    if "weight" in tensors:
        shape = tensors["weight"]
        usual = set(tensors) <= {"weight", "bias"}
        normal = set(tensors) <= {"weight", "bias", "running_mean", "running_var"}
        if len(shape) == 1 and normal:
            kind = "norm"
        elif usual and 0 not in shape:
            kind = {2: "linear", 4: "conv"}.get(len(shape), "other")  # type: ignore[assignment]
    elif set(tensors) == {"running_mean", "running_var"} and len(shape) == 1:
        kind = "norm"
    elif len(tensors) == 1 and len(shape) == 4 and shape[1] == 1 and shape[2] == shape[3] > 1:
        kind = "blur"
    return Part(name, kind, shape, tensors, counter)
