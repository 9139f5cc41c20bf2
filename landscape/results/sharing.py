"""The right of all workers of one run to write its result together, while every other run is refused.

Each worker is named in a file of its own in the run's folder, which it touches again and again, and one file
beside the result, in the place of that of a single process, says which run they are at. It counts as long as
one of them lives.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from landscape.errors import ResultError
from landscape.results import holding
from landscape.results.holding import (
    JOINED,
    MEMBERS,
    HeldError,
    Holder,
    found_in,
    made,
    refusal,
    removed,
    taken,
)

_PATIENCE = 60.0  # seconds, for others that come or go at the same moment


class Share:
    """The place of this process among the workers of a run.

    Attributes:
        holder: This process.
    """

    def __init__(self, place: Path, work: str, folder: Path) -> None:
        """Take part.

        Args:
            place: Path of the result.
            work: The run; equal for equal runs.
            folder: Of the run.

        Raises:
            ResultError: If another run writes there, or this one without others: who, and since when.
            OSError: If nothing can be written there.
        """
        self.holder = Holder.this(work)
        self._place, self._folder, self._members = place, folder, folder / MEMBERS
        self._lock = place.with_name(f".{place.name}.lock")
        self._own = self._members / self.holder.token
        self._lost, self._released = threading.Event(), threading.Event()
        self._members.mkdir(parents=True, exist_ok=True)
        os.close(made(self._own, self.holder))  # first, so that the run counts as alive
        try:
            with self._alone():
                self._join()
        except BaseException:
            self._leave()
            raise
        threading.Thread(target=self._beat, daemon=True, name="landscape-share").start()

    def check(self) -> None:
        """Go on.

        Raises:
            ResultError: If another run has taken over, as every worker of this one seemed to have ended.
        """
        if self._lost.is_set():
            raise ResultError(
                f"another run has taken {self._lock} over while the workers of this one slept; what is "
                "finished is kept: give the same command again once that run has ended"
            )

    def ended(self, worker: str) -> bool:
        """Whether a worker is known to have left or died."""
        path = self._members / worker
        member = found_in(path)
        return not (isinstance(member, Holder) and member.lives(path))

    def release(self, *, finished: bool = False) -> None:
        """Leave; the last one, or the one who has written the result, lets other runs write.

        Args:
            finished: Whether the result is written.
        """
        if self._released.is_set() or os.getpid() != self.holder.process:  # a fork holds nothing
            return
        self._released.set()
        self._leave()
        with suppress(OSError, HeldError), self._alone():
            before = found_in(self._lock)
            ours = isinstance(before, Holder) and (before.machine, before.work) == (JOINED, self.holder.work)
            if ours and (finished or not before.lives(self._lock)):  # type: ignore[union-attr]
                self._lock.unlink()

    def __del__(self) -> None:
        if hasattr(self, "_released"):
            self.release()

    def _join(self) -> None:
        everybody = replace(self.holder, machine=JOINED)
        while True:
            with suppress(FileExistsError):
                os.close(made(self._lock, everybody))
                return
            before = found_in(self._lock)
            if isinstance(before, Holder):
                if (before.machine, before.work) == (JOINED, self.holder.work):
                    return
                if before.lives(self._lock):
                    raise ResultError(refusal(self._place, self._lock, before, self.holder.work))
            if before:
                removed(self._lock, self.holder.token)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While open, no other worker joins or leaves."""
        right, until = self._lock.with_name(f"{self._lock.name}~"), time.monotonic() + _PATIENCE
        while True:
            try:
                descriptor = taken(right, self.holder)
                break
            except HeldError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
        try:
            yield
        finally:
            right.unlink(missing_ok=True)
            os.close(descriptor)

    def _leave(self) -> None:
        with suppress(OSError):
            self._own.unlink()
        for folder in (self._members, self._folder):
            with suppress(OSError):
                folder.rmdir()  # unless anything is in it

    def _beat(self) -> None:
        while not self._released.wait(holding.BEAT):
            with suppress(OSError):
                before = found_in(self._lock)
                if isinstance(before, Holder) and before.work != self.holder.work:
                    self._lost.set()
                    return
                os.utime(self._own)
                os.utime(self._lock)
