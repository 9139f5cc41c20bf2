"""Plain chains of layers inferred from shapes, and from the numbers that an `nn.Sequential` gives its parts.

Weights show neither strides nor paddings, poolings nor activations. But the numbers missing between two
layers say how many modules without weights stand there, and the inputs of the first dense layer how large the
last map is. What is left open is chosen by what is usual, and every choice is said.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isqrt
from typing import Any

from landscape.errors import LandscapeError
from landscape.zoo.parts import Part, of_kind
from landscape.zoo.sequential import ACTIVATIONS, POOLINGS, Chain, Pad, gap, padding_words
from landscape.zoo.spatial import SIZES, possible

KEYS = ("size", "stride", "padding", "pools", "pooling", "activation")
"""Options of the source ``sequential``."""
_WORD = re.compile(
    r"(conv|cnn|c|fc|f|fully_?connected|lin|linear|dense|layer|l|hidden|h|input|in|output|out|head|classifier|cls|"
    r"feature|features|feature_extractor|extractor|backbone|body|net|network|model|main|seq|sequential|stem|mlp|"
    r"bn|batch_?norm|norm)s?(_?(layers?|bn|norm|out|in))?_?\d*(_\d+)?|\d+",
    re.IGNORECASE,
)
_STATISTICS = {"running_mean", "running_var"}
_NORMS = (_STATISTICS, _STATISTICS | {"weight", "bias"})
_SHOWN = 3
_FAR = 4.5  # beyond which another reading of the shapes is not worth naming


def chain(parts: Sequence[Part], options: Mapping[str, Any] | None = None) -> tuple[Chain, str] | None:
    """The plain network that these layers are.

    Args:
        parts: Of a state dict.
        options: What the user says of it: the ``size`` of images, and for each convolution, joined by dashes,
            ``stride``, ``padding`` (``1``, or ``1+2`` before and behind) and ``pools`` (1 where pooling by 2
            follows); ``pooling`` and ``activation``. What is left out is inferred or assumed.

    Returns:
        The network, and what was inferred or assumed; None where the layers are no plain chain.

    Raises:
        LandscapeError: If an option is unknown, or no chain of these layers has it.
    """
    asked = _asked(options or {})
    row = _in_order(parts)
    if row is None or not (options or _looks_plain(row)):
        return None
    looks = {key: asked[key] for key in ("activation", "pooling") if key in asked}
    if of_kind(row, "conv"):
        ranked = sorted(possible(row, asked), key=lambda pair: pair[0])
        found = [one for cost, one in ranked if cost < ranked[0][0] + _FAR]
    else:
        found = [_dense(row, asked)]
    if not found:
        if options:
            given = ", ".join(f"{key}={value}" for key, value in options.items())
            raise LandscapeError(
                f"no chain of these layers has {given} "
                "and a last map of the size that the first dense layer reads"
            )
        return None
    best, *others = [replace(one, **looks) for one in found]
    return best, _assumed(best, asked, others[:_SHOWN])


def _assumed(made: Chain, asked: Mapping[str, Any], others: Sequence[Chain]) -> str:
    """What a user has to know of a chain that was inferred from shapes."""
    words = [f"a plain chain of layers, --model {made.spec}"]
    if made.strides:
        pools = [str(i + 1) for i, pool in enumerate(made.pools) if pool]
        words.append(
            f"images of {made.channels}×{made.size}×{made.size}, "
            f"strides {', '.join(map(str, made.strides))}, "
            f"paddings {', '.join(padding_words(made.paddings))} and "
            + (f"pooling behind convolution {', '.join(pools)}" if pools else "no pooling")
            + " follow from the size of the last map, if no convolution is dilated"
        )
    assumed = ([] if "activation" in asked else [f"{made.activation} between the layers (activation=…)"]) + (
        [f"{made.pooling} pooling (pooling=…)"] if any(made.pools) and "pooling" not in asked else []
    )
    if made.mean:
        assumed.append("an average over the last map")
    if assumed:
        words.append(f"shapes do not show {' and '.join(assumed)}, which {_are(assumed)} assumed")
    lead = made.parts[0].name.rpartition(".")[2]
    if made.strides and lead.isdigit() and int(lead):
        padded = any(before != behind for before, behind in made.paddings)
        words.append(
            "WARN: something without weights stands in front of the first layer, "
            + ("taken as zero padding" if padded else "left out here")
            + "; if it normalises, give --mean and --std, if it pads, padding=…"
        )
    if others:
        words.append(f"these fit as well: --model {', '.join(one.spec for one in others)}")
    return "; ".join(words)


def _are(several: Sequence[str]) -> str:
    return "are" if len(several) > 1 else "is"


def _dense(row: Sequence[Part], asked: Mapping[str, Any]) -> Chain:
    """A chain of dense layers, for images where it reads as many values as a usual image has."""
    inputs = row[0].shape[1]
    channels = next((c for c in (3, 1) if inputs % c == 0 and isqrt(inputs // c) ** 2 == inputs // c), 0)
    if "size" in asked:
        channels = inputs // asked["size"] ** 2
    elif inputs < min(min(SIZES[1]), min(SIZES[3])) ** 2:
        channels = 0
    return Chain(tuple(row), channels, isqrt(inputs // channels) if channels else 0)


def _asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as values, checked."""
    asked: dict[str, Any] = {}
    choices = {"activation": tuple(ACTIVATIONS), "pooling": tuple(POOLINGS)}
    for key, value in options.items():
        text = str(value).lower()
        try:
            if key in choices and text in choices[key]:
                asked[key] = text
            elif key == "size" and 1 <= int(text) <= 4096:
                asked[key] = int(text)
            elif key == "padding":
                asked[key] = tuple(_pad(word) for word in text.split("-"))
            elif key in ("stride", "pools"):
                asked[key] = tuple(int(word) for word in text.split("-"))
            else:
                raise ValueError(text)
        except ValueError as error:
            known = (
                f"choose one of {', '.join(choices[key])}" if key in choices else "write size=32, stride=2-1"
            )
            raise LandscapeError(
                f"option {key}={text} of a sequential model: "
                + (known if key in KEYS else f"known are {', '.join(KEYS)}")
            ) from error
    return asked


