"""What a network is asked for, ready made or of one's own: its call, outputs, loss and scores."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from landscape.errors import ArgumentError, LandscapeError
from landscape.losses import LOSSES, SampleLoss, cross_entropy, loss_of
from landscape.tasks.mean import Mean
from landscape.tasks.ready import (
    binary,
    classification,
    gaussian,
    language,
    multi_label,
    pixels,
    regression,
    tokens,
)
from landscape.tasks.scores import LONG_NAMES, Score
from landscape.tasks.task import Task

__all__ = [
    "LONG_NAMES",
    "TASKS",
    "Mean",
    "Score",
    "Task",
    "binary",
    "classification",
    "gaussian",
    "language",
    "multi_label",
    "pixels",
    "regression",
    "task_of",
    "tokens",
]

TASKS: dict[str, Callable[..., Task]] = {
    made.__name__.replace("_", "-"): made
    for made in (classification, binary, multi_label, regression, gaussian, pixels, tokens, language)
}
"""Those that are ready made, by their names on the command line."""

_FIRST = ("model", "network", "net", "module")
"""Names of a first parameter that tell a loss of (model, batch) from one of (outputs, targets)."""


def task_of(task: Task | str = "classification", loss: SampleLoss | str | None = None) -> Task:
    """A task, the one of that name, or the one that a loss alone makes.

    Args:
        task: A task, or ``NAME[,key=value…]`` with one of `TASKS`.
        loss: In place of the task's own: of (outputs, targets), or of (model, batch) where its first
            parameter is called model, network, net or module.

    Raises:
        LandscapeError: If there is no such task, option or loss, or a value is of the wrong kind.
    """
    made = task if isinstance(task, Task) else _named(task)
    if loss is None:
        return made
    if isinstance(loss, str) and made.name != "classification":
        raise LandscapeError(f"the task {made.name} has a loss of its own; leave the loss {loss!r} out")
    function = loss_of(loss)
    if _takes_model(function):
        return Task("custom", function, whole=True, likelihood=False)
    named = function in LOSSES.values()
    own: dict[str, Any] = {"weights": None, "options": {}, "likelihood": function is cross_entropy}
    return made.replace(loss=function, classes=named, **own)


def _named(text: str) -> Task:
    name, *parts = text.split(",")
    if name not in TASKS:
        raise ArgumentError(f"the task is {name!r}; choose one of {', '.join(TASKS)}")
    known = inspect.signature(TASKS[name]).parameters
    options: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or key not in known:
            wanted = ", ".join(f"{each}=…" for each in known)
            raise LandscapeError(f"{part!r} is no option of the task {name}; it takes {wanted}")
        options[key] = _read(name, key, value.strip())
    return TASKS[name](**options)


def _read(task: str, key: str, value: str) -> Any:
    """An option's value as the command line writes it; several numbers are joined by colons."""
    if key == "logits":
        return int(value) if value.isdecimal() else value
    try:
        if key == "class_weights":
            return tuple(float(part) for part in value.split(":"))
        return int(value) if key == "ignore_index" else float(value)
    except ValueError:
        raise LandscapeError(
            f"{key} of the task {task} is {value!r}, expected a number, or several joined by colons"
        ) from None


def _takes_model(loss: Any) -> bool:
    if isinstance(loss, nn.Module):
        return False
    try:
        parameters = list(inspect.signature(loss).parameters)
    except (TypeError, ValueError):  # of some built-in functions
        return False
    return bool(parameters) and parameters[0] in _FIRST
