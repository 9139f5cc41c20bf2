"""Options that mean the same everywhere, and what they become."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.errors import LandscapeError
from landscape.work import Progress, bar, silent

if TYPE_CHECKING:
    from landscape.analyses import Settings
    from landscape.network import Network


class Numbers(click.ParamType):
    """Comma-separated numbers, such as ``0.49,0.48,0.45``."""

    name = "x,y,z"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        """Text to a tuple of floats."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 0.49,0.48,0.45", param, ctx)


class Whole(click.ParamType):
    """Comma-separated whole numbers from 0, such as ``0,5``."""

    name = "i,j"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Text to a tuple of integers."""
        if isinstance(value, tuple):
            return value
        parts = value.split(",")
        if not all(part.strip().isdecimal() for part in parts):
            self.fail(f"{value!r} is not a list of whole numbers such as 0,5", param, ctx)
        return tuple(int(part) for part in parts)


class Span(click.ParamType):
    """Half the side of a surface: a number, or ``auto:FACTOR``."""

    name = "SPAN"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, float]:
        """Text to the span and the factor, one of which is 0."""
        if isinstance(value, tuple):
            return value
        name, _, factor = value.partition(":")
        try:
            return (0.0, float(factor or 10)) if name == "auto" else (float(value), 0.0)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor auto:FACTOR", param, ctx)


class Dropout(click.ParamType):
    """A dropout mode: off, fixed, fresh or ``ensemble:N``."""

    name = "off|fixed|fresh|ensemble:N"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The mode as it was given."""
        if not re.fullmatch(r"off|fixed|fresh|ensemble:[1-9][0-9]{0,3}", value):
            self.fail(f"{value!r} is none of off, fixed, fresh and ensemble:N", param, ctx)
        return value


class Precision(click.Choice):
    """The working precisions; a reduced one is refused with a reason."""

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The name of a working precision."""
        if value in ("bfloat16", "float16", "half", "tf32"):
            self.fail(
                f"rounding in {value} would drown small eigenvalues and differences of the loss; "
                "choose float32 or float64",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9}


class Bytes(click.ParamType):
    """An amount of memory, such as ``4GB`` or ``500MB``."""

    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Text to bytes."""
        if isinstance(value, int):
            return value
        text = value.strip().upper()
        try:
            size = float(text[:-2]) * _UNITS[text[-2:]]
        except (ValueError, KeyError):
            size = 0.0
        if not 0 < size < float("inf"):
            self.fail(f"{value!r} is not an amount of memory such as 4GB or 500MB", param, ctx)
        return int(size)


