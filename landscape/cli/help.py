"""Help pages: options in groups, examples that run, and what was probably meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from landscape.protocol import LARGEST_SEED

GROUPS = ("Network", "Data", "Protocol", "Run", "Output")
"""Groups of options that mean the same in every command, in the order of a help page, after its own."""


class GroupedOption(click.Option):
    """An option that knows under which heading of a help page it stands."""

    def __init__(self, *arguments: Any, group: str = "", **options: Any) -> None:
        """Make it as click does.

        Args:
            *arguments: As of `click.Option`.
            group: One of `GROUPS`; empty for the command's own.
            **options: As of `click.Option`.
        """
        super().__init__(*arguments, **options)
        self.group = group
        whole = isinstance(self.type, click.IntRange) or self.type is click.INT
        if self.metavar is None and (whole or isinstance(self.type, click.types.FloatParamType)):
            self.metavar = "N" if whole else "X"

    def get_help_extra(self, ctx: click.Context) -> Any:
        """What stands in brackets: the default, and a range where it says more than "not negative"."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.type, click.IntRange) and (
            self.type.min == 0 and self.type.max in (None, LARGEST_SEED)
        ):
            extra.pop("range", None)
        return extra


class Helpful:
    """What help pages of commands and of the group of commands have in common."""

    own = "Measure"
    examples: Sequence[str] = ()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options group by group, then the examples.

        Args:
            ctx: The context of the command.
            formatter: Receives them.
        """
        groups: dict[str, list[tuple[str, str]]] = {name: [] for name in (self.own, *GROUPS)}
        for option in self.get_params(ctx):  # type: ignore[attr-defined]
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                name = "Output" if option.opts[-1] == "--help" else getattr(option, "group", "")
                groups[name or self.own].append(record)
        for name, rows in groups.items():
            if rows:
                with formatter.section(name):
                    formatter.write_dl(rows, col_max=26)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own that can be copied.

        Args:
            ctx: The context of the command.
            formatter: Receives them.
        """
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Command(Helpful, click.Command):
    """A command whose help page has groups and examples."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), own: str = "Measure", **options: Any):
        """Make it as click does.

        Args:
            *arguments: As of `click.Command`.
            examples: Command lines for the end of the page.
            own: Heading of the options that no group has.
            **options: As of `click.Command`.
        """
        super().__init__(*arguments, **options)
        self.examples, self.own = examples, own
