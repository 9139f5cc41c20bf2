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
from typing import Any
from zipfile import BadZipFile

import numpy as np

from landscape.errors import ResultError
from landscape.files import atomic_path
from landscape.results.schema import plain
from landscape.work import Item, Progress, Runner, silent


class Journal:
    """One small file for each finished item, in a folder beside the result until that is written.

    The folder's name carries a digest of everything the numbers depend on: work under another protocol never
    finds items that are not its own. An item is there whole or not at all, whenever the process is killed.

    Attributes:
        folder: Where the items are.
    """

    def __init__(self, result: str | Path, identity: dict[str, Any]) -> None:
        """Say whose work it is.

        Args:
            result: Path of the result that the items become.
            identity: Network, protocol and options, as JSON can hold them.
        """
        text = json.dumps(identity, sort_keys=True, default=plain)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        place = Path(result)
        self.folder = place.with_name(f".{place.name}.{digest}.part")
        self._place, self._began = place, time.time()

    def runner(self, progress: Progress = silent) -> Runner:
        """Runs what is not there yet; the results are those of an uninterrupted run, bit for bit."""

        def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
            # Progress sees what is left, so that its time left is honest; a single item needs none.
            paths = [self._path(label, index) for index in range(count)]
            missing = [index for index, path in enumerate(paths) if not path.exists()]
            for index in progress(missing, label, len(missing)) if count > 1 else missing:
                _write(paths[index], compute(index))
            return [_read(path) for path in paths]

        return run

    def present(self) -> Runner:
        """Computes nothing: what is there, and None for what is not."""

        def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
            paths = (self._path(label, index) for index in range(count))
            return [_read(path) if path.exists() else None for path in paths]  # type: ignore[misc]

        return run

    def _path(self, label: str, index: int) -> Path:
        return self.folder / f"{label.replace(' ', '-')}-{index:06d}.npz"

    def close(self) -> None:
        """Remove the items, and what a kill left of the result's writing; called once that is written."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for draft in self._place.absolute().parent.glob(f"{glob.escape(f'.{self._place.name}.')}????????"):
            # A younger one is being written now, by a call that asks for a part of the result.
            with suppress(OSError):
                if draft.is_dir() and draft.stat().st_mtime < self._began:
                    shutil.rmtree(draft)


def _write(path: Path, item: Item) -> None:
    with atomic_path(path) as draft, open(draft, "wb") as stream:
        np.savez(stream, **item)  # type: ignore[arg-type]


def _read(path: Path) -> Item:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ResultError(
            f"{path} is damaged ({error}); delete it, and the item is computed again"
        ) from error