def _pad(word: str) -> Pad:
    before, found, behind = word.partition("+")
    return int(before), int(behind if found else before)


def _in_order(parts: Sequence[Part]) -> list[Part] | None:
    """The layers such that each takes what the one before gives; None if there is no such order."""
    tops: dict[str, bool] = {}
    for part in parts:
        top = part.name.partition(".")[0]
        tops[top] = tops.get(top, False) or part.kind == "conv"
    # Where names are sorted, the classifier comes before the features, and bn1 before conv1.
    apart = sorted(parts, key=lambda part: not tops[part.name.partition(".")[0]])
    return next((row for row in (list(parts), apart, _interleaved(parts)) if _chained(row)), None)


def _interleaved(parts: Sequence[Part]) -> list[Part]:
    """Each BatchNorm behind the layer of its own number."""
    norms = of_kind(parts, "norm")
    layers = [*of_kind(parts, "conv"), *of_kind(parts, "linear")]
    if not norms or len(norms) > len(layers):
        return list(parts)
    return [part for pair in itertools.zip_longest(layers, norms) for part in pair if part]


def _chained(row: Sequence[Part]) -> bool:
    wide, flat = 0, False
    for part in row:
        if part.kind == "norm":
            if set(part.tensors) not in _NORMS or part.shape[0] != wide:
                return False
            continue
        if part.kind == "conv" and not flat and part.shape[2] == part.shape[3]:
            fits = part.shape[1] == wide if wide else part.shape[1] in SIZES
        elif part.kind == "linear":
            fits = not wide or part.shape[1] == wide or (not flat and part.shape[1] % wide == 0)
            flat = True
        else:
            return False
        if not fits:
            return False
        wide = part.shape[0]
    return len(of_kind(row, "linear", "conv")) > 1 and row[-1].kind == "linear"


def _looks_plain(row: Sequence[Part]) -> bool:
    """Whether names are those of one layer behind the other, and not of blocks, which may hold shortcuts."""
    for part in row:
        words = part.name.split(".")
        if len(words) > 3 or not all(_WORD.fullmatch(word) for word in words):
            return False
        numbered = [word[-1:].isdigit() for word in words]
        if any(a and not b.isdigit() for a, b in zip(numbered, words[1:], strict=False)):
            return False
    gaps = [gap(one, other) for one, other in itertools.pairwise(row) if other.kind != "norm"]
    known = [one for one in gaps if one is not None]
    return not known or all(known) or not any(known)  # a list of layers, or activations between all of them
