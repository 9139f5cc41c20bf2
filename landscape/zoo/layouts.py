"""The zoo's networks under anyone's names: inferred from shapes and order, and which name is which."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from landscape.errors import LandscapeError
from landscape.zoo import alternating, token_names
from landscape.zoo.config import ModelConfig
from landscape.zoo.families import BLOCKS, DEPTHS, HEADS
from landscape.zoo.naming import spec_of
from landscape.zoo.networks import VGG_CONVOLUTIONS, skeleton
from landscape.zoo.parts import Part, of_kind, parts_of
from landscape.zoo.smoothing import Smoothing

_BLOCK = re.compile(r"layer\d+\.\d+(?=\.)")
_SHORTCUT = re.compile(r"short|down|skip|proj|ident|match", re.IGNORECASE)
_KERNELS = {2: (1, 1), 3: (1, 2, 1), 5: (1, 4, 6, 4, 1)}


def infer(parts: Sequence[Part]) -> tuple[ModelConfig, dict[str, str]] | None:
    """The configuration whose network has layers of these shapes, whatever they are called.

    Returns:
        The configuration, and for each name of its network the one in the state dict; None if there is none.
    """
    for config in _configurations(parts):
        names = renamed(config, parts)
        if names is not None:
            return config, names
    return token_names.infer(parts)


def renamed(config: ModelConfig, parts: Sequence[Part]) -> dict[str, str] | None:
    """Which tensor of a state dict is which of a network's, by shapes, order and the names of shortcuts.

    Args:
        config: Of the network.
        parts: Layers of the state dict.

    Returns:
        The name in the state dict for each name of the network; None where the layers are others.
    """
    if config.architecture in ("vit", "mixer"):
        return token_names.renamed(config, parts)
    ours = parts_of({name: tuple(value.shape) for name, value in skeleton(config).state_dict().items()})
    pairs = _paired(ours, list(parts))
    if pairs is None or len(ours) != len(parts) or not all(one.like(other) for one, other in pairs):
        return None
    return {name: key for one, other in pairs for name, key in one.keys(other).items()}


def invisible(config: ModelConfig) -> str:
    """What shapes do not show of a network of the zoo, each with the option that says it."""
    spec = spec_of(config)
    more = f"{spec}{',' if ':' in spec else ':'}"
    if config.architecture in ("vit", "mixer"):
        count = f"how many heads there are ({more}heads=N), nor " if config.heads else ""
        return f"shapes do not show {count}MC dropout ({more}dropout=P)"
    heads = [head for head in HEADS if head not in (config.head, "mlp")]
    parted = f"how channels are parted among heads ({more}heads=N,head_dim=N)"
    unseen = [f"smoothing by the 2×2 box ({more}blur)", f"tanh, ReLU6 or scaling ({more}prob=tanh)"]
    if config.smoothing:
        unseen = [f"what precedes the blur (here {config.smoothing.prob}; prob=none, relu6 or scale)"]
    unseen += [parted] * bool(config.attend)
    unseen.append(f"MC dropout ({more}dropout=P)")
    if config.head != "mlp":
        unseen.append(f"another pooling than {config.head} ({', '.join(f'head={head}' for head in heads)})")
    return (
        f"shapes do not show {', '.join(unseen)}, nor strides, dilations, activations, the ε of norms and "
        "how shortcuts without weights pad or pool, which are taken as the zoo has them; if the network had "
        "them, say so with --model"
    )


# Configurations that could be meant


def _configurations(parts: Sequence[Part]) -> Iterator[ModelConfig]:
    convs = [conv for conv in of_kind(parts, "conv") if not _is_gate(conv)]
    dense, gates = (_dense(parts, bias) for bias in (True, False))
    stems = [conv for conv in convs if _is_stem(conv)]
    if len(stems) != 1 or len(dense) not in (1, 3):
        return
    stem = stems[0]
    values: dict[str, Any] = {"width": stem.shape[0], "classes": dense[-1].shape[0]}
    values |= {"head": "mlp", "hidden": dense[0].shape[0]} if len(dense) == 3 else {"head": "gap"}
    if gates:
        values["gate"] = "cbam" if any(_is_gate(conv) for conv in of_kind(parts, "conv")) else "se"
    inner = [conv for conv in convs if conv is not stem and conv.shape[2] > 1]
    points = sum(conv.shape[2] == 1 for conv in convs)
    for layout in (_residual(stem, inner, points), _plain(convs), alternating.candidates(parts, stem)):
        for more in layout:
            try:
                config = ModelConfig(**values | more)
                yield replace(config, smoothing=_smoothing(parts, config))
            except LandscapeError:
                continue  # a width or a number of classes that no network has


def _residual(stem: Part, inner: Sequence[Part], points: int) -> Iterator[dict[str, Any]]:
    """ResNets with this stem, these larger convolutions, and so many of 1×1."""
    width, counts = stem.shape[0], sorted(Counter(conv.shape[0] for conv in inner).items())
    kernel, first = stem.shape[2], counts[0][0] if counts else 0
    if kernel not in (3, 7) or [wide for wide, _ in counts] != [first << i for i in range(len(counts))]:
        return
    wider = (
        {"widening": first // width, "cardinality": inner[-1].shape[0] // inner[-1].shape[1]} if inner else {}
    )
    wider = {name: factor for name, factor in wider.items() if factor != 1}
    numbers = tuple(count for _, count in counts)
    plans: list[dict[str, Any]] = []
    if len(numbers) == 3 and len(set(numbers)) == 1 and kernel == 3:
        plans = [{"architecture": "cifar-resnet", "depth": 3 * numbers[0] + 2}]
    elif len(numbers) == 4:
        plans = [
            {"architecture": "resnet", "depth": depth, "stem": "imagenet" if kernel == 7 else "cifar"}
            for depth, blocks in BLOCKS.items()
            if numbers == (blocks if depth >= 50 else tuple(2 * count for count in blocks))
        ]
    for plan in plans:
        if plan["depth"] in DEPTHS[plan["architecture"]]:
            for preactivation in (False, True):
                for shortcut in ("B", "conv") if points else ("A",):
                    yield plan | wider | {"preactivation": preactivation, "shortcut": shortcut}


def _plain(convs: Sequence[Part]) -> Iterator[dict[str, Any]]:
    """VGG, and AlexNet with the kernel of one of its stems."""
    width, outs = convs[0].shape[0], [conv.shape[0] for conv in convs]
    for depth, counts in VGG_CONVOLUTIONS.items():
        if outs == [width * min(2**i, 8) for i, count in enumerate(counts) for _ in range(count)]:
            for preactivation in (False, True):
                yield {"architecture": "vgg", "depth": depth, "preactivation": preactivation}
    if outs == [width * factor for factor in (1, 3, 6, 4, 4)] and convs[0].shape[2] in (3, 11):
        stem = "imagenet" if convs[0].shape[2] == 11 else "cifar"
        yield {"architecture": "alexnet", "depth": 8, "stem": stem}


def _smoothing(parts: Sequence[Part], config: ModelConfig) -> Smoothing | None:
    """Smoothing layers with a stored kernel; their Prob is taken to be the paper's default."""
    blurs = of_kind(parts, "blur")
    if not blurs or blurs[0].shape[2] not in _KERNELS:
        return None
    whole = Smoothing(kernel=_KERNELS[blurs[0].shape[2]])
    if len(blurs) == len(replace(config, smoothing=whole).smoothed_stages):
        return whole
    numbers = [re.search(r"\d+", blur.name) for blur in blurs]
    first = config.architecture not in ("vgg", "alexnet")  # whose stages count from 0
    stages = {int(found[0]) + 1 - first for found in numbers if found}
    return replace(whole, stages=tuple(sorted(stages)))


