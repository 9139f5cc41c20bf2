"""Plain chains of convolutions and dense layers as networks: what stands where, in words and as a module."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from landscape.zoo.parts import Part, joined

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "none": nn.Identity,
}
POOLINGS: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}
Pad = tuple[int, int]


@dataclass(frozen=True)
class Chain:
    """A plain network: layers with weights, and what stands between them.

    Attributes:
        parts: Layers with weights in their order: convolutions, dense layers, BatchNorm.
        channels: Of its images; 0 where its inputs are no images.
        size: Height and width of its images.
        strides: Of each convolution.
        paddings: Of each, before and behind.
        pools: Whether pooling by 2 follows on each.
        mean: Whether the last map is averaged instead of flattened.
        pooling: One of `POOLINGS`.
        activation: One of `ACTIVATIONS`, between all layers.
    """

    parts: tuple[Part, ...]
    channels: int = 0
    size: int = 0
    strides: tuple[int, ...] = ()
    paddings: tuple[Pad, ...] = ()
    pools: tuple[bool, ...] = ()
    mean: bool = False
    pooling: str = "max"
    activation: str = "relu"

    @property
    def spec(self) -> str:
        """The specification that gives this chain for its checkpoint."""
        dashed = {
            "stride": self.strides,
            "padding": padding_words(self.paddings),
            "pools": [int(pool) for pool in self.pools],
        }
        words = [f"size={self.size}"] if self.size and self.strides else []
        words += [f"{key}={'-'.join(map(str, values))}" for key, values in dashed.items() if values]
        words += [f"pooling={self.pooling}"] if any(self.pools) else []
        return f"sequential:{','.join([*words, f'activation={self.activation}'])}"

    def skeleton(self) -> nn.Sequential:
        """Names and shapes alone, on torch's meta device; layers keep their names where they can."""
        places = [part.parent for part in self.parts]
        together = _grouped(places)
        root = nn.Sequential()
        with torch.device("meta"):
            layers = list(self._layers())
        for name, layer in layers:
            place, _, last = name.rpartition(".")
            row = root
            for word in place.split(".") if together and place else []:
                if word not in dict(row.named_children()):
                    row.add_module(word, nn.Sequential())
                row = row.get_submodule(word)  # type: ignore[assignment]
            row.add_module(_free(row, last if together else name.replace(".", "_")), layer)
        return root

    def build(self) -> nn.Sequential:
        """The network in eval mode; its weights are whatever was in memory."""
        module = self.skeleton().to_empty(device="cpu")
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.reset_parameters()
        return module.eval()

    def names(self) -> dict[str, str]:
        """The name in the state dict for each name of the network's tensors."""
        theirs = [joined(part.name, word) for part in self.parts for word in _words(part)]
        return dict(zip(self.skeleton().state_dict(), theirs, strict=True))

    def _layers(self) -> Iterator[tuple[str, nn.Module]]:
        """Every layer with the name that it should have."""
        convs, dense = 0, False
        for i, part in enumerate(self.parts):
            following = self.parts[i + 1] if i + 1 < len(self.parts) else None
            behind = [ACTIVATIONS[self.activation]()] if following else []
            if part.kind == "linear" and not dense:
                dense = True
                if self.mean:
                    yield joined(part.parent, "pool"), nn.AdaptiveAvgPool2d(1)
                if self.channels or convs:
                    yield joined(part.parent, "flatten"), nn.Flatten()
            if part.kind == "conv":
                pad = self.paddings[convs]
                if pad[0] != pad[1]:
                    yield joined(part.parent, "pad"), nn.ZeroPad2d((*pad, *pad))
                yield part.name, _convolution(part, self.strides[convs], pad)
                convs += 1
            elif part.kind == "linear":
                yield part.name, nn.Linear(part.shape[1], part.shape[0], bias=part.bias)
            else:
                yield part.name, _norm(part, dense)
                if i and acts_before(self.parts[i - 1], part):
                    behind = []
            if following and following.kind == "norm" and not acts_before(part, following):
                continue
            pooled = bool(convs) and not dense and self.pools[convs - 1]
            if pooled and not (following and following.kind == "norm"):
                behind.append(POOLINGS[self.pooling](2))
            for layer in behind:
                yield joined(part.parent, type(layer).__name__.lower()), layer


def padding_words(paddings: tuple[Pad, ...]) -> list[str]:
    """Paddings in words, ``1`` or ``1+2``."""
    return [str(before) if before == behind else f"{before}+{behind}" for before, behind in paddings]


def gap(one: Part, other: Part) -> int | None:
    """How many modules without weights stand between two layers; None where names do not say."""
    last = [part.name.rpartition(".")[2] for part in (one, other)]
    if one.parent != other.parent or not all(word.isdigit() for word in last):
        return None
    return int(last[1]) - int(last[0]) - 1


def acts_before(part: Part, norm: Part) -> bool:
    """Whether the activation stands in front of a BatchNorm, as numbers say."""
    return norm.kind == "norm" and bool(gap(part, norm))


def _convolution(part: Part, stride: int, pad: Pad) -> nn.Conv2d:
    out, wide, kernel, _ = part.shape
    padding = pad[0] if pad[0] == pad[1] else 0
    return nn.Conv2d(wide, out, kernel, stride, padding, bias=part.bias)


def _norm(part: Part, dense: bool) -> nn.Module:
    kind = nn.BatchNorm1d if dense else nn.BatchNorm2d
    return kind(part.shape[0], affine="weight" in part.tensors)


def _words(part: Part) -> list[str]:
    order = ("weight", "bias", "running_mean", "running_var")
    words = [word for word in order if word in part.tensors]
    return [*words, "num_batches_tracked"] if part.kind == "norm" else words


def _grouped(places: list[str]) -> bool:
    """Whether the layers of each place follow one another, so that a container can hold and run them."""
    runs = [place for place, _ in itertools.groupby(places) if place]
    inside = any(a != b and b.startswith(f"{a}.") for a in places if a for b in places)
    taken = any(hasattr(nn.Sequential, word) for place in places for word in place.split(".") if word)
    return len(runs) == len(set(runs)) and not inside and not taken


def _free(row: nn.Sequential, name: str) -> str:
    """The name, or the first like it that is not taken."""
    names = [name, *(f"{name}_{i}" for i in range(2, len(row) + 3))]
    return next(one for one in names if not hasattr(row, one))
