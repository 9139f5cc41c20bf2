"""How the threads of a command wait for one another: beside other processes they sleep and do not spin."""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

POLICY = "OMP_WAIT_POLICY"
IDLE = ("info", "plot", "paper", "verdicts", "export", "data")
"""Commands that compute next to nothing."""
_SILENT = {"-q", "--quiet", "-h", "--help"}
_LOOKS, _PAUSE = 10, 0.002
_FEW = 0.1
"""Other running processes for each core that make threads sleep."""


def choose_waiting(arguments: Sequence[str], environment: MutableMapping[str, str]) -> str:
    """Let threads sleep while they wait if the machine has other work, unless the user has chosen.

    On two cores of its own a command that spins is up to a third faster; beside one busy process it takes
    about twice as long as one that sleeps. The number of threads stays: it would change the last bits of
    results. OpenMP reads the policy once, when PyTorch is imported.

    Args:
        arguments: Of the command line.
        environment: Receives `OMP_WAIT_POLICY`.

    Returns:
        A sentence that says so; empty where nothing was chosen or nothing is to be said.
    """
    command = next((each for each in arguments if not each.startswith("-")), IDLE[0])
    if POLICY in environment or command in IDLE:
        return ""
    if _running() < _FEW * (os.cpu_count() or 1):
        return ""
    environment[POLICY] = "passive"
    return (
        ""
        if _SILENT & set(arguments)
        else f"other processes are running: threads sleep while they wait ({POLICY}=passive)"
    )


def _running(table: Path = Path("/proc/loadavg")) -> float:
    """How many other processes and threads run on this machine, as Linux counts them; 0 elsewhere."""
    found = []
    with suppress(OSError, ValueError, IndexError):
        for _ in range(_LOOKS):
            counts = table.read_text(encoding="ascii").split()[3]
            found.append(int(counts.split("/")[0]) - 1)
            time.sleep(_PAUSE)
    return sum(found) / len(found) if found else 0.0
