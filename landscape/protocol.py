"""What a result's numbers depend on besides the network: each field is named, checked and explained once.

The command line makes its options of these fields, an objective takes them as keywords, and results record
them. Free of torch, so that ``--help`` costs nothing.
"""

from __future__ import annotations

import math
import typing
from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from landscape.errors import ArgumentError, LandscapeError

if TYPE_CHECKING:
    from landscape.losses import SampleLoss
    from landscape.results import Check
    from landscape.samples import Normalisation

LARGEST_SEED = 2**32 - 1
"""What NumPy's generators take."""
_DROPOUT = ("off", "fixed", "fresh")


class Dropout(str):
    """A mode of dropout.

    `off`: the layer is the identity. `fixed`: one mask for the whole result. `fresh`: one per evaluation.
    `ensemble:N`: the mean prediction over N masks.

    Attributes:
        passes: How many passes an ensemble averages; None in the other modes.
    """

    passes: int | None

    def __new__(cls, mode: str) -> Dropout:
        """Read the mode.

        Raises:
            LandscapeError: If there is no such mode.
        """
        made = super().__new__(cls, mode)
        name, _, count = mode.partition(":")
        if mode not in _DROPOUT and (name != "ensemble" or not count.isdecimal() or int(count) < 1):
            raise ArgumentError(
                f"dropout is {mode!r}; choose one of {', '.join(_DROPOUT)}, or ensemble:N with N passes"
            )
        made.passes = None if mode in _DROPOUT else int(count)
        return made


def stated(default: Any, help: str, **more: Any) -> Any:
    """A field, with all that is to be said of it, in its `metadata`.

    Args:
        default: Its default.
        help: What it is, in a sentence.
        **more: `label` (its name in messages, where that is another), `choices` (its values, where these are
            few), `least` (its smallest value, where it is a number); and of its option on the command line
            `option` (its name, where that is another), `metavar`, `most` (its largest value), `group` (its
            heading in ``--help``) and `hidden` (whether ``--help`` says nothing of the default).
    """
    return field(default=default, metadata={"help": help, **more})


def _run(default: Any, help: str, **more: Any) -> Any:
    """A field about how the work is done, and under which heading its option stands."""
    return stated(default, help, group="Run", **more)


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which samples; see `fields_of` for what each field means."""

    data: str = stated(
        "demo",
        "demo, cifar10:DIR, cifar100:DIR, npz:FILE, images:DIR[,resize=256,crop=224,channels=1], "
        "torchvision:NAME:DIR, hf:FOLDER or file.py:NAME.",
        metavar="SPEC",
    )
    workers: int = _run(
        0, "Processes that read samples ahead where these are read lazily.", least=0, most=64, hidden=True
    )
    split: str = stated("test", "Split of the data set.", choices=("train", "test"))
    samples: int = stated(0, "The first N samples; 0 takes all.", least=0, hidden=True)
    at_most: bool = stated(False, "Whether a data set with fewer samples is taken whole instead of refused.")
    sample_seed: int | None = stated(
        None, "Draw the samples with this seed instead of the first ones.", least=0, most=LARGEST_SEED
    )
    normalisation: Normalisation | None = stated(
        None, "Overrides the network's own and the data set's usual one."
    )
    augment: int | None = stated(
        None,
        "Crop and flip each image once at random, with this seed, and keep it so.",
        metavar="SEED",
        least=0,
        most=LARGEST_SEED,
    )


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Under what an objective is measured; see `fields_of` for what each field means.

    Raises:
        LandscapeError: On an unknown mode, or a number that is negative or not finite.
    """

    weight_decay: float = stated(0.0, "λ of the term ½·λ·‖w‖².", label="weight decay", least=0)
    dropout: str = stated(
        "off", "MC dropout: none, one fixed mask, fresh masks in each evaluation, or the mean of N passes."
    )
    batch_norm: str = stated(
        "eval",
        "BatchNorm statistics: those stored, those of each micro-batch, or estimated anew at each point.",
        label="BatchNorm mode",
        choices=("eval", "batch", "recalibrate"),
    )
    precision: str = stated(
        "full",
        "Precision of the forward passes; the error of a reduced one is measured and stored.",
        choices=("full", "bfloat16", "tf32"),
    )
    compiled: bool = _run(
        False,
        "Run forward passes through torch.compile, as long as they give what plain ones give.",
        option="compile",
        hidden=True,
    )
    params: str | None = stated(
        None,
        "Parameters to move or differentiate, as in '*conv*'; '*' takes all, by default those "
        "that are not frozen.",
        metavar="PATTERN",
    )
    seed: int = _run(0, "Random seed.", least=0, most=LARGEST_SEED)
    dtype: str = stated("float32", "Working precision.")
    device: str = _run("auto", "auto, cpu or cuda[:i].")
    micro_batch: int = _run(
        0,
        "Micro-batch: samples evaluated at once; chosen automatically when left out.",
        option="batch-size",
        label="micro-batch",
        least=0,
        hidden=True,
    )
    task: Any = stated(
        "classification",
        "Task of the network: classification, binary, multi-label, regression, gaussian, pixels, tokens or "
        "language, with options as in pixels,ignore_index=255.",
        metavar="TASK",
    )
    loss: SampleLoss | str | None = stated(None, "Loss of each sample, or its name, in place of the task's.")

    def __post_init__(self) -> None:
        for each in fields(Protocol):
            _require(each, getattr(self, each.name))
        dtype = str(self.dtype).removeprefix("torch.")
        if dtype not in ("float32", "float64"):
            raise LandscapeError(
                f"the objective works in float32 or float64, not {self.dtype}, whose rounding drowns "
                "curvature"
            )
        exact = {"dtype": dtype, "device": str(self.device), "dropout": Dropout(self.dropout)}
        for name, value in exact.items():
            object.__setattr__(self, name, value)

    def require_derivatives(self) -> None:
        """Refuse modes that have no derivatives.

        Raises:
            LandscapeError: In reduced precision, or where statistics of BatchNorm are estimated anew.
        """
        if self.precision != "full" or self.batch_norm == "recalibrate":
            raise LandscapeError(
                f"derivatives need full precision and BatchNorm in eval or batch mode, not "
                f"{self.precision} and {self.batch_norm}"
            )


Level = Literal["value", "gradient", "product"]
"""What is about to be computed; each checks what the ones before it do, too."""


class Checks(typing.Protocol):
    """What checks an objective before its numbers are used, such as `landscape.soundness.Soundness`."""

    culprit: Any

    def require(self, objective: Any, level: Level, *, report: bool = False) -> None:
        """Check what has not been checked."""

    def found(self) -> list[Check]:
        """All checks so far."""


FIELDS = frozenset(each.name for each in fields(Protocol))
"""Names of a protocol's fields."""


def fields_of(*kinds: type) -> dict[str, Field]:
    """The fields of `DataSpec` and `Protocol`, or of one of them, by name; see their `metadata`."""
    return {each.name: each for kind in kinds or (DataSpec, Protocol) for each in fields(kind)}


def mode(name: str) -> Any:
    """A property that reads one field of the `modes` of a pass or an objective."""
    return property(lambda self: getattr(self.modes, name), doc=fields_of()[name].metadata["help"])


def _require(one: Field, value: Any) -> None:
    said = one.metadata
    name, choices = said.get("label", one.name), said.get("choices")
    if choices and value not in choices:
        raise ArgumentError(f"the {name} is {value!r}; choose one of {', '.join(choices)}")
    if "least" in said and not said["least"] <= value < math.inf:
        raise ArgumentError(f"the {name} must be finite and not negative, got {value}")
