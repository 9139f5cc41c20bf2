"""Every analysis of several networks under one protocol; what is already there is not computed again."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from landscape.analyses.running import resumable
from landscape.analyses.settings import Settings
from landscape.analyses.stamping import protocol
from landscape.errors import LandscapeError, NewerResultError, NothingToMeasure, ResultError
from landscape.network import Network
from landscape.objective import Objective
from landscape.results import attribute, differences, load, sweep
from landscape.work import Progress, silent

Results = dict[str, dict[str, xr.Dataset]]
"""Network name → name of the result, its kind by default → dataset."""


@dataclass(frozen=True)
class Measurement:
    """One analysis of the comparison.

    Attributes:
        kind: Kind of result.
        settings: Its protocol.
        options: Options of its recipe.
        stochastic: Whether it says anything of networks with MC dropout alone; others are passed over.
        condition: What distinguishes it from others of its kind, in one word; empty for the usual one.
        name: What it is called among the results of a network; by default KIND or KIND-CONDITION.
    """

    kind: str
    settings: Settings
    options: Mapping[str, Any] = field(default_factory=dict)
    stochastic: bool = False
    condition: str = ""
    name: str = ""

    @property
    def label(self) -> str:
        """Its name among the results of a network."""
        return self.name or "-".join(filter(None, (self.kind, self.condition)))


def compare(
    networks: Sequence[Network],
    measurements: Sequence[Measurement],
    folder: str | Path,
    *,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
    join: bool | str = False,
) -> Results:
    """Measure each network in the same way and keep every dataset under ``FOLDER/datasets``.

    A network that does not have what is measured, such as feature maps, is left out of that measurement. A
    result that exists already, of the same file under the same protocol, is read instead of computed: a
    comparison that was stopped goes on where it was.

    Args:
        networks: With names that differ.
        measurements: What to measure.
        folder: Where the results go.
        progress: Shows the work of each measurement.
        say: Receives a line before each measurement.
        join: Whether to share the work, see `landscape.analyses.resumable`.

    Raises:
        LandscapeError: If two networks share a name.

    Examples:
        >>> import landscape as ls
        >>> from landscape.analyses import Measurement, Settings
        >>> networks = [ls.family.load(name) for name in ("gap", "gap-blur")]
        >>> plan = [Measurement("evaluation", Settings(split="test", samples=10))]
        >>> results = ls.analyses.compare(networks, plan, "comparison")
        >>> {name: list(kinds) for name, kinds in results.items()}
        {'gap': ['evaluation'], 'gap-blur': ['evaluation']}
    """
    names = [network.name for network in networks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LandscapeError(f"two networks are called {twice[0]!r}; rename a file, names label the figures")
    loaded = {m.label: m.settings.load_samples() for m in measurements}
    results: Results = {}
    pace, labels = _Pace(), [measurement.label for measurement in measurements]
    for position, network in enumerate(networks, 1):
        for index, measurement in enumerate(measurements):
            label = measurement.label
            objective = measurement.settings.objective(network, loaded[label])
            if measurement.stochastic and not objective.stochastic():
                continue
            left = pace.left(labels[index:] + labels * (len(networks) - position)) if position > 1 else ""
            say(f"[{position}/{len(networks)}] {network.name}: {label}{left}")
            path = Path(folder) / "datasets" / network.name / f"{label}.zarr"
            own = results.setdefault(network.name, {})
            try:
                own[label] = _measured(objective, measurement, path, pace, progress=progress, join=join)
            except NothingToMeasure as error:  # a chain of dense layers beside a convolutional network
                say(f"{network.name} is left out of {label}: {error}")
    return results


class _Pace:
    """How long measurements of each name have taken; those that were read from files do not count."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def timed(self, label: str) -> Iterator[None]:
        """A measurement of this name."""
        started = time.monotonic()
        yield
        self._seconds[label].append(time.monotonic() - started)

    def left(self, labels: Iterable[str]) -> str:
        """The end of a line that says how long measurements of these names will take, if any is known."""
        seconds = sum(sum(known) / len(known) for each in labels if (known := self._seconds.get(each)))
        if not seconds:
            return ""
        return f", about {f'{seconds / 60:.0f} min' if seconds >= 90 else f'{seconds:.0f} s'} left"


def _measured(
    objective: Objective, measurement: Measurement, path: Path, pace: _Pace, **how: Any
) -> xr.Dataset:
    stored = kept_result(path)
    if stored is not None and _matches(stored, objective, measurement):
        sweep(path)  # it may have been killed before that
        return stored
    with pace.timed(measurement.label):
        return resumable(
            measurement.kind,
            objective,
            path,
            condition=measurement.condition,
            **how,
            **measurement.options,
        )


def kept_result(path: Path) -> xr.Dataset | None:
    """What lies there; None if nothing does, or it is damaged: measure it (again).

    Raises:
        NewerResultError: If it is of a newer version, which is not replaced.
    """
    try:
        return load(path)
    except NewerResultError:
        raise
    except ResultError:
        return None


def _matches(stored: xr.Dataset, objective: Objective, measurement: Measurement) -> bool:
    """Whether a stored result is a whole one, of this file under this protocol."""
    if "done" in stored and not bool(stored.done.all()):
        return False  # it was interrupted, and saved as far as it was
    before = attribute(stored, "protocol")
    # The recipe fills in its own defaults: only what was asked for here is compared.
    options = {key: before["options"].get(key) for key in measurement.options}
    now = protocol(objective, dict(measurement.options))
    then, network = attribute(stored, "network"), objective.network
    same_file = then["sha256"] == network.sha256 is not None
    # Inserted smoothing changes the architecture, not the file.
    same = same_file and then["architecture"] == network.architecture
    return same and not differences({**before, "options": options}, now)
