"""Work as a list of independent items, and who runs them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from landscape.progress import Progress, silent

Item = dict[str, np.ndarray]
"""What one item yields: arrays by name."""

Runner = Callable[[int, Callable[[int], Item], str], list[Item]]
"""``run(count, compute, label)`` gives the results of ``compute(0) … compute(count − 1)``, in order."""


def in_memory(progress: Progress = silent) -> Runner:
    """One item after the other, behind a progress bar; nothing is kept if it is stopped."""

    def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
        return [compute(index) for index in progress(range(count), label, count)]

    return run
