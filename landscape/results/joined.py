"""A run that any number of workers take part in: they share its items, and one of them saves the result."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landscape.errors import NewerResultError, ResultError
from landscape.results.holding import MEMBERS
from landscape.results.journal import Journal
from landscape.results.records import SUFFIX
from landscape.results.schema import arithmetic, attribute
from landscape.results.sharedlist import SharedList, Twice, kinds_of
from landscape.results.sharing import Share
from landscape.results.shelf import FolderShelf, GoneError, Shelf
from landscape.results.store import load
from landscape.work import Item, Progress, Runner, silent

if TYPE_CHECKING:
    import xarray as xr


class Joined(Journal):
    """The finished items of a run that others may take part in, on this machine or another.

    What a worker is, device and versions, is no part of the run: it is recorded for each worker. Where
    workers differ, one item in a hundred is computed by two kinds of them, and the largest difference is
    reported.
    """

    def __init__(
        self,
        result: str | Path,
        identity: dict[str, Any],
        about: Mapping[str, Any],
        elsewhere: Callable[[str], Shelf] | None = None,
    ) -> None:
        """Say whose work it is.

        Args:
            result: Path of the result.
            identity: As for a `Journal`, but for what may differ between workers.
            about: Device and versions of this worker.
            elsewhere: Gives the shelf of a run, by its digest, instead of the folder beside the result.
        """
        super().__init__(result, identity, numbers={**arithmetic(), "torch": None, "joined": True})
        self._about, self._elsewhere = dict(about), elsewhere
        self._share: Share | None = None
        self._shelf: Shelf | None = None
        self._twice = Twice()

    def runner(self, progress: Progress = silent) -> Runner:
        """Shares the items with other workers; the results are those of one process.

        Progress is that of all workers together.

        Raises:
            ResultError: If another run writes to the same result. The runner raises it where an item cannot
                be written, and `GoneError` if the run was finished meanwhile.
        """
        shelf = self._entered()

        def run(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
            def keep(index: int, item: Item) -> Item:
                if self._share:
                    self._share.check()
                try:
                    return shelf.keep(label, index, item)
                except OSError as error:
                    raise self._unwritten(self.folder, error) from error

            return SharedList(shelf, label, count, compute, keep, self._twice).items(progress)

        return run

    def present(self) -> Runner:
        """Computes nothing: what is there, and None for what is not."""
        if self._shelf is None:
            return super().present()
        shelf = self._shelf
        shelf.news()
        return lambda count, compute, label: shelf.read(label, range(count))  # type: ignore[return-value]

    def enter(self) -> None:
        """Take part from now on.

        Raises:
            ResultError: If another run writes to the same result.
        """
        self._entered()

    def finished(self) -> xr.Dataset | None:
        """The result, if somebody has saved it; None if it is not there, or of another run."""
        try:
            found = load(self.place)
        except NewerResultError:
            raise
        except ResultError:
            return None
        joined = attribute(found, "provenance").get("joined")
        run = joined.get("run") if isinstance(joined, dict) else None
        return found if run == self._run.hex() else None

    def result(self, make: Callable[[], xr.Dataset]) -> xr.Dataset:
        """What one worker makes and saves, and the others wait for.

        Args:
            make: Saves the result, whole or not at all.

        Raises:
            GoneError: If it is finished, see `finished`.
        """
        if self._elsewhere:  # where there is no common file system, each worker has its own copy
            return make()
        made: list[xr.Dataset] = []

        def once(index: int) -> Item:
            made.append(make())
            return {"saved": np.array(True)}

        self.runner()(1, once, "result")
        if not made:
            raise GoneError
        return made[0]

    def report(self) -> dict[str, Any]:
        """What the result says of who computed it."""
        workers = self._entered().about()
        return {
            "run": self._run.hex(),
            "workers": len(workers),
            "kinds": [json.loads(kind) for kind in sorted(set(kinds_of(workers).values()))],
            "computed_twice": self._twice.count,
            "largest_difference": self._twice.largest if self._twice.count else None,
            "largest_difference_in": self._twice.name,
        }

    def release(self) -> None:
        """Leave; what is finished stays, and others go on."""
        self._left(finished=False)
        alone = not any((self.folder / MEMBERS).glob("*"))
        if self._elsewhere is None and alone and not any(self.folder.glob(f"*{SUFFIX}")):
            shutil.rmtree(self.folder, ignore_errors=True)  # there is nothing in it

    def close(self) -> None:
        """Remove the items, once the result is saved; others who are still at work find it."""
        if self._elsewhere is None:
            # In one step, so that nobody finds half of it; under a name that is swept after a kill.
            aside = self.place.with_name(f".{self.place.name}.{secrets.token_hex(6)}.part")
            with suppress(OSError):
                self.folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
            self._cleared()
        self._left(finished=True)

    def _left(self, *, finished: bool) -> None:
        if isinstance(self._shelf, FolderShelf):
            self._shelf.close()
        if self._share:
            self._share.release(finished=finished)
        self._shelf = self._share = None

    def _entered(self) -> Shelf:
        if self._shelf is None:
            if self._elsewhere:
                self._shelf = self._elsewhere(self._run.hex())
            else:
                try:
                    self._share = Share(self.place, self._run.hex(), self.folder)
                except OSError as error:
                    raise self._unwritten(self.place, error) from error
                self._shelf = FolderShelf(self.folder, self._run, self._share)
            self._shelf.enter(self._about)
        return self._shelf