# Which layer is which


def _paired(ours: list[Part], theirs: list[Part]) -> list[tuple[Part, Part]] | None:
    """Each layer of a network with its counterpart; None if there is none for one of them."""
    pairs: list[tuple[Part, Part]] = []

    def take(mine: Sequence[Part], others: Sequence[Part]) -> bool:
        if len(mine) != len(others):
            return False
        pairs.extend(zip(mine, others, strict=True))
        return True

    dense = [take(_dense(ours, bias), _dense(theirs, bias)) for bias in (True, False)]
    if not all([*dense, *(take(of_kind(ours, kind), of_kind(theirs, kind)) for kind in ("blur", "other"))]):
        return None
    # Where names are sorted, what stands beside the stem or the head in the tree belongs to them.
    beside = {"", pairs[0][1].parent, *(part.parent for part in theirs if _is_stem(part))}
    mine, others = (of_kind(each, "conv", "norm") for each in (ours, theirs))
    blocks: dict[str, list[Part]] = {}
    for part in mine:
        found = _BLOCK.match(part.name)
        blocks.setdefault(found[0] if found else "", []).append(part)
    outer = blocks.pop("", [])
    for part in outer:
        other = _outer(part, others, beside)
        if other is None:
            return None
        pairs.append((part, other))
        others.remove(other)
    for block in blocks.values():
        some, others = others[: len(block)], others[len(block) :]
        if not take(*_aligned(block, some)):
            return None
    return None if others else pairs


