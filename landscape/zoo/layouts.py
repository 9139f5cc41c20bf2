"""Known key layouts: the architecture that a state dict's names and shapes betray."""

from __future__ import annotations

from collections.abc import Mapping

from landscape.zoo.config import ModelConfig, Smoothing
from landscape.zoo.networks import BLOCKS, VGG_CONVOLUTIONS

Shapes = Mapping[str, tuple[int, ...]]

INVISIBLE = (
    "the keys do not show MC dropout, nor smoothing by the 2×2 box, tanh, ReLU6 or scaling, nor which global "
    "pooling the head uses; if the network had them, say so with --model"
)


def infer(shapes: Shapes) -> tuple[ModelConfig, tuple[str, ...]] | None:
    """The configuration whose network has these keys, and what a user should know about the guess.

    Args:
        shapes: Shape of each tensor by its state-dict name.

    Returns:
        None if no layout is recognised. The caller still checks every key and shape against the network.
    """
    for layout in (_cifar_resnet, _resnet, _vgg):
        try:
            config = layout(shapes)
        except (IndexError, ValueError):  # the names of this layout on tensors of other dimensions
            continue
        if config is not None:
            return config, (f"architecture inferred: {config.name}; {INVISIBLE}",)
    return None


def _count(shapes: Shapes, prefix: str, suffix: str) -> int:
    """Number of keys ``prefix{i}suffix`` with i a number."""
    return sum(
        key.startswith(prefix) and key.endswith(suffix) and key[len(prefix) : -len(suffix)].isdigit()
        for key in shapes
    )


def _smoothing(shapes: Shapes) -> Smoothing | None:
    """Smoothing layers with a stored kernel; their Prob is taken to be the paper's default."""
    filters = {key: shape for key, shape in shapes.items() if key.endswith(".blur.filter")}
    if not filters:
        return None
    kernels = {3: (1, 2, 1), 5: (1, 4, 6, 4, 1)}
    return Smoothing(kernel=kernels.get(next(iter(filters.values()))[-1], (1, 2, 1)))


def _head(shapes: Shapes, classifiers: tuple[str, ...]) -> dict | None:
    """Head, hidden units and classes from the dense layers found under one of these names."""
    for name in classifiers:
        if f"{name}.dense3.weight" in shapes:
            classes, hidden = shapes[f"{name}.dense3.weight"]
            return {"head": "mlp", "hidden": hidden, "classes": classes}
        for key in (f"{name}.dense.weight", f"{name}.weight"):
            if key in shapes and len(shapes[key]) == 2:
                return {"head": "gap", "classes": shapes[key][0]}
    return None


def _shortcut(shapes: Shapes, block: str) -> str:
    if f"{block}.shortcut.0.weight" not in shapes:
        return "A"
    return "B" if f"{block}.shortcut.1.weight" in shapes else "conv"


def _cifar_resnet(shapes: Shapes) -> ModelConfig | None:
    blocks = [_count(shapes, f"layer{i}.", ".conv1.weight") for i in (1, 2, 3)]
    head = _head(shapes, ("linear",))
    depth = 6 * blocks[0] + 2
    if (
        "conv1.weight" not in shapes
        or head is None
        or len(set(blocks)) != 1
        or depth not in (20, 32, 44, 56, 110)
    ):
        return None
    return ModelConfig(
        architecture="cifar-resnet",
        depth=depth,
        width=shapes["conv1.weight"][0],
        preactivation="bn1.weight" not in shapes,
        shortcut=_shortcut(shapes, "layer2.0"),
        smoothing=_smoothing(shapes),
        **head,
    )


def _resnet(shapes: Shapes) -> ModelConfig | None:
    blocks = tuple(_count(shapes, f"layer{i}.", ".conv1.weight") for i in (1, 2, 3, 4))
    head = _head(shapes, ("classifier.0", "classifier.1", "classifier.3"))
    bottleneck = "layer1.0.conv3.weight" in shapes
    depths = [d for d, counts in BLOCKS.items() if counts == blocks and (d >= 50) == bottleneck]
    if "layer0.0.weight" not in shapes or head is None or not depths:
        return None
    stem = shapes["layer0.0.weight"]
    return ModelConfig(
        architecture="resnet",
        depth=depths[0],
        width=stem[0],
        stem="imagenet" if stem[-1] == 7 else "cifar",
        preactivation="layer0.1.weight" not in shapes,
        shortcut=_shortcut(shapes, "layer2.0"),
        smoothing=_smoothing(shapes),
        **head,
    )


def _vgg(shapes: Shapes) -> ModelConfig | None:
    blocks = tuple(_count(shapes, f"layer{i}.", ".conv.weight") for i in range(5))
    head = _head(shapes, ("classifier.0", "classifier.2"))
    depths = [d for d, counts in VGG_CONVOLUTIONS.items() if counts == blocks]
    if "layer0.0.conv.weight" not in shapes or head is None or not depths:
        return None
    return ModelConfig(
        architecture="vgg",
        depth=depths[0],
        width=shapes["layer0.0.conv.weight"][0],
        preactivation=shapes["layer0.0.bn.weight"] != (shapes["layer0.0.conv.weight"][0],),
        smoothing=_smoothing(shapes),
        **head,
    )
