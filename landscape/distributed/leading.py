"""Items that all ranks compute together, and that one of them keeps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from landscape.distributed.group import Group
from landscape.work import Item, Runner


def led(run: Runner | None, group: Group) -> Runner:
    """A runner for all ranks: rank 0 says which items are missing, all compute them, and get the same ones.

    So what rank 0 has kept of an earlier run is known to all, to the bit.

    Args:
        run: Rank 0's own runner, such as that of a journal; None on the others.
        group: The ranks.
    """

    def lead(run: Runner, count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
        def one(index: int) -> Item:
            group.heard(index)
            return compute(index)

        items = run(count, one, label)
        group.heard(None)
        return group.heard(items)

    def follow(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
        while (index := group.heard()) is not None:
            compute(index)
        return group.heard()

    return partial(lead, run) if run else follow
