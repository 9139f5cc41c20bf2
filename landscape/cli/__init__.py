"""The command line: one command a file, loaded when it is called, so that ``--help`` imports no torch."""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import click

from landscape.cli.help import Helpful
from landscape.cli.interruption import ending, interruptible
from landscape.cli.joining import choose_device, quietly, rank
from landscape.cli.threads import choose_waiting
from landscape.errors import LONGEST_LINE, ArgumentError, LandscapeError, RankError, meant, printable
from landscape.results.kinds import KINDS, imported

_LONGEST_NAME = 80  # of a file, in a message
_PLACES = {
    "info": "networks:info",
    "evaluate": "evaluate:command",
    "hessian": "hessian:command",
    "surface": "surface:command",
    "trajectory": "trajectory:command",
    "phase": "phase:command",
    "features": "features:command",
    "compare": "compare:command",
    "verdicts": "verdicts:command",
    "plot": "drawing:plot",
    "paper": "drawing:paper",
    "export": "export:command",
    "train": "networks:train",
    "data": "networks:data",
    "plan": "plan:command",
    "demo": "demo:demo",
    "reproduce": "reproduce:command",
}
"""File and function of each command that is written by hand, in the order of a day's work."""

COMMANDS = (*_PLACES, *(name for name, kind in KINDS.items() if kind.generated))
"""Every command; the last ones are generated from the records of kinds of results."""


class LazyGroup(Helpful, click.Group):
    """Imports a command's module when the command is looked up."""

    own = "Options"
    examples = (
        "landscape evaluate net.safetensors",
        "landscape hessian net.safetensors --samples 256 --top-k 3",
        "landscape compare a.safetensors b.safetensors --out comparison",
    )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, then the commands; click lists commands where it lists a group's options."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple:
        """The command that is called, or an error that names what was probably meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            listed = meant(name, COMMANDS) or "; `landscape --help` lists them"
            ctx.fail(f"No such command {name!r}{listed}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a day's work, generated ones last."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name in _PLACES:
            return imported(f"landscape.cli.{_PLACES[cmd_name]}")  # type: ignore[return-value]
        if cmd_name not in COMMANDS:
            return None
        from landscape.cli.generated import command

        return command(KINDS[cmd_name])


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from landscape.results.schema import installed_version

        click.echo(f"landscape {installed_version('landscape') or '(a checkout that is not installed)'}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80, "show_default": True},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """See whether one trained network is flatter, calmer or better calibrated than another.

    Measuring commands take checkpoint files, measure them under one recorded protocol, and save what they
    find; plot, paper and verdicts draw and judge saved results. `landscape COMMAND --help` explains each.
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line; exit status 0 done, 1 failed, 2 wrong usage, 128 + its number for a signal."""
    arguments = sys.argv[1:] if args is None else args
    waiting = choose_waiting(arguments, os.environ)
    choose_device(arguments, os.environ)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without λ and ± still gets the numbers
    if waiting and not rank().number:
        click.echo(waiting, err=True)
    try:
        with interruptible(), quietly(rank().answers):
            status = group.main(arguments, prog_name="landscape", standalone_mode=False, obj=tuple(arguments))
    except click.ClickException as error:
        lines = error.message.split("\n")
        vars(error)["message"] = "\n".join(printable(line, LONGEST_LINE) for line in lines)
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        status, words = ending(error)
        with suppress(OSError):  # the terminal may be gone
            click.echo(printable(f"landscape: {words}", LONGEST_LINE), err=True)
        sys.exit(status)
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        who = f" (rank {number})" if (number := rank().number) else ""
        message = f"landscape{who}: {_explained(error)}{_forgotten(str(error), arguments)}"
        if not (number and isinstance(error, RankError) and "rank 0" not in str(error)):  # rank 0 says it
            click.echo(printable(message, LONGEST_LINE), err=True)
        sys.exit(2 if isinstance(error, ArgumentError) else 1)
    sys.exit(status if isinstance(status, int) else 0)


def _explained(error: Exception) -> str:
    """One message for people; what nobody foresaw says so."""
    if isinstance(error, LandscapeError):
        return str(error)
    if (
        isinstance(error, MemoryError)
        or "OutOfMemory" in type(error).__name__
        or "allocate memory" in str(error)
    ):
        return "out of memory; use fewer --samples or a smaller --batch-size"
    if isinstance(error, OSError) and error.filename and error.strerror:
        place = printable(str(error.filename), _LONGEST_NAME)
        return f"cannot use {place}: {error.strerror.lower()}; name another place, or mend this one"
    return f"unexpected {type(error).__name__}: {error}; `landscape --debug …` shows where, please report it"


def _forgotten(message: str, arguments: Sequence[str]) -> str:
    """That no data set was named, where the network does not fit the default one."""
    given = any(argument.split("=")[0] == "--data" for argument in arguments)
    if given or not re.search(r"\b(from|of) demo\b", message):
        return ""
    return (
        "; no --data was given, and the default, demo, is the embedded part of CIFAR-10 (3×32×32, 10 "
        "classes): name the data set of this network with --data"
    )
