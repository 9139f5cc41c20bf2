"""Which ranks are alive: each touches the group's store; where a collective fails, that tells who is gone.

A collective that fails says that a connection closed or that time ran out, not who is to blame. So every rank
counts in the store, from a thread of its own, as long as it lives, and writes there what made it give up and
how many collectives it has entered.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

BEAT = 0.5
"""Seconds between two signs of life."""

_PATIENCE = 6 * BEAT
_FORGOTTEN = "ended without a word: it was killed, or its machine is lost"


class Watch:
    """Signs of life of all ranks in a store that they share.

    Attributes:
        entered: Collectives that this rank has entered.
    """

    def __init__(self, store: Any, rank: int, size: int) -> None:
        """Begin to give signs of life.

        Args:
            store: A store of `torch.distributed`, or None where there is none to be had.
            rank: Of this process.
            size: How many there are.
        """
        self.entered = 0
        self._store, self._rank, self._size = store, rank, size
        self._ended = threading.Event()
        if store is not None:
            threading.Thread(target=self._live, daemon=True, name="landscape-rank").start()

    def end(self) -> None:
        """No more signs of life."""
        self._ended.set()

    def report(self, error: BaseException) -> None:
        """Leave a word for the others on what made this rank give up."""
        if self._store is not None and not self._ended.is_set():
            with suppress(RuntimeError):  # the store is gone with who held it
                self._store.set(f"landscape/why/{self._rank}", str(error) or type(error).__name__)

    def verdict(self, seconds: float) -> str:
        """Who is to blame for a collective that failed, in words.

        Args:
            seconds: How long a collective waits.
        """
        if self._store is None:
            return "another rank has ended, or did not answer in time"
        try:
            return self._blamed(seconds)
        except RuntimeError:  # whoever holds the store is gone
            return f"rank 0 {_FORGOTTEN}"

    def _blamed(self, seconds: float) -> str:
        others = [rank for rank in range(self._size) if rank != self._rank]
        before = {rank: self._beats(rank) for rank in others}
        silent, until = set(others), time.monotonic() + _PATIENCE
        while silent and time.monotonic() < until:
            time.sleep(BEAT / 5)
            silent -= {rank for rank in silent if self._beats(rank) != before[rank]}
        reasons = {rank: self._read(f"landscape/why/{rank}") for rank in others}
        told = [f"rank {rank} failed: {reason}" for rank, reason in reasons.items() if reason]
        gone = [f"rank {rank} {_FORGOTTEN}" for rank in sorted(silent) if not reasons[rank]]
        if told or gone:
            return "; ".join(told + gone)
        behind = [rank for rank in others if int(self._read(f"landscape/at/{rank}") or 0) < self.entered]
        which = f"rank {', '.join(map(str, behind))}" if behind else "another rank"
        return f"{which} did not answer within {seconds:.0f} s"

    def _beats(self, rank: int) -> str:
        return self._read(f"landscape/beat/{rank}")

    def _read(self, key: str) -> str:
        return self._store.get(key).decode(errors="replace") if self._store.check([key]) else ""

    def _live(self) -> None:
        beats = 0
        while not self._ended.wait(BEAT):
            beats += 1
            try:
                self._store.set(f"landscape/beat/{self._rank}", str(beats))
                self._store.set(f"landscape/at/{self._rank}", str(self.entered))
            except RuntimeError:
                return
