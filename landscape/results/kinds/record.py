"""What there is to know of one kind of result: one record, read by everything that handles results."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Pooling = Literal["first", "mean", "values"]
"""How the results of several seeds become one: the first one, their mean, or all values in a row."""


@dataclass(frozen=True)
class Option:
    """One option of a command that is generated from a record.

    Attributes:
        name: Parameter of the recipe; the flag is the same with dashes.
        help: One full sentence.
        default: What the recipe takes without it; its type is that of the option, `False` makes a flag, and a
            tuple takes numbers with commas between them.
        choices: Words to choose from; empty for any value.
        least: Smallest value allowed.
    """

    name: str
    help: str
    default: Any
    choices: tuple[str, ...] = ()
    least: float | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of result.

    Attributes:
        name: What it is called everywhere: as a kind, a recipe, a command and a figure.
        summary: One sentence that says what is measured.
        variables: What every stored result of the kind holds.
        recipe: The function that measures it, as ``package.module:function``.
        chapter: Chapter of the page, see `landscape.report.sections`; others go under further figures.
        command: The command line that measures it; empty where one is generated from this record.
        resumes: Whether the recipe takes `run`, so that finished items survive a kill.
        pooling: How the results of several seeds become one.
        along: With `values`, the dimension along which those of all seeds stand one after the other.
        statistics: With `values`, the function that adds what is known of all seeds, as
            ``package.module:function``: datasets by seed and the joined one → dataset.
        split: Part of the data that a comparison measures it on; `train` stands for that of the surface.
        dropout: Dropout that a comparison measures it under; empty for the usual one.
        needs: What the recipe takes besides a network, in words; such kinds no comparison measures by itself.
        options: Of the generated command.
        samples: How many the generated command measures it on; 0 takes all.
        readings: What single numbers the result holds.
        several: Fewest checkpoints of the generated command where it measures several as one result; the
            recipe gets those behind the first as `others`.
        answer: What that command says, as ``package.module:function``: dataset → JSON values and lines.
        together: With it the generated command measures several checkpoints one by one, and this function
            answers for all, as ``package.module:function``: results by network name → JSON of each and of
            all, lines.
        opposite: Whether the recipe takes `opposite`, the same network's loss on the other split, or None.
        examples: Command lines for the end of the help page; a plain call by default.
    """

    name: str
    summary: str
    variables: tuple[str, ...]
    recipe: str
    chapter: str = ""
    command: str = ""
    resumes: bool = False
    pooling: Pooling = "first"
    along: str = ""
    statistics: str = ""
    split: Literal["train", "test"] = "test"
    dropout: str = ""
    needs: str = ""
    options: tuple[Option, ...] = ()
    samples: int = 1000
    readings: tuple[Any, ...] = ()
    several: int = 0
    answer: str = ""
    together: str = ""
    opposite: bool = False
    examples: tuple[str, ...] = ()

    @property
    def generated(self) -> bool:
        """Whether the command of this kind is made from the record."""
        return not self.command

    @property
    def measured_by(self) -> str:
        """The command line that measures it."""
        return self.command or f"landscape {self.name} CKPT{'…' if self.several or self.together else ''}"


def imported(name: str) -> Callable[..., Any]:
    """The function that ``package.module:function`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)
