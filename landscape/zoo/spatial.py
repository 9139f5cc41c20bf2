"""Strides, paddings and poolings of a chain of convolutions that end in a map of a known size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from math import isqrt
from typing import Any

from landscape.errors import LandscapeError
from landscape.zoo.parts import Part, of_kind
from landscape.zoo.sequential import Chain, Pad, acts_before, gap

SIZES = {1: (28, 32, 64), 3: (32, 64, 224, 96, 28, 128, 256)}
"""Usual heights of images by channels, the most usual first."""
_MOST = 200_000
_KERNELS = 5  # different sizes in one network
_RARER = 4.0  # what the next size costs
Settings = tuple[tuple[int, ...], tuple[Pad, ...], float]


def possible(row: Sequence[Part], asked: Mapping[str, Any]) -> Iterator[tuple[float, Chain]]:
    """All chains of these layers whose last map is the one that the first dense layer reads.

    Args:
        row: Layers in their order, convolutions first.
        asked: What is known: ``size``, and ``stride``, ``padding`` and ``pools`` for each convolution or all.

    Returns:
        How unusual each is, and the chain.

    Raises:
        LandscapeError: If a value is given for another number of convolutions.
    """
    convs = of_kind(row, "conv")
    inputs, channels = next(part for part in row if part.kind == "linear").shape[1], convs[-1].shape[0]
    side = isqrt(inputs // channels)
    if side * side * channels != inputs:
        return
    gaps = _behind(row)
    first = row[0].name.rpartition(".")[2]
    padded = first.isdigit() and int(first) > 0 and all(one is not None and one > 1 for one in gaps[:-1])
    sizes = (asked["size"],) if "size" in asked else SIZES[convs[0].shape[1]]
    tried = itertools.product(enumerate(sizes), _spatial(convs, asked, padded), _pools(convs, gaps, asked))
    seen: set[tuple] = set()
    for (rank, size), (strides, paddings, cost), (pools, more) in itertools.islice(tried, _MOST):
        last = _last(convs, size, strides, paddings, pools)
        key = (size, strides, paddings, pools)
        if key in seen or (last != side and not (side == 1 and last > 1)):
            continue
        seen.add(key)
        chain = Chain(tuple(row), convs[0].shape[1], size, strides, paddings, pools, mean=last != side)
        yield cost + more + _RARER * rank + (last != side), chain


def _behind(row: Sequence[Part]) -> list[int | None]:
    """How many modules stand behind each convolution and its BatchNorm; where all are 0, nobody knows."""
    found: list[int | None] = []
    for i, part in enumerate(row):
        if part.kind != "conv":
            continue
        norm = row[i + 1].kind == "norm"
        behind = gap(row[i + norm], row[i + norm + 1])
        found.append(None if behind is None else behind + (norm and acts_before(part, row[i + 1])))
    return [None] * len(found) if not any(found) else found


def _last(
    convs: Sequence[Part], size: int, strides: Sequence[int], paddings: Sequence[Pad], pools: Sequence[bool]
) -> int:
    """Height of the last map; 0 if a layer would read nothing."""
    for conv, stride, pad, pool in zip(convs, strides, paddings, pools, strict=True):
        size = (size + sum(pad) - conv.shape[2]) // stride + 1
        size //= 2 if pool else 1
        if size < 1:
            return 0
    return size


def _spatial(convs: Sequence[Part], asked: Mapping[str, Any], padded: bool) -> Iterator[Settings]:
    """Strides and paddings: the same for all convolutions of one kernel, or strides where maps widen."""
    kernels = sorted({conv.shape[2] for conv in convs})
    if len(kernels) > _KERNELS:  # combinations without end
        return
    widens = [i > 0 and conv.shape[0] > convs[i - 1].shape[0] for i, conv in enumerate(convs)]
    given = _each(asked.get("stride"), len(convs)), _each(asked.get("padding"), len(convs))
    for choice in itertools.product(*(_usual(kernel, padded) for kernel in kernels)):
        by_kernel = dict(zip(kernels, choice, strict=True))
        one = [by_kernel[conv.shape[2]] for conv in convs]
        for grow in (False, True):
            strides = tuple(2 if grow and wide else s for (s, _, _), wide in zip(one, widens, strict=True))
            paddings = tuple(pad for _, pad, _ in one)
            yield given[0] or strides, given[1] or paddings, sum(price for *_, price in choice) + grow


def _each(given: tuple | None, count: int) -> tuple | None:
    """One value for all, or one for each."""
    if given is None or len(given) == count:
        return given
    if len(given) == 1:
        return given * count
    raise LandscapeError(f"the chain has {count} convolutions, but {len(given)} values are given for them")


def _usual(kernel: int, padded: bool) -> Iterator[tuple[int, Pad, float]]:
    """Stride, padding, and how unusual they are, for a kernel."""
    half = kernel // 2
    same, none = (half, half), (0, 0)
    if padded and kernel > 2:  # modules in front of each convolution, as nn.ZeroPad2d
        yield 2, (1, 2), -3
    if kernel == 1:
        yield 1, none, 0
    elif kernel % 2:
        yield from [(1, same, 0), (1, none, 1), (2, same, 2), (2, none, 3)]
        yield from [(4, (2, 2), 2), (4, same, 3)] if kernel > 5 else []
    else:
        less = (half - 1, half - 1)
        yield from [(2, less, 0), (2, none, 1), (kernel, none, 2), (1, none, 2), (1, less, 3)]


def _pools(
    convs: Sequence[Part], gaps: Sequence[int | None], asked: Mapping[str, Any]
) -> Iterator[tuple[tuple[bool, ...], float]]:
    """Behind which convolutions pooling may stand: beside the activation, and Flatten behind the last."""
    count = len(convs)
    if "pools" in asked:
        yield tuple(map(bool, _each(asked["pools"], count) or ())), 0
        return
    room = [None if one is None else one - 1 - (i == count - 1) > 0 for i, one in enumerate(gaps)]
    widens = [i + 1 < count and convs[i + 1].shape[0] > convs[i].shape[0] for i in range(count)]
    last = [i == count - 1 for i in range(count)]
    both = [wide or end for wide, end in zip(widens, last, strict=True)]
    for shape, cost in ([True] * count, 1), ([False] * count, 1), (both, 2), (widens, 2), (last, 2):
        pools = [one if free is None else one and free for one, free in zip(shape, room, strict=True)]
        unused = sum(free is True and not pool for pool, free in zip(pools, room, strict=True))
        yield tuple(pools), cost + 2 * unused
