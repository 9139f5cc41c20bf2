"""The command line: one command a file, loaded when it is called, so that ``--help`` imports no torch."""

from __future__ import annotations

import importlib
import sys
import traceback

import click

from landscape.errors import LandscapeError

COMMANDS = ("info", "evaluate", "hessian", "surface", "features", "compare", "plot", "train", "data", "demo")


class LazyGroup(click.Group):
    """Imports a command's module when the command is looked up."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"landscape.cli.{cmd_name}").command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="landscape", message="landscape %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """See why one trained network is flatter, calmer and better calibrated than another.

    Every command takes a checkpoint file and measures it under one recorded protocol:

    \b
        landscape evaluate net.safetensors --data demo
        landscape hessian net.pt --model resnet18 --data cifar10:DIR --samples 1000
        landscape compare a.safetensors b.safetensors --out comparison
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line; exit status 0 done, 1 failed, 2 wrong usage."""
    arguments = sys.argv[1:] if args is None else args
    try:
        status = group.main(arguments, prog_name="landscape", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("landscape: interrupted", err=True)
        sys.exit(130)
    except (LandscapeError, MemoryError) as error:
        if "--debug" in arguments:
            traceback.print_exc()
        click.echo(f"landscape: {error or 'out of memory; use fewer --samples or a smaller --batch-size'}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
