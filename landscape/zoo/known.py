"""Networks of torchvision and timm that the zoo does not have, inferred from their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from landscape.zoo.parts import Shapes

_BLOCKS: dict[tuple[int, ...], dict[str, int]] = {
    (1, 1, 1, 1): {"basic": 10, "bottleneck": 14},
    (2, 2, 2, 2): {"basic": 18, "bottleneck": 26},
    (3, 4, 6, 3): {"basic": 34, "bottleneck": 50},
    (3, 4, 23, 3): {"bottleneck": 101},
    (3, 8, 36, 3): {"bottleneck": 152},
    (3, 24, 36, 3): {"bottleneck": 200},
}
_WIDE = {
    (50, 32, 128): "torchvision:resnext50_32x4d",
    (101, 32, 256): "torchvision:resnext101_32x8d",
    (101, 64, 256): "torchvision:resnext101_64x4d",
    (50, 1, 128): "torchvision:wide_resnet50_2",
    (101, 1, 128): "torchvision:wide_resnet101_2",
}
"""By depth, groups and channels of the first block."""
_VIT = {192: "tiny", 384: "small", 768: "base", 1024: "large"}
_VGG = {8: 11, 10: 13, 13: 16, 16: 19}


def known(shapes: Shapes) -> str | None:
    """The specification of torchvision's or timm's network with these names and shapes, or None.

    Args:
        shapes: Shape of each tensor by name.
    """
    for look in (_resnet, _vision_transformer, _classic):
        try:
            found = look(shapes)
        except (IndexError, KeyError, ValueError):  # such names on tensors of other dimensions
            continue
        if found:
            return found
    return None


def _resnet(shapes: Shapes) -> str | None:
    if "layer1.0.conv2.weight" not in shapes or "fc.weight" not in shapes:
        return None
    counts = tuple(_count(shapes, rf"layer{i}\.\d+\.conv1\.weight") for i in (1, 2, 3, 4))
    kind = "bottleneck" if "layer1.0.conv3.weight" in shapes else "basic"
    depth = _BLOCKS.get(counts, {}).get(kind)
    stem = "deep" if "conv1.3.weight" in shapes else "plain"
    se = any(".se." in name for name in shapes)
    averaged = len(shapes.get("layer2.0.downsample.1.weight", ())) == 4
    wide, per_group = shapes["layer1.0.conv2.weight"][:2]
    groups = shapes["layer1.0.conv2.weight"][0] // per_group
    if depth is None or (stem == "plain" and shapes["conv1.weight"] != (64, 3, 7, 7)):
        return None
    if stem == "deep":
        end = {24: "t", 32: "d"}.get(shapes["conv1.0.weight"][0]) if averaged else None
        return f"timm:resnet{depth}{end}" if end and not se and groups == 1 and wide == 64 else None
    if se:
        return f"timm:seresnet{depth}" if groups == 1 and wide == 64 and not averaged else None
    if averaged:
        return None
    if wide == 64 and groups == 1:
        return f"{'timm' if depth in (10, 14, 26, 200) else 'torchvision'}:resnet{depth}"
    return _WIDE.get((depth, groups, wide))


def _vision_transformer(shapes: Shapes) -> str | None:
    theirs = "encoder.layers.encoder_layer_0.self_attention.in_proj_weight"
    if theirs in shapes and "conv_proj.weight" in shapes:
        size, patch = _VIT.get(shapes["class_token"][2]), shapes["conv_proj.weight"][2]
        return f"torchvision:vit_{size[0]}_{patch}" if size in ("base", "large") else None
    if "blocks.0.attn.qkv.weight" in shapes and "cls_token" in shapes and "head.weight" in shapes:
        size, patch = _VIT.get(shapes["cls_token"][2]), shapes["patch_embed.proj.weight"][2]
        depth = _count(shapes, r"blocks\.\d+\.attn\.qkv\.weight")
        plain = not any("gamma" in name or "norm_pre" in name or "q_norm" in name for name in shapes)
        usual = depth == (24 if size == "large" else 12)
        return f"timm:vit_{size}_patch{patch}_224" if size and plain and usual else None
    return None


def _classic(shapes: Shapes) -> str | None:
    """AlexNet and VGG, whose poolings and heads no shape shows."""
    if shapes.get("classifier.1.weight", ())[1:] == (9216,) and shapes["features.0.weight"] == (
        64,
        3,
        11,
        11,
    ):
        return "torchvision:alexnet"
    if shapes.get("classifier.0.weight", ())[1:] == (25088,) and shapes["features.0.weight"] == (64, 3, 3, 3):
        convs = sum(len(shape) == 4 for shape in shapes.values())
        norm = "_bn" if "features.1.running_mean" in shapes else ""
        return f"torchvision:vgg{_VGG[convs]}{norm}"
    return None


def _count(shapes: Mapping[str, object], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in shapes)
