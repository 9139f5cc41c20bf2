"""Commands that are ranks of a launch: they take part in one run, and the first alone speaks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass


@dataclass(frozen=True)
class Rank:
    """Which of several processes this is, that were started with one command.

    Attributes:
        number: From 0.
        count: How many there are; 1 for a process of its own.
        apart: Whether each answers on its own: tasks of an array have logs of their own.
    """

    number: int = 0
    count: int = 1
    apart: bool = False

    @property
    def joins(self) -> bool:
        """Whether it takes part in a run with others unasked."""
        return self.count > 1

    @property
    def answers(self) -> bool:
        """Whether it prints what was found."""
        return self.number == 0 or self.apart


def rank(environment: Mapping[str, str] = os.environ) -> Rank:
    """What torchrun, srun or a job array says of this process.

    Args:
        environment: Variables by their names.
    """

    def read(name: str, default: int = 0) -> int:
        try:
            return int(environment[name])
        except (KeyError, ValueError):
            return default

    if "RANK" in environment and "WORLD_SIZE" in environment:
        return Rank(read("RANK"), read("WORLD_SIZE", 1))
    if "SLURM_ARRAY_TASK_ID" in environment:
        first = read("SLURM_ARRAY_TASK_MIN")
        return Rank(read("SLURM_ARRAY_TASK_ID") - first, read("SLURM_ARRAY_TASK_COUNT", 1), apart=True)
    if "SLURM_STEP_ID" in environment:
        return Rank(read("SLURM_PROCID"), read("SLURM_NTASKS", 1))
    return Rank()


def choose_device(arguments: Sequence[str], environment: MutableMapping[str, str]) -> None:
    """Give each rank on a machine a GPU of its own, unless the user has chosen one.

    Args:
        arguments: Of the command line.
        environment: `CUDA_VISIBLE_DEVICES` is narrowed to one of them.
    """
    local = environment.get("LOCAL_RANK") or environment.get("SLURM_LOCALID") or ""
    chosen = any(each.split("=")[0] == "--device" for each in arguments)
    if not rank(environment).joins or chosen or not local.isdecimal():
        return
    known = environment.get("CUDA_VISIBLE_DEVICES")
    devices = known.split(",") if known else []
    if known is None:
        environment["CUDA_VISIBLE_DEVICES"] = local
    elif len(devices) > 1:
        environment["CUDA_VISIBLE_DEVICES"] = devices[int(local) % len(devices)]


@contextmanager
def quietly(speaks: bool) -> Iterator[None]:
    """While open, nothing reaches stdout from a rank that does not speak.

    Args:
        speaks: Whether it does.
    """
    if speaks:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield
