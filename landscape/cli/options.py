"""Options that mean the same everywhere, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.budget import max_input
from landscape.cli.help import GroupedOption
from landscape.cli.joining import rank
from landscape.cli.values import DROPOUT, Bytes, Numbers, Precision, Written
from landscape.errors import LONGEST_LINE, printable
from landscape.protocol import DataSpec, Protocol, fields_of
from landscape.work import Progress, bar, silent

if TYPE_CHECKING:
    from landscape.analyses import Settings
    from landscape.network import Network
    from landscape.samples import Normalisation


def say(line: object, *, err: bool = False) -> None:
    """Print one line, of which nothing reaches the terminal but what it can show.

    Args:
        line: Names in it may come from files.
        err: Whether it goes to stderr.
    """
    click.echo(printable(line, LONGEST_LINE), err=err)


def _grouped(group: str, *flags: str, **more: Any) -> Callable:
    return click.option(*flags, cls=GroupedOption, group=group, **more)


MODEL = _grouped(
    "Network",
    "--model",
    metavar="SPEC",
    help="Architecture of checkpoints that carry none (CKPT@SPEC): a zoo name (resnet18:blur), timm:NAME, "
    "torchvision:NAME, hf:FOLDER, file.py:factory or package.module:factory, with ,key=value; inferred when "
    "left out.",
)
STATE_KEY = _grouped(
    "Network",
    "--state-key",
    metavar="KEY",
    help="Set of weights to take from a file with several, such as state_dict_ema; raw ones when left out.",
)
SMOOTH = _grouped(
    "Network",
    "--smooth",
    metavar="SPEC",
    help="Insert smoothing into the trained network, with the same weights, as in blur or "
    "relu6-blur@layer1,layer2.",
)


def _task(text: str) -> str:
    from landscape.tasks import task_of

    task_of(text)
    return text


_GRAMMARS: dict[str, click.ParamType] = {
    "task": Written("TASK", _task, "is no task, or has an option that it does not know"),
    "dropout": DROPOUT,
    "dtype": Precision(["float32", "float64"]),
}
"""Types of fields whose values need more than a choice or a range."""


def stated(name: str, *, usual: str = "", **changes: Any) -> Callable:
    """The option of a field of `landscape.protocol`: its name, type, default and help are stated there.

    Args:
        name: Of the field.
        usual: What happens where the option is left out, for the help.
        **changes: Of click's option, where a command differs from the others.
    """
    field = fields_of()[name]
    said = field.metadata
    group = said.get("group") or ("Data" if name in fields_of(DataSpec) else "Protocol")
    kind = _GRAMMARS.get(name)
    if "choices" in said:
        kind = click.Choice(said["choices"])
    elif "least" in said and not isinstance(field.default, float):
        kind = click.IntRange(said["least"], said.get("most"))
    shown = not said.get("hidden") and field.default is not None
    about = f"{said['help']} [{usual}]" if usual else said["help"]
    given: dict[str, Any] = {"type": kind, "default": field.default, "show_default": shown, "help": about}
    flag = said.get("option", name.replace("_", "-"))
    return _grouped(group, f"--{flag}", name, metavar=said.get("metavar"), **(given | changes))


def _allow(ctx: click.Context, param: click.Parameter, value: int) -> None:
    """Every reader of checkpoints and data keeps to it for as long as the command runs."""
    ctx.with_resource(max_input(value))


MAX_INPUT = _grouped(
    "Run",
    "--max-input",
    type=Bytes(),
    default="16GiB",
    expose_value=False,
    callback=_allow,
    help="Limit on the memory that a checkpoint or a data set declares to take.",
)
DATA, SAMPLE_SEED, SEED, DEVICE = map(stated, ("data", "sample_seed", "seed", "device"))
BATCH_NORM, PRECISION = stated("batch_norm"), stated("precision")
COMPILED = stated("compiled", type=None, is_flag=True)
JSON = _grouped("Output", "--json", "as_json", is_flag=True, help="Write one JSON object to stdout.")
JOIN = _grouped(
    "Run",
    "--join",
    is_flag=True,
    help="Share the work with all who are given the same command; each reports the result.",
)
STORE = _grouped(
    "Run",
    "--store",
    metavar="URL",
    help="Join, and keep what the workers share there, as in s3://BUCKET/PREFIX.",
)
QUIET = _grouped("Output", "-q", "--quiet", is_flag=True, help="No progress bar and no log lines.")

_SHARED = (
    MODEL,
    STATE_KEY,
    SMOOTH,
    MAX_INPUT,
    DATA,
    SAMPLE_SEED,
    _grouped("Data", "--mean", type=Numbers(), help="Per-channel mean of images in [0, 1]; needs --std."),
    _grouped("Data", "--std", type=Numbers(), help="Per-channel standard deviation; needs --mean."),
    *map(stated, ("workers", "task", "augment", "weight_decay", "micro_batch")),
    DEVICE,
    stated("dtype"),
    SEED,
    stated("params"),
    JOIN,
    STORE,
    JSON,
    QUIET,
)


def protocol_options(samples: int, *, dropout: str = "off", split: str = "test") -> Callable:
    """Decorator: the shared options, collected into one `Request` given as ``request``.

    Other options of the command that are fields of the protocol, such as ``--batch-norm``, join them.

    Args:
        samples: Default number of samples; 0 is all.
        dropout: Default dropout mode.
        split: Default split.
    """
    usual = f"default: {samples}, or all where there are fewer" if samples else "default: all"
    own = (
        stated("split", default=split),
        stated("samples", usual=usual, default=None),
        stated("dropout", default=dropout),
    )

    def decorate(function: Callable) -> Callable:
        def wrapped(**values: Any) -> Any:
            names = [*Request.__dataclass_fields__, "mean", "std"]
            shared = {name: values.pop(name) for name in names if name in values}
            if shared["samples"] is None:
                shared |= {"samples": samples, "at_most": True}
            shared["normalisation"] = _normalisation(shared.pop("mean"), shared.pop("std"))
            shared |= _as_rank(shared)
            return function(request=Request(**shared), **values)

        wrapped.__name__, wrapped.__doc__ = function.__name__, function.__doc__
        vars(wrapped)["__click_params__"] = list(getattr(function, "__click_params__", []))
        for option in reversed(own + _SHARED):
            option(wrapped)
        return wrapped

    return decorate


def _as_rank(shared: dict[str, Any]) -> dict[str, Any]:
    """What follows from being one of several ranks: it joins, and the first alone shows how far it is."""
    place = rank()
    return {"join": shared["join"] or place.joins, "quiet": shared["quiet"] or place.number > 0}


def _normalisation(mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> Normalisation | None:
    if (mean is None) != (std is None):
        raise click.UsageError("--mean and --std belong together; give both or neither")
    if not (mean and std):
        return None
    from landscape.samples import Normalisation

    return Normalisation(mean, std)


@dataclass(frozen=True, kw_only=True)
class Request(DataSpec, Protocol):
    """The shared options as the user gave them: samples and protocol, and how to answer.

    Attributes:
        follows: Whether this process is a rank that computes for another one, which answers.
    """

    model: str | None = None
    state_key: str | None = None
    smooth: str | None = None
    join: bool = False
    store: str | None = None
    as_json: bool = False
    quiet: bool = False
    follows: bool = False

    def settings(self) -> Settings:
        """The protocol these options state."""
        from landscape.analyses import Settings

        return Settings(**{name: getattr(self, name) for name in fields_of()})

    def network(self, path: str | Path) -> Network:
        """The network of a checkpoint file; what there is to know about its loading goes to stderr."""
        from landscape import checkpoint

        network = checkpoint.load(path, self.model, state_key=self.state_key)
        if self.smooth:
            from landscape.zoo import operated

            network = operated(network, self.smooth)
        for note in network.notes:
            self.say(f"{network.name}: {note}")
        return network

    @property
    def joining(self) -> bool | str:
        """Whether the work is shared, and where, see `landscape.analyses.resumable`."""
        return self.store or self.join

    @property
    def progress(self) -> Progress:
        """A bar on stderr, or nothing when quiet."""
        return silent if self.quiet else bar

    def say(self, line: str) -> None:
        """A log line on stderr."""
        if not self.quiet:
            say(line, err=True)


def result_path(out: str | None, network: Network, kind: str) -> Path:
    """Where a dataset goes: ``--out``, or under ``landscape-out``.

    Raises:
        ResultError: If it cannot go there.
    """
    from landscape.results import check_place

    if out:
        return check_place(out)
    place = Path("landscape-out") / f"{network.name}-{kind}.zarr"
    _require_own(place, network)
    return check_place(place)


def _require_own(place: Path, network: Network) -> None:
    """Refuse the place of a result of another file of the same name, which nobody asked to replace.

    Raises:
        ResultError: If one is there.
    """
    from landscape.errors import ResultError
    from landscape.results import attribute, load

    try:
        other = attribute(load(place), "network").get("path") if place.exists() else None
    except ResultError:
        return  # damaged, or unfinished
    if other and network.path and Path(str(other)).absolute() != network.path.absolute():
        raise ResultError(
            f"{place} holds a result of {other}, another file of the name {network.name}; give --out, so "
            "that both stay"
        )


def output(help: str, default: str | None = None, **more: Any) -> Callable:
    """The option that says where results go.

    Args:
        help: What is written there.
        default: Where, if it is left out.
        **more: As `click.option` takes them.
    """
    if default is not None:  # to click, None is a default, with which nothing is missing
        more["default"] = default
    return _grouped("Output", "-o", "--out", help=help, **more)


OUT = output("Where the dataset goes.  [default: landscape-out/NAME-KIND.zarr]", metavar="PATH")
CHECKPOINT = click.argument("checkpoint", metavar="CKPT[@SPEC]", type=click.Path())
