"""One description that composes every network of the zoo, and the names that abbreviate it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from landscape.errors import LandscapeError, printable

DEPTHS = {
    "cifar-resnet": (8, 14, 20, 26, 32, 38, 44, 50, 56, 110),
    "resnet": (18, 34, 50),
    "vgg": (11, 13, 16, 19),
}
WIDTHS = {"cifar-resnet": 16, "resnet": 64, "vgg": 64}
STAGES = {"cifar-resnet": 3, "resnet": 4, "vgg": 5}
HEADS = ("gap", "mlp", "max", "median")
PROBS = ("tanh", "relu6", "scale", "none")
TEMPERATURES = {"tanh": 10.0, "scale": 5.0}
KERNELS = ((1,), (1, 1), (1, 2, 1), (1, 4, 6, 4, 1))
SHORTCUTS = ("A", "B", "conv")


LARGEST = {"width": 65_536, "hidden": 10**6, "classes": 10**6}
"""What a field may hold at most: larger networks are none that anybody trained."""
_TEMPERATURES = (1e-3, 1e6)


def _choice(name: str, value: Any, allowed: tuple) -> None:
    if type(value) is not type(allowed[0]) or value not in allowed:
        raise LandscapeError(f"{name} is {_shown(value)}; choose one of {', '.join(map(str, allowed))}")


def _shown(value: Any) -> str:
    """A value in a message; a whole number of thousands of digits has no text."""
    huge = isinstance(value, int) and abs(value) >= 10**20
    return f"a number of {value.bit_length():,} bits" if huge else printable(repr(value), 60)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Smoothing:
    """A smoothing layer Blur(Prob(z)) at the end of stages (Park & Kim 2022, eq. 5–8).

    Attributes:
        kernel: One-dimensional factor k of the blur k kᵀ/‖k‖₁²; (1,) is no blur.
        prob: `tanh` is ReLU(τ·tanh(z/τ)), `relu6` is min(max(z, 0), 6), `scale` is z/τ, `none` is z.
        temperature: τ of `tanh` and `scale`; 0 stands for the paper's 10 and 5.
        stages: Stages (from 1) that end with it; None is the paper's placement.
    """

    kernel: tuple[int, ...] = (1, 1)
    prob: str = "tanh"
    temperature: float = 0.0
    stages: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "kernel", tuple(self.kernel))
            if self.stages is not None:
                object.__setattr__(self, "stages", tuple(sorted(self.stages)))
        except TypeError as error:
            raise LandscapeError(
                "kernel and stages are lists of integers, "
                f"got {_shown(self.kernel)} and {_shown(self.stages)}"
            ) from error
        if any(type(each) is not int for each in (*self.kernel, *(self.stages or ()))):
            raise LandscapeError("kernel and stages are lists of integers, got something else in them")
        _choice("the smoothing kernel", self.kernel, KERNELS)
        _choice("prob", self.prob, PROBS)
        low, high = _TEMPERATURES
        if not _number(self.temperature) or not (self.temperature == 0 or low <= self.temperature <= high):
            raise LandscapeError(
                f"the temperature must be from {low:g} to {high:g}, got {_shown(self.temperature)}"
            )
        if self.temperature == 0:
            object.__setattr__(self, "temperature", TEMPERATURES.get(self.prob, 0.0))


@dataclass(frozen=True)
class ModelConfig:
    """Everything that distinguishes one network of the zoo from another.

    Attributes:
        architecture: `cifar-resnet` (He et al. 2016, three stages), `resnet` (four stages, as in Park & Kim's
            code) or `vgg`.
        depth: Number of weight layers in the name, such as 20.
        width: Channels of the first stage; 0 is the usual one (16 or 64).
        head: `gap`, `mlp`, `max` or `median` pooling before the classifier.
        hidden: Hidden units of the `mlp` head.
        head_dropout: Dropout of the `mlp` head while training.
        smoothing: Smoothing layers, or None.
        activation: `relu` or `relu6`, for every activation of the network.
        preactivation: BatchNorm and activation before each convolution.
        dropout: MC-dropout rate inside the blocks; 0 is a deterministic network.
        classes: Number of classes.
        stem: `cifar` (3×3, stride 1) or `imagenet` (7×7, stride 2, max pooling); `resnet` only.
        shortcut: `A` (subsample and pad with zeros), `B` (1×1 convolution and BatchNorm) or `conv` (1×1
            convolution alone); "" is the architecture's usual one.
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

    def __post_init__(self) -> None:
        _choice("the architecture", self.architecture, tuple(DEPTHS))
        _choice(f"the depth of {self.architecture}", self.depth, DEPTHS[self.architecture])
        _choice("the activation", self.activation, ("relu", "relu6"))
        _choice("the stem", self.stem, ("cifar", "imagenet"))
        self._fill("width", WIDTHS[self.architecture])
        self._fill("head", "mlp" if self.architecture == "vgg" else "gap")
        self._fill("shortcut", self._usual_shortcut())
        _choice("the head", self.head, HEADS)
        _choice("the shortcut", self.shortcut, SHORTCUTS)
        _choice("preactivation", self.preactivation, (True, False))
        for name in ("dropout", "head_dropout"):
            value = getattr(self, name)
            if not _number(value) or not 0 <= value < 1:
                raise LandscapeError(f"{name} must lie in [0, 1), got {_shown(value)}")
        for name, most in LARGEST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise LandscapeError(f"{name} must be an integer from 1 to {most:,}, got {_shown(value)}")
        if self.stem == "imagenet" and self.architecture != "resnet":
            raise LandscapeError(f"only resnet has an imagenet stem, not {self.architecture}")
        stages = self.smoothing.stages if self.smoothing else None
        if stages and not set(stages) <= set(range(1, self.stages + 1)):
            raise LandscapeError(
                f"{self.architecture} has stages 1 to {self.stages}, smoothing asks for {stages}"
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
    def smoothed_stages(self) -> tuple[int, ...]:
        """Stages (from 1) that end with a smoothing layer.

        The paper's placement is after every stage; pre-activation ResNets leave out the last, which BatchNorm
        and an activation follow anyway.
        """
        if self.smoothing is None:
            return ()
        if self.smoothing.stages is not None:
            return self.smoothing.stages
        last = self.stages - 1 if self.preactivation and self.architecture != "vgg" else self.stages
        return tuple(range(1, last + 1))

    @property
    def name(self) -> str:
        """Short name such as ``preresnet18-blur-mcd0.3``; `parse` reads the full specification instead."""
        base = {"cifar-resnet": "cifar-preresnet", "resnet": "preresnet", "vgg": "prevgg"}
        parts = [
            f"{base[self.architecture] if self.preactivation else self.architecture}{self.depth}",
            self.head,
        ]
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
        return asdict(self)

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


_ALIASES = {
    "cifar-preresnet": ("cifar-resnet", True),
    "preresnet": ("resnet", True),
    "prevgg": ("vgg", True),
    "cifar-resnet": ("cifar-resnet", False),
    "resnet": ("resnet", False),
    "vgg": ("vgg", False),
}
_SMOOTHING_FIELDS = {"kernel", "prob", "temperature", "stages"}


def is_zoo_name(spec: str) -> bool:
    """Whether a specification names an architecture of the zoo and a depth (its options may be wrong)."""
    family, depth, _ = _split(spec)
    return family in _ALIASES and bool(depth)


def _split(spec: str) -> tuple[str, str, str]:
    """Family, depth and options of ``resnet18:blur``."""
    name, _, options = spec.partition(":")
    family = name.rstrip("0123456789")
    return family.rstrip("-"), name[len(family) :], options


def parse(spec: str) -> ModelConfig:
    """Read a model specification ``NAME[:key=value,…]``.

    NAME is an architecture and a depth (``resnet18``, ``cifar-resnet20``, ``preresnet18``, ``vgg16``,
    ``prevgg16``, ``cifar-preresnet20``); the keys are the fields of `ModelConfig` and of `Smoothing`, lists
    written with dashes: ``resnet18:head=gap,kernel=1-2-1,prob=tanh,dropout=0.3,classes=100``. The word
    ``blur`` alone asks for the paper's default smoothing.

    Raises:
        LandscapeError: If a name, key or value is not known; the message lists those that are.
    """
    family, digits, options = _split(spec)
    if family not in _ALIASES or not digits:
        known = ", ".join(f"{k}{DEPTHS[a][0]}" for k, (a, _) in _ALIASES.items())
        raise LandscapeError(
            f"unknown model {spec!r}; zoo names are an architecture and a depth ({known}, …); "
            "for your own network give file.py:factory or package.module:factory"
        )
    architecture, preactivation = _ALIASES[family]
    values: dict[str, Any] = {
        "architecture": architecture,
        "depth": int(digits),
        "preactivation": preactivation,
    }
    smoothing: dict[str, Any] = {}
    for item in filter(None, options.split(",")):
        key, _, text = item.partition("=")
        if key == "blur" and not text:
            smoothing.setdefault("kernel", (1, 1))
        elif key in _SMOOTHING_FIELDS:
            smoothing[key] = _parse_value(key, text)
        elif key in {f.name for f in fields(ModelConfig)} - {"architecture", "depth", "smoothing"}:
            values[key] = _parse_value(key, text)
        else:
            allowed = sorted({f.name for f in fields(ModelConfig)} | _SMOOTHING_FIELDS | {"blur"})
            raise LandscapeError(f"unknown option {key!r} in model {spec!r}; known are {', '.join(allowed)}")
    config = ModelConfig.from_dict(values)
    return replace(config, smoothing=Smoothing(**smoothing)) if smoothing else config


def _parse_value(key: str, text: str) -> Any:
    try:
        if key in ("kernel", "stages"):
            return tuple(int(part) for part in text.split("-"))
        if key in ("head", "activation", "stem", "shortcut", "prob"):
            return text
        if key == "preactivation":
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                text.lower()
            ]
        return float(text) if key in ("dropout", "head_dropout", "temperature") else int(text)
    except (ValueError, KeyError) as error:
        raise LandscapeError(f"option {key!r} cannot be {text!r}") from error
