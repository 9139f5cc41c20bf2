"""What the zoo has: architectures, their usual sizes, and names that stand for several options at once."""

from __future__ import annotations

from typing import Any

DEPTHS: dict[str, Any] = {
    "cifar-resnet": (8, 14, 20, 26, 32, 38, 44, 50, 56, 110),
    "resnet": (18, 34, 50, 101, 152),
    "vgg": (11, 13, 16, 19),
    "alexnet": (8,),
    "vit": range(1, 65),
    "mixer": range(1, 65),
}
WIDTHS = {"cifar-resnet": 16, "resnet": 64, "vgg": 64, "alexnet": 64, "vit": 192, "mixer": 256}
STAGES = {"cifar-resnet": 3, "resnet": 4, "vgg": 5, "alexnet": 3, "vit": 1, "mixer": 1}
HEADS = ("gap", "mlp", "max", "median")
HEADS_OF = {"vit": ("token",), "mixer": ("gap",)}
"""Heads of the architectures that have others than `HEADS`; the first is the usual one."""
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each stage of `resnet` by depth."""
BOTTLENECK = 50
"""Depth of `resnet` from which its blocks are bottlenecks."""

_RESIDUAL, _TOKENS = ("cifar-resnet", "resnet"), ("vit", "mixer")
TAKEN_BY: dict[str, tuple[str, ...]] = {
    "smoothing": ("cifar-resnet", "resnet", "vgg", "alexnet"),
    "preactivation": ("cifar-resnet", "resnet", "vgg"),
    "stem": ("resnet", "alexnet", *_TOKENS),
    "blocks": ("resnet",),
    "widening": ("resnet",),
    "cardinality": ("resnet",),
    "gate": _RESIDUAL,
    "attend": _RESIDUAL,
    "window": _RESIDUAL,
    "head_dim": _RESIDUAL,
    "heads": (*_RESIDUAL, "vit"),
    "patch": _TOKENS,
    "image": _TOKENS,
    "mlp_ratio": _TOKENS,
    "dialect": _TOKENS,
}
"""Architectures that have an option, for options that not all of them have."""

FAMILIES: dict[str, dict[str, Any]] = {
    "cifar-resnet": {"architecture": "cifar-resnet"},
    "cifar-preresnet": {"architecture": "cifar-resnet", "preactivation": True},
    "resnet": {"architecture": "resnet"},
    "preresnet": {"architecture": "resnet", "preactivation": True},
    "resnext": {"architecture": "resnet", "cardinality": 32, "widening": 2},
    "wideresnet": {"architecture": "resnet", "widening": 2},
    "seresnet": {"architecture": "resnet", "gate": "se"},
    "cbamresnet": {"architecture": "resnet", "gate": "cbam"},
    "alternet": {"architecture": "resnet", "preactivation": True, "attend": (0, 1, 3, 2)},
    "vgg": {"architecture": "vgg"},
    "prevgg": {"architecture": "vgg", "preactivation": True},
    "alexnet": {"architecture": "alexnet", "depth": 8},
    "vit": {"architecture": "vit"},
    "vit_ti": {"architecture": "vit", "depth": 12, "width": 192, "heads": 3},
    "vit_s": {"architecture": "vit", "depth": 12, "width": 384, "heads": 6},
    "mixer": {"architecture": "mixer"},
    "mixer_ti": {"architecture": "mixer", "depth": 8, "width": 256},
    "mixer_s": {"architecture": "mixer", "depth": 8, "width": 512},
}
"""Options by the names of Park & Kim's code; those without a depth of their own are followed by one."""

_OF_DEPTH: dict[tuple[str, int], dict[str, Any]] = {
    ("resnext", 101): {"widening": 4},
    ("alternet", 18): {"attend": (0, 1, 1, 1)},
    ("alternet", 34): {"blocks": (3, 4, 6, 4)},
    ("alternet", 50): {"blocks": (3, 4, 6, 4)},
    ("alternet", 101): {"blocks": (3, 4, 23, 4)},
    ("alternet", 152): {"blocks": (3, 8, 36, 4)},
}


def preset(family: str, depth: int) -> dict[str, Any]:
    """The options that a name stands for at a depth."""
    return {"depth": depth} | FAMILIES[family] | _OF_DEPTH.get((family, depth), {})


def has_depth(family: str) -> bool:
    """Whether a name says its depth by itself."""
    return "depth" in FAMILIES[family]


def usual_blocks(architecture: str, depth: int) -> tuple[int, ...]:
    """Residual blocks of each stage; none for other architectures."""
    if architecture == "cifar-resnet":
        return ((depth - 2) // 6,) * 3
    return BLOCKS[depth] if architecture == "resnet" else ()


def family_of(config: Any) -> str:
    """The name that says most of a configuration, such as ``resnext``; all that it stands for holds."""
    fits = [
        name
        for name in FAMILIES
        if all(getattr(config, key) == value for key, value in preset(name, config.depth).items())
    ]
    return max(fits, key=lambda name: len(preset(name, config.depth)))


def titled(family: str, depth: int) -> str:
    """The name with its depth, as `landscape.zoo.parse` reads it."""
    return family if has_depth(family) else f"{family}{depth}"
