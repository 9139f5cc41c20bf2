"""One description that composes every network of the zoo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from landscape.errors import LandscapeError, printable
from landscape.zoo.families import (
    BOTTLENECK,
    DEPTHS,
    HEADS,
    HEADS_OF,
    STAGES,
    TAKEN_BY,
    WIDTHS,
    family_of,
    preset,
    titled,
    usual_blocks,
)
from landscape.zoo.smoothing import Smoothing, choice, is_number, shown

SHORTCUTS = ("A", "B", "conv")
GATES = ("se", "cbam")
DIALECTS = ("timm", "p2")

LARGEST = {"width": 65_536, "hidden": 10**6, "classes": 10**6, "widening": 64, "cardinality": 65_536}
"""What a field may hold at most: larger networks are none that anybody trained."""
_LARGEST_OF_ATTENTION = {"heads": 1024, "head_dim": 4096, "window": 256}
_LARGEST_OF_TOKENS = {"patch": 1024, "image": 4096, "mlp_ratio": 64}
_SINCE_0_2 = (
    *("blocks", "widening", "cardinality", "gate", "attend", "heads", "head_dim", "window"),
    *("patch", "image", "mlp_ratio", "dialect"),
)
"""Fields that networks without them leave out, so that they are described as version 0.1 described them."""


@dataclass(frozen=True)
class ModelConfig:
    """Everything that distinguishes one network of the zoo from another.

    Attributes:
        architecture: `cifar-resnet` (He et al. 2016, three stages); `resnet` (four stages), `vgg` and
            `alexnet` as in Park & Kim's code; `vit` (Dosovitskiy et al. 2021) or `mixer` (Tolstikhin et al.
            2021).
        depth: Number of weight layers in the name, such as 20; of blocks for `vit` and `mixer`.
        width: Channels of the first stage, or of each token; 0 is the usual one.
        head: `gap`, `mlp`, `max` or `median` pooling before the classifier; `token` for `vit`.
        hidden: Hidden units of the `mlp` head.
        head_dropout: Dropout of the `mlp` head while training.
        smoothing: Smoothing layers, or None.
        activation: `relu` or `relu6`, for every activation of a convolutional network.
        preactivation: BatchNorm and activation before each convolution.
        dropout: MC-dropout rate inside the blocks; 0 is a deterministic network.
        classes: Number of classes.
        stem: `cifar` for images of 32×32, or `imagenet` for 224×224 (`resnet`: 7×7, stride 2, max pooling;
            `alexnet`: 11×11, stride 4; `vit` and `mixer`: the usual image and patch).
        shortcut: `A` (subsample and pad with zeros), `B` (1×1 convolution and BatchNorm) or `conv` (1×1
            convolution alone); "" is the architecture's usual one.
        blocks: Residual blocks of each stage; () are those of the depth.
        widening: Factor on the inner channels of bottlenecks (Zagoruyko & Komodakis 2016).
        cardinality: Groups of the 3×3 convolution of bottlenecks (Xie et al. 2017).
        gate: Behind the last convolution of residual blocks, "", `se` (Hu et al. 2018) or `cbam` (Woo et al.
            2018).
        attend: How many residual blocks at the end of each stage are self-attention instead, every other one
            counted from the last (AlterNet, Park & Kim 2022b); () is none.
        heads: Attention heads, with `attend` those of the first stage, which double from stage to stage; 0 is
            the usual number.
        head_dim: Channels of each head, with `attend`; 0 is 64.
        window: Side of the windows of attention in maps; 0 is 4, or 7 with the `imagenet` stem.
        patch: Side of a patch; 0 is 2, or 16 with the `imagenet` stem.
        image: Side of the images that position embeddings are for; 0 is 32 or 224.
        mlp_ratio: Hidden units of the MLPs of `vit` and `mixer` per channel; 0 is 4.
        dialect: `timm`, or `p2` for what Park & Kim's code has instead: patches by a dense layer, no biases
            of queries, keys and values, 1e-5 in LayerNorm, tokens mixed by a convolution.
    """

    architecture: str = "cifar-resnet"
    depth: int = 20
    width: int = 0
    head: str = ""
    hidden: int = 4096
    head_dropout: float = 0.5
    smoothing: Smoothing | None = None
    activation: str = "relu"
    preactivation: bool = False
    dropout: float = 0.0
    classes: int = 10
    stem: str = "cifar"
    shortcut: str = ""
    blocks: tuple[int, ...] = ()
    widening: int = 1
    cardinality: int = 1
    gate: str = ""
    attend: tuple[int, ...] = ()
    heads: int = 0
    head_dim: int = 0
    window: int = 0
    patch: int = 0
    image: int = 0
    mlp_ratio: int = 0
    dialect: str = ""

    def __post_init__(self) -> None:
        choice("the architecture", self.architecture, tuple(DEPTHS))
        choice(f"the depth of {self.architecture}", self.depth, DEPTHS[self.architecture])
        choice("the activation", self.activation, ("relu", "relu6"))
        choice("the stem", self.stem, ("cifar", "imagenet"))
        if self.gate != "":
            choice("the gate", self.gate, GATES)
        self._only_what_it_has()
        heads = HEADS_OF.get(self.architecture, HEADS)
        self._fill("width", WIDTHS[self.architecture])
        self._fill("head", "mlp" if self.architecture in ("vgg", "alexnet") else heads[0])
        self._fill("shortcut", self._usual_shortcut())
        choice("the head", self.head, heads)
        choice("the shortcut", self.shortcut, SHORTCUTS)
        choice("preactivation", self.preactivation, (True, False))
        for name in ("dropout", "head_dropout"):
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value < 1:
                raise LandscapeError(f"{name} must lie in [0, 1), got {shown(value)}")
        self._whole(LARGEST)
        stages = self.smoothing.stages if self.smoothing else None
        if stages and not set(stages) <= set(range(1, self.stages + 1)):
            raise LandscapeError(
                f"{self.architecture} has stages 1 to {self.stages}, smoothing asks for {stages}"
            )
        if self.architecture in ("vit", "mixer"):
            self._check_tokens()
        else:
            self._check_blocks()

    def _only_what_it_has(self) -> None:
        for name, owners in TAKEN_BY.items():
            if self.architecture not in owners and getattr(self, name) != _DEFAULTS[name]:
                raise LandscapeError(
                    f"{self.architecture} has no {name}, got {shown(getattr(self, name))}; "
                    f"{', '.join(owners)} {'have' if len(owners) > 1 else 'has'}"
                )

    def _whole(self, largest: Mapping[str, int]) -> None:
        for name, most in largest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise LandscapeError(f"{name} must be an integer from 1 to {most:,}, got {shown(value)}")

    def _check_blocks(self) -> None:
        """Residual blocks: how many, of which width, and which of them attend."""
        usual = usual_blocks(self.architecture, self.depth)
        for name, least in (("blocks", 1), ("attend", 0)):
            value = getattr(self, name)
            if value and not _counts(value, len(usual), least):
                raise LandscapeError(
                    f"{name} lists a whole number from {least} to 1,000 for each of the {len(usual)} stages, "
                    f"got {shown(value)}"
                )
            object.__setattr__(self, name, tuple(value) if value and any(value) else ())
        object.__setattr__(self, "blocks", () if self.blocks == usual else self.blocks)
        if self.widening * self.cardinality > 1 and self.depth < BOTTLENECK:
            raise LandscapeError(
                f"widening and cardinality are of bottlenecks, which begin at resnet{BOTTLENECK}, not of "
                f"resnet{self.depth}"
            )
        if self.width * self.widening % self.cardinality:
            raise LandscapeError(
                f"{self.width * self.widening} inner channels cannot be parted into {self.cardinality} "
                "groups (cardinality); choose a width or a cardinality that divides"
            )
        for held, attending in zip(self.stage_blocks, self.attend, strict=False):
            if 2 * attending > held:
                raise LandscapeError(
                    f"of {held} blocks of a stage at most {held // 2} can attend, every other one; attend "
                    f"asks for {attending}"
                )
        if self.attend:
            self._fill("heads", 3)
            self._fill("head_dim", 64)
            self._fill("window", 4 if self.stem == "cifar" else 7)
            self._whole(_LARGEST_OF_ATTENTION)
        elif self.heads or self.head_dim or self.window:
            raise LandscapeError(
                f"{self.architecture} has heads, head_dim and window where stages attend; give attend, as in "
                "attend=0-1-1-1"
            )

    def _check_tokens(self) -> None:
        """Transformers and mixers: images, patches, heads."""
        imagenet = self.stem == "imagenet"
        self._fill("image", 224 if imagenet else 32)
        self._fill("patch", 16 if imagenet else 2)
        self._fill("mlp_ratio", 4)
        self._fill("dialect", DIALECTS[0])
        choice("the dialect", self.dialect, DIALECTS)
        if self.activation != "relu":
            raise LandscapeError(f"{self.architecture} has GELU everywhere, not {self.activation}")
        self._whole(_LARGEST_OF_TOKENS)
        if self.image % self.patch:
            raise LandscapeError(
                f"images of {self.image} pixels cannot be cut into patches of {self.patch}; choose image "
                "and patch so that one divides the other"
            )
        if self.architecture == "vit":
            self._fill("heads", max(1, self.width // 64))
            self._whole({"heads": _LARGEST_OF_ATTENTION["heads"]})
            if self.width % self.heads:
                raise LandscapeError(
                    f"{self.width} channels (width) cannot be parted among {self.heads} heads; choose heads "
                    "that divide them"
                )

    def _fill(self, name: str, value: Any) -> None:
        if not getattr(self, name):
            object.__setattr__(self, name, value)

    def _usual_shortcut(self) -> str:
        if self.architecture == "cifar-resnet":
            return "A"
        return "conv" if self.preactivation else "B"

    @property
    def stages(self) -> int:
        """Number of stages."""
        return STAGES[self.architecture]

    @property
    def stage_blocks(self) -> tuple[int, ...]:
        """Residual blocks of each stage; none for other networks."""
        return self.blocks or usual_blocks(self.architecture, self.depth)

    def attends(self, stage: int, block: int) -> bool:
        """Whether a residual block, counted from 0 in its stage from 1, is self-attention."""
        behind = self.stage_blocks[stage - 1] - 1 - block
        return bool(self.attend) and behind % 2 == 0 and behind < 2 * self.attend[stage - 1]

    @property
    def smoothed_stages(self) -> tuple[int, ...]:
        """Stages (from 1) that end with a smoothing layer.

        The paper's placement is after every stage. Pre-activation ResNets leave out the last, which BatchNorm
        and an activation follow anyway, and so does the authors' code where blocks have gates.
        """
        if self.smoothing is None:
            return ()
        if self.smoothing.stages is not None:
            return self.smoothing.stages
        sooner = (self.preactivation or bool(self.gate)) and self.architecture != "vgg"
        return tuple(range(1, self.stages + 1 - sooner))

    @property
    def name(self) -> str:
        """Short name such as ``preresnet18-blur-mcd0.3``; `parse` reads the full specification instead."""
        family = family_of(self)
        parts, said = [titled(family, self.depth), self.head], preset(family, self.depth)
        for name in ("gate", "attend", "cardinality", "widening"):
            value = getattr(self, name)
            if value != said.get(name, _DEFAULTS[name]):
                parts.append(f"{name}{'.'.join(map(str, value)) if isinstance(value, tuple) else value}")
        if self.smoothing:
            blur = "" if self.smoothing.kernel == (1,) else "blur" + "".join(map(str, self.smoothing.kernel))
            parts.append("+".join(filter(None, [self.smoothing.prob, blur])))
        if self.activation != "relu":
            parts.append(self.activation)
        if self.dropout:
            parts.append(f"mcd{self.dropout:g}")
        return "-".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` reads them back."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in _SINCE_0_2 or value != _DEFAULTS[name]
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Rebuild from `to_dict`'s values.

        Raises:
            LandscapeError: On a field that no configuration has, or a value out of range.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise LandscapeError(
                f"unknown model field {printable(repr(unknown[0]), 60)}; known are {', '.join(sorted(known))}"
            )
        values = dict(values)
        try:
            if not isinstance(values.get("smoothing"), Smoothing | None):
                values["smoothing"] = Smoothing(**values["smoothing"])
            return cls(**values)
        except TypeError as error:
            raise LandscapeError(
                f"the model configuration has a field or value that does not fit: {printable(error, 200)}"
            ) from error


def _counts(value: Any, stages: int, least: int) -> bool:
    """Whether a value lists a number of blocks for each stage."""
    whole = isinstance(value, tuple | list) and all(type(count) is int for count in value)
    return whole and len(value) == stages and all(least <= count <= 1000 for count in value)


_DEFAULTS = {field.name: field.default for field in fields(ModelConfig)}
