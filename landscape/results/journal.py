"""Finished items on disk, so that work that was killed goes on where it was."""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from landscape.errors import ResultError
from landscape.replacing import settle
from landscape.results.holding import Hold
from landscape.results.records import Entry, Writer, entries, read
from landscape.results.schema import arithmetic, plain
from landscape.work import Item, Progress, Runner, each, silent


class Journal:
    """The finished items of a run, in a folder beside the result until that is written.

    The folder's name carries a digest of everything the numbers depend on, and so does every record in it:
    work under another protocol, another version's arithmetic or another PyTorch never finds items that are
    not its own. An item is there whole or not at all, whenever the process is killed, see
    `landscape.results.records`. From `runner` until `close` or `release`, no other process writes to the
    same result.

    Attributes:
        folder: Where the items are.
        place: Path of the result that they become.
    """

    def __init__(
        self, result: str | Path, identity: dict[str, Any], *, numbers: dict[str, Any] | None = None
    ) -> None:
        """Say whose work it is.

        Args:
            result: Path of the result that the items become.
            identity: Network, protocol and options, as JSON can hold them.
            numbers: What else they depend on; by default our arithmetic and the version of PyTorch.
        """
        text = json.dumps({**(numbers or arithmetic()), "run": identity}, sort_keys=True, default=plain)
        self._run = hashlib.sha256(text.encode()).digest()
        place = Path(result)
        self.folder = place.with_name(f".{place.name}.{self._run.hex()[:12]}.part")
        self.place, self._began = place, time.time()
        self._hold: Hold | None = None
        self._writer: Writer | None = None
        self._known: dict[tuple[str, int], list[Entry]] | None = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def runner(self, progress: Progress = silent) -> Runner:
        """Runs what is not there yet; the results are those of an uninterrupted run, bit for bit.

        Raises:
            ResultError: If another process writes to the same result: which, and since when. The runner
                raises it where an item cannot be written.
        """
        self._held()

        def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
            # Progress sees what is left, so that its time left is honest; a single item needs none.
            found = self._found(count, label)
            missing = [index for index, item in enumerate(found) if item is None]
            finished = each(compute, missing)
            for index, item in progress(finished, label, len(missing)) if count > 1 else finished:
                self._held().check()
                found[index] = self._keep(label, index, item)
            return found  # type: ignore[return-value]

        return run

    def present(self) -> Runner:
        """Computes nothing: what is there, and None for what is not."""

        def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
            return self._found(count, label)  # type: ignore[return-value]

        return run

    def _held(self) -> Hold:
        if self._hold is None:
            try:
                self._hold = Hold(self.place, self._run.hex())
            except OSError as error:
                raise self._unwritten(self.place, error) from error
        return self._hold

    def _found(self, count: int, label: str) -> list[Item | None]:
        if self._known is None:
            self._known = {}
            for entry in entries(self.folder, self._run):
                self._known.setdefault((entry.label, entry.index), []).append(entry)
        rows = [self._known.get((label, index), []) for index in range(count)]
        found = list(read((row[0] if row else None for row in rows), self._run))
        for place, row in enumerate(rows):
            if found[place] is None and len(row) > 1:  # damaged once, and computed again
                found[place] = next((item for item in read(row[1:], self._run) if item is not None), None)
        return found

    def _keep(self, label: str, index: int, item: Item) -> Item:
        if self._writer is None:
            holder = self._held().holder
            self._writer = Writer(self.folder, self._run, f"{holder.host}-{holder.process}-{holder.since}")
        try:
            entry, kept = self._writer.append(label, index, item)
        except OSError as error:
            raise self._unwritten(self.folder, error) from error
        if self._known is not None:
            self._known[label, index] = [entry]
        return kept

    def _unwritten(self, place: Path, error: OSError) -> ResultError:
        return ResultError(
            f"cannot write {place}: {error.strerror or error}; choose another --out, or make room: what is "
            "finished is kept"
        )

    def release(self) -> None:
        """Let other processes write to the result; what is finished stays."""
        if self._writer:
            with suppress(OSError):
                self._writer.close()
        if self._hold:
            self._hold.release()
        self._writer = self._hold = None

    def close(self) -> None:
        """Remove the items, and what kills left beside the result; called once that is written.

        So go items of other runs that were to become the same result, which nobody continues now.
        """
        if self._hold is None or not self._hold.lost:
            self._cleared()
        self._known = None
        self.release()

    def _cleared(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        _swept(self.place, self._began)


def sweep(result: str | Path) -> None:
    """Remove what killed runs left beside a finished result, unless a process writes there now."""
    place, now = Path(result), time.time()
    if any(place.absolute().parent.glob(glob.escape(f".{place.name}.") + "*")):
        with suppress(ResultError, OSError):
            hold = Hold(place, "sweep")
            _swept(place, now)
            hold.release()


def _swept(place: Path, began: float) -> None:
    """Remove items of runs, and results half written, that nobody is at work on."""
    beside, name = place.absolute().parent, glob.escape(f".{place.name}.")
    for left in beside.glob(f"{name}{'[0-9a-f]' * 12}.part"):
        with suppress(OSError):
            # What is younger is in use by a version that knows no holding.
            if left.is_dir() and left.stat().st_mtime < began:
                shutil.rmtree(left)
    settle(place)