MODEL = click.option(
    "--model",
    metavar="SPEC",
    help="Zoo name (resnet18:blur), file.py:factory or package.module:factory; inferred when left out.",
)
SMOOTH = click.option(
    "--smooth",
    metavar="SPEC",
    help="What if: put smoothing into the trained network, weights untouched, as in blur or "
    "relu6-blur@layer1,layer2.",
)
DATA = click.option(
    "--data",
    metavar="SPEC",
    default="demo",
    show_default=True,
    help="demo, cifar10:DIR, cifar100:DIR, npz:FILE or images:DIR.",
)
_SEEDS = click.IntRange(0, 2**32 - 1)
SEED = click.option("--seed", type=_SEEDS, default=0, show_default=True, help="Random seed.")
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda[:i].")
SAMPLE_SEED = click.option(
    "--sample-seed", type=_SEEDS, help="Draw the samples with this seed instead of the first ones."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Write one JSON object to stdout.")
QUIET = click.option("--quiet", is_flag=True, help="No progress and no log lines.")

_PROTOCOL = (
    MODEL,
    SMOOTH,
    DATA,
    SAMPLE_SEED,
    click.option("--mean", type=Numbers(), help="Per-channel mean of images in [0, 1]; needs --std."),
    click.option("--std", type=Numbers(), help="Per-channel standard deviation; needs --mean."),
    click.option(
        "--augment", type=_SEEDS, metavar="SEED", help="Freeze one draw of crop and flip with this seed."
    ),
    click.option(
        "--weight-decay", type=float, default=0.0, show_default=True, help="λ of the term ½·λ·‖w‖²."
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(min=0),
        default=0,
        help="Micro-batch: samples evaluated at once; chosen when left out.",
    ),
    DEVICE,
    click.option(
        "--dtype",
        type=Precision(["float32", "float64"]),
        default="float32",
        show_default=True,
        help="Working precision.",
    ),
    SEED,
    click.option(
        "--params",
        default=None,
        metavar="PATTERN",
        help="Parameters to move or differentiate, as in '*conv*'; those not frozen by default, '*' is all.",
    ),
    JSON,
    QUIET,
)


def protocol_options(samples: int, *, dropout: str = "off", split: str = "test") -> Callable:
    """Decorator: the shared options, collected into one `Request` given as ``request``.

    Args:
        samples: Default number of samples; 0 is all.
        dropout: Default dropout mode.
        split: Default split.
    """
    usual = f"default: {samples}, or all where there are fewer" if samples else "default: all"
    own = (
        click.option(
            "--split",
            type=click.Choice(["train", "test"]),
            default=split,
            show_default=True,
            help="Part of the data set.",
        ),
        click.option(
            "--samples",
            type=click.IntRange(min=0),
            help=f"The first N samples; 0 takes all. [{usual}]",
        ),
        click.option(
            "--dropout",
            type=Dropout(),
            default=dropout,
            show_default=True,
            help="MC dropout: none, one fixed mask, fresh masks each evaluation, or the mean of N passes.",
        ),
    )

    def decorate(function: Callable) -> Callable:
        def wrapped(**values: Any) -> Any:
            names = Request.__dataclass_fields__
            shared = {name: values.pop(name) for name in list(values) if name in names}
            request = Request(**shared, usual_samples=samples)
            return function(request=request, **values)

        wrapped.__name__, wrapped.__doc__ = function.__name__, function.__doc__
        vars(wrapped)["__click_params__"] = list(getattr(function, "__click_params__", []))
        for option in reversed(own + _PROTOCOL):
            option(wrapped)
        return wrapped

    return decorate


@dataclass(frozen=True)
class Request:
    """The shared options as the user gave them."""

    model: str | None
    smooth: str | None
    data: str
    split: str
    samples: int | None
    sample_seed: int | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    augment: int | None
    weight_decay: float
    dropout: str
    batch_size: int
    device: str
    dtype: str
    seed: int
    params: str | None
    as_json: bool
    quiet: bool
    usual_samples: int = 0

    def settings(self) -> Settings:
        """The protocol these options state.

        Raises:
            LandscapeError: If only one of --mean and --std is given.
        """
        from landscape.analyses import Settings
        from landscape.samples import Normalisation

        if (self.mean is None) != (self.std is None):
            raise LandscapeError("--mean and --std belong together; give both or neither")
        same = (
            "data",
            "split",
            "sample_seed",
            "augment",
            "weight_decay",
            "params",
            "batch_size",
            "device",
            "dtype",
            "seed",
        )
        return Settings(
            **{name: getattr(self, name) for name in same},
            samples=self.usual_samples if self.samples is None else self.samples,
            at_most=self.samples is None,
            dropout=self.dropout,
            normalisation=Normalisation(self.mean, self.std) if self.mean and self.std else None,
        )

    def network(self, path: str | Path) -> Network:
        """The network of a checkpoint file; what there is to know about its loading goes to stderr."""
        from landscape import checkpoint

        network = checkpoint.load(path, self.model)
        if self.smooth:
            from landscape.zoo import operated

            network = operated(network, self.smooth)
        for note in network.notes:
            self.say(f"{network.name}: {note}")
        return network

    @property
    def progress(self) -> Progress:
        """A bar on stderr, or nothing when quiet."""
        return silent if self.quiet else bar

    def say(self, line: str) -> None:
        """A log line on stderr."""
        if not self.quiet:
            click.echo(line, err=True)


def result_path(out: str | None, network: Network, kind: str) -> Path:
    """Where a dataset goes: ``--out``, or under ``landscape-out``.

    Raises:
        ResultError: If it cannot go there.
    """
    from landscape.results import check_place

    return check_place(out or Path("landscape-out") / f"{network.name}-{kind}.zarr")


OUT = click.option("--out", metavar="PATH", help="Where the dataset goes [landscape-out/NAME-KIND.zarr].")
CHECKPOINT = click.argument("checkpoint", metavar="CKPT", type=click.Path())