def _outer(part: Part, others: Sequence[Part], beside: set[str]) -> Part | None:
    """The counterpart of what stands in front of the first block, or behind the last."""
    fits = [other for other in others if other.like(part)]
    convs = [other.name for other in others if other.kind == "conv"]
    alone = {fit.parent for fit in fits if not any(name.startswith(f"{fit.parent}.") for name in convs)}
    near = [other for other in fits if other.parent in beside | alone] or fits
    behind = part.name == "bn" or part.name.startswith("classifier")
    return (near[-1] if behind else near[0]) if near else None


def _dense(parts: Sequence[Part], bias: bool) -> list[Part]:
    """Dense layers of the head, or those of gates, which have no biases."""
    return [part for part in of_kind(parts, "linear") if part.bias == bias]


def _is_gate(part: Part) -> bool:
    return part.kind == "conv" and part.shape[:2] == (1, 2)


def _is_stem(part: Part) -> bool:
    return part.kind == "conv" and part.shape[1] == 3


def _aligned(block: list[Part], some: list[Part]) -> tuple[list[Part], list[Part]]:
    """The layers of a block, and as many of a file, in one order: main road first, then the shortcut."""
    cuts = [part for part in block if ".shortcut." in part.name]
    main = [part for part in block if part not in cuts]
    order = [*of_kind(main, "conv"), *of_kind(main, "norm"), *cuts]
    convs, norms = of_kind(some, "conv"), of_kind(some, "norm")
    cut: list[Part] = []
    for part in cuts:
        pool = convs if part.kind == "conv" else norms
        fits = [other for other in pool if other.like(part)]
        if part.kind == "conv":  # what stays must be the main road
            roads = [one.shape for one in of_kind(main, "conv")]
            fits = [fit for fit in fits if [other.shape for other in pool if other is not fit] == roads]
        if not fits:
            return order, []
        cut.append(_likeliest(fits, cut, some))
        pool.remove(cut[-1])
    return order, [*convs, *norms, *cut]


def _likeliest(fits: list[Part], cut: list[Part], some: list[Part]) -> Part:
    """Of layers that could be the shortcut's: that called so, else that beside its rest, else the last."""
    called = [fit for fit in fits if _SHORTCUT.search(fit.name)]
    if called:
        return called[-1]
    if cut:
        beside = [
            fit for fit in fits if fit.parent == cut[0].parent and len(_children(some, fit.parent)) == 2
        ]
        after = [fit for fit in fits if some.index(fit) > some.index(cut[0])]
        return (beside or after or fits)[0]
    alone = [fit for fit in fits if len(_children(some, fit.parent)) <= 2]
    return (alone or fits)[-1]


def _children(some: list[Part], place: str) -> list[Part]:
    return [part for part in some if part.parent == place]
