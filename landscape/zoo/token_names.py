"""Transformers and mixers under the names of Park & Kim's code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isqrt

from landscape.errors import LandscapeError
from landscape.zoo.config import ModelConfig
from landscape.zoo.networks import skeleton
from landscape.zoo.parts import Part, joined

_BOTH = (
    (r"^embedding\.1\.cls_token$", "cls_token"),
    (r"^embedding\.2\.pos_embedding$", "pos_embed"),
    (r"^(?:transformers|mlps)\.(\d+)\.", r"blocks.\1."),
    (r"\.(?:attn|mhsa)\.to_qkv\.", ".attn.qkv."),
    (r"\.(?:attn|mhsa)\.to_out\.0\.", ".attn.proj."),
    (r"\.net\.0\.", ".fc1."),
    (r"\.net\.3\.", ".fc2."),
    (r"\.ff\.", ".mlp."),
    (r"\.ff1\.", ".mlp_tokens."),
    (r"\.ff2\.", ".mlp_channels."),
    (r"^classifier\.2\.", "head."),
)
_OWN = {
    "vit": ((r"^embedding\.0\.patch_embedding\.1\.", "patch_embed.proj."), (r"^classifier\.1\.", "norm.")),
    "mixer": ((r"^embedding\.0\.patch_embedding\.1\.", "stem.proj."), (r"^classifier\.0\.", "norm.")),
}


def renamed(config: ModelConfig, parts: Sequence[Part]) -> dict[str, str] | None:
    """The name in a state dict for each name of the network; None where names or shapes are others."""
    found = _translated(config.architecture, parts)
    ours = {name: tuple(value.shape) for name, value in skeleton(config).state_dict().items()}
    if {name: shape for name, (_, shape) in found.items()} != ours:
        return None
    return {name: found[name][0] for name in ours}


def infer(parts: Sequence[Part]) -> tuple[ModelConfig, dict[str, str]] | None:
    """The configuration with these names and shapes, heads of 64 channels; None if there is none."""
    for architecture in _OWN:
        shapes = {name: shape for name, (_, shape) in _translated(architecture, parts).items()}
        try:
            config = _told(architecture, shapes)
        except (KeyError, IndexError, ValueError, ZeroDivisionError, LandscapeError):
            continue  # such names on other shapes
        names = renamed(config, parts)
        if names is not None:
            return config, names
    return None


def _told(architecture: str, shapes: dict[str, tuple[int, ...]]) -> ModelConfig:
    width, pixels = shapes["patch_embed.proj.weight" if architecture == "vit" else "stem.proj.weight"]
    first = "mlp.fc1.weight" if architecture == "vit" else "mlp_channels.fc1.weight"
    tokens = (
        shapes["pos_embed"][1] - 1 if architecture == "vit" else shapes["blocks.0.mlp_tokens.fc1.weight"][1]
    )
    patch = isqrt(pixels // 3)
    return ModelConfig(
        architecture=architecture,
        depth=1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("blocks.")),
        width=width,
        patch=patch,
        image=patch * isqrt(tokens),
        mlp_ratio=shapes[f"blocks.0.{first}"][0] // width,
        classes=shapes["head.weight"][0],
        dialect="p2",
    )


def _translated(architecture: str, parts: Sequence[Part]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Key and shape in the file by the zoo's names."""
    found = {}
    for part in parts:
        for word, shape in part.tensors.items():
            key = name = joined(part.name, word)
            for old, new in (*_OWN[architecture], *_BOTH):
                name = re.sub(old, new, name)
            found[name] = (key, tuple(shape))
    return found
