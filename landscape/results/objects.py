"""What workers share in an object store, through fsspec: each item and each claim is one object.

An object is written once, whole or not at all, and only if there is none of its name where the store can
make that a condition (S3: If-None-Match). Where it cannot, two workers may now and then compute the same
item, which changes nothing. An item is an object that one process alone would write as a file of records.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from hashlib import sha256
from pathlib import Path
from typing import Any

from landscape.errors import ResultError, installation, printable
from landscape.leases import Lease
from landscape.results.records import SUFFIX, Writer, entries, read
from landscape.results.shelf import Key
from landscape.work import Item


class ObjectShelf:
    """A prefix of an object store.

    Items are at ``RUN/items/LABEL/INDEX/WORKER``, claims at ``RUN/leases/LABEL/NUMBER``, and what kind of
    worker each is at ``RUN/workers/WORKER``, with digests of runs and labels.
    """

    def __init__(self, url: str, run: str) -> None:
        """Of a run, by its digest, under an address such as ``s3://bucket/prefix``.

        Raises:
            ResultError: If there is no such store, or what it takes is not installed.
        """
        self._run, self._url = bytes.fromhex(run), url
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._labels: dict[str, str] = {}
        self._known: dict[Key, dict[str, str]] = defaultdict(dict)
        with self._reached():
            import fsspec

            self._files, root = fsspec.core.url_to_fs(url)
            self._root = f"{root.rstrip('/')}/{run[:12]}"

    def enter(self, about: dict[str, Any]) -> None:
        """Say what kind of worker this is."""
        self._put(f"workers/{self.worker}", json.dumps(about).encode())

    def about(self) -> dict[str, dict[str, Any]]:
        """What each worker said, by its name."""
        return {path.rpartition("/")[2]: json.loads(self._get(path)) for path in self._list("workers")}

    def news(self) -> list[Key]:
        """Items that others have finished since the last call, of lists that this worker has begun."""
        found = []
        for label, name in list(self._labels.items()):
            for path in self._list(f"items/{name}"):
                *_, index, worker = path.split("/")
                if worker not in self._known[label, int(index)]:
                    self._known[label, int(index)][worker] = path
                    found.append((label, int(index)))
        return found

    def keep(self, label: str, index: int, item: Item) -> Item:
        """Put an item there, as a file of one record."""
        with tempfile.TemporaryDirectory() as scratch:
            writer = Writer(Path(scratch), self._run, self.worker)
            _, kept = writer.append(label, index, item)
            writer.close()
            (file,) = Path(scratch).glob(f"*{SUFFIX}")
            content = file.read_bytes()
        path = self._put(f"items/{self._name(label)}/{index}/{self.worker}", content)
        self._known[label, index][self.worker] = path
        return kept

    def read(self, label: str, indices: Sequence[int]) -> list[Item | None]:
        """Items, of the first worker by name whose object is sound."""
        return [
            next(filter(None, (self.copy(label, i, each) for each, _ in self.copies(label, i))), None)
            for i in indices
        ]

    def copies(self, label: str, index: int) -> list[tuple[str, str]]:
        """Who has computed an item; of what each found nothing is known before it is read."""
        self._name(label)
        known = self._known.get((label, index), {})
        return [(worker, worker) for worker in sorted(known)]

    def copy(self, label: str, index: int, worker: str) -> Item | None:
        """What one of them found."""
        content = self._get(self._known[label, index][worker])
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / f"object{SUFFIX}").write_bytes(content)
            wanted = [e for e in entries(Path(scratch), self._run) if (e.label, e.index) == (label, index)]
            return next(read(wanted[:1], self._run), None)

    def claim(self, label: str, number: int, lease: Lease) -> bool:
        """Put the object of this number, unless somebody has."""
        path = f"leases/{self._name(label)}/{number}"
        if self.lease(label, number):
            return False
        try:
            self._put(path, json.dumps(astuple(lease)).encode(), new=True)
        except FileExistsError:
            return False
        return True

    def lease(self, label: str, number: int) -> Lease | None:
        """The lease of this number, if there is one."""
        try:
            content = json.loads(self._get(f"{self._root}/leases/{self._name(label)}/{number}"))
            worker, begin, end, pace = content
            return Lease(str(worker), int(begin), int(end), float(pace))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError):
            return Lease("", 0, 0)

    def ended(self, worker: str) -> bool:
        """Nobody can tell; a lease that is late is taken again."""
        return False

    def _name(self, label: str) -> str:
        return self._labels.setdefault(label, sha256(label.encode()).hexdigest()[:16])

    def _list(self, folder: str) -> list[str]:
        with self._reached():
            self._files.invalidate_cache()
            try:
                return [str(path) for path in self._files.find(f"{self._root}/{folder}")]
            except FileNotFoundError:
                return []

    def _get(self, path: str) -> bytes:
        with self._reached():
            return bytes(self._files.cat_file(path))

    def _put(self, name: str, content: bytes, *, new: bool = False) -> str:
        path = f"{self._root}/{name}"
        with self._reached():
            try:
                self._written(path, content, new)
            except FileNotFoundError:  # a file system has folders, which an object store does without
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._written(path, content, new)
        return path

    def _written(self, path: str, content: bytes, new: bool) -> None:
        if new:
            with suppress(NotImplementedError, TypeError):  # a store without conditions
                self._files.pipe_file(path, content, mode="create")
                return
        self._files.pipe_file(path, content)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Say in one sentence what a store that fails says in a page."""
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except ImportError as error:
            raise ResultError(f"{self._url} takes packages that are missing: {installation('s3')}") from error
        except Exception as error:  # each store raises its own
            raise ResultError(
                f"{self._url} cannot be reached: {printable(error)}; what is finished is kept: give the same "
                "command again"
            ) from error
