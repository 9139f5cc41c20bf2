"""What workers of a run share: finished items, claims, and who they are; on a file system, or elsewhere."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from landscape.errors import ResultError
from landscape.files import created, regular
from landscape.leases import Lease
from landscape.results.records import SUFFIX, Entry, Writer, prelude, read, scanned
from landscape.results.sharing import Share
from landscape.work import Item

Key = tuple[str, int]
"""Label of a list, and index in it."""

_LARGEST = 4096
_TRIES, _PAUSE = 50, 0.01  # looks at a claim that is about to be written, and seconds between them
_FRESH = 0.5  # seconds that the answer of who has ended is good for


class GoneError(Exception):
    """What the workers shared is no longer there: somebody has finished the run."""


class Shelf(Protocol):
    """Where workers of a run put what they have finished; nothing in it is ever changed.

    Attributes:
        worker: Name of this worker.
    """

    worker: str

    def enter(self, about: dict[str, Any]) -> None:
        """Say what kind of worker this is."""

    def about(self) -> dict[str, dict[str, Any]]:
        """What each worker said, by its name."""

    def news(self) -> list[Key]:
        """Items that others have finished since the last call, those of before among them at first."""

    def keep(self, label: str, index: int, item: Item) -> Item:
        """Put a finished item there; the item as it would be read."""

    def read(self, label: str, indices: Sequence[int]) -> list[Item | None]:
        """Items; None for one that cannot be read."""

    def copies(self, label: str, index: int) -> list[tuple[str, str]]:
        """Who has computed an item, each with the digest of what it found."""

    def copy(self, label: str, index: int, worker: str) -> Item | None:
        """What one of them found."""

    def claim(self, label: str, number: int, lease: Lease) -> bool:
        """Add a lease to the log of a list, if it would be the one of this number."""

    def lease(self, label: str, number: int) -> Lease | None:
        """The lease of this number, if there is one."""

    def ended(self, worker: str) -> bool:
        """Whether a worker is known to have ended."""


class FolderShelf:
    """The folder of a run on a local disk or a shared file system, without any locks.

    Records of each worker are a file of its own, see `landscape.results.records`, and each claim is a file
    that is made exclusively.
    """

    def __init__(self, folder: Path, run: bytes, share: Share) -> None:
        """Of a run, which this process takes part in."""
        self.worker, self._folder, self._run, self._share = share.holder.token, folder, run, share
        self._writer, self._began = Writer(folder, run, self.worker), False
        self._known: dict[Key, dict[str, Entry]] = defaultdict(dict)
        self._read_to: dict[Path, int] = {}
        self._ended: dict[str, tuple[float, bool]] = {}

    def enter(self, about: dict[str, Any]) -> None:
        """Say what kind of worker this is."""
        self._written(self._folder / "kinds" / self.worker, about)

    def about(self) -> dict[str, dict[str, Any]]:
        """What each worker said, by its name."""
        found = {path.name: _content(path) for path in (self._folder / "kinds").glob("*")}
        return {name: content for name, content in found.items() if isinstance(content, dict)}

    def news(self) -> list[Key]:
        """Items that others have finished since the last call; reads headers alone."""
        if not self._folder.is_dir():
            raise GoneError
        found = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            worker = path.name.split("-")[0]
            if worker == self.worker:
                continue
            for entry in self._added(path):
                key = entry.label, entry.index
                self._known[key].setdefault(worker, entry)
                found.append(key)
        return found

    def _added(self, path: Path) -> Iterable[Entry]:
        """Sound records beyond those that were read; one that is being written comes next time."""
        begin, head = self._read_to.get(path, 0), prelude(self._run)
        try:
            if begin and os.stat(path).st_size == begin:
                return
            with regular(path) as stream:
                if begin:
                    stream.seek(begin)
                elif stream.read(len(head)) != head:
                    return
                for entry in scanned(path, stream, self._run):
                    self._read_to[path] = entry.offset + entry.size
                    yield entry
        except OSError:
            return

    def keep(self, label: str, index: int, item: Item) -> Item:
        """Append a record."""
        if not self._began and not self._folder.is_dir():
            raise GoneError
        self._began = True
        entry, kept = self._writer.append(label, index, item)
        self._known[label, index][self.worker] = entry
        return kept

    def read(self, label: str, indices: Sequence[int]) -> list[Item | None]:
        """Items, of the first worker by name that has a sound record of it."""
        found: dict[int, Item] = {}
        rows = {index: self._copies(label, index) for index in indices}
        for turn in range(max(map(len, rows.values()), default=0)):
            wanted = [(row[turn], index) for index, row in rows.items() if index not in found and row[turn:]]
            wanted.sort(key=lambda pair: (pair[0].path, pair[0].offset))
            items = read((entry for entry, _ in wanted), self._run)
            for (_, index), item in zip(wanted, items, strict=True):
                if item is not None:
                    found[index] = item
        return [found.get(index) for index in indices]

    def _copies(self, label: str, index: int) -> list[Entry]:
        return [entry for _, entry in sorted(self._known.get((label, index), {}).items())]

    def copies(self, label: str, index: int) -> list[tuple[str, str]]:
        """Who has computed an item, each with the digest of what it found."""
        return [(worker, each.digest) for worker, each in sorted(self._known.get((label, index), {}).items())]

    def copy(self, label: str, index: int, worker: str) -> Item | None:
        """What one of them found."""
        entry = self._known.get((label, index), {}).get(worker)
        return next(read([entry], self._run))

    def claim(self, label: str, number: int, lease: Lease) -> bool:
        """Make the file of this number, unless somebody has."""
        try:
            return self._written(self._claims(label) / str(number), astuple(lease))
        except FileExistsError:
            return False

    def lease(self, label: str, number: int) -> Lease | None:
        """The lease of this number; one that was never written whole claims nothing."""
        path = self._claims(label) / str(number)
        for _ in range(_TRIES):
            content = _content(path)
            if content is None:
                return None
            with suppress(TypeError, ValueError):
                worker, begin, end, pace = content
                return Lease(str(worker), int(begin), int(end), float(pace))
            time.sleep(_PAUSE)
        return Lease("", 0, 0)

    def ended(self, worker: str) -> bool:
        """Whether a worker has left or died, as far as this machine can tell."""
        now = time.monotonic()
        asked, answer = self._ended.get(worker, (-_FRESH, False))
        if not answer and now - asked >= _FRESH:
            answer = self._share.ended(worker)
            self._ended[worker] = now, answer
        return answer

    def close(self) -> None:
        """Write no more."""
        with suppress(OSError):
            self._writer.close()

    def _claims(self, label: str) -> Path:
        return self._folder / "leases" / sha256(label.encode()).hexdigest()[:16]

    def _written(self, path: Path, content: Any) -> bool:
        """Make a small file exclusively, in a folder of the run, which is there."""
        try:
            descriptor = created(path)
        except FileNotFoundError:
            try:  # nothing makes the folder of the run anew
                for folder in (path.parent.parent, path.parent):
                    folder.mkdir(exist_ok=True)
                descriptor = created(path)
            except FileNotFoundError:
                raise GoneError from None
        try:
            os.write(descriptor, json.dumps(content).encode())
        finally:
            os.close(descriptor)
        return True


def _content(path: Path) -> Any:
    """What a small file of JSON holds; None if it is not there, and empty if it makes no sense."""
    try:
        with regular(path) as stream:
            return json.loads(stream.read(_LARGEST))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return ()
    except OSError as error:
        raise ResultError(f"cannot read {path}: {error.strerror or error}") from error
