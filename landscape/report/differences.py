"""Which networks of a page are distinguishable: as the verdicts say, else by the rule behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from landscape.comparison import Verdict, members
from landscape.comparison.changes import holm
from landscape.comparison.pairs import require_alike
from landscape.comparison.readings import APE, BY_NAME, largest_eigenvalue, positive_eigenvalue
from landscape.comparison.verdicts import SAME, change_between
from landscape.errors import ResultError
from landscape.intervals import distinguishable, from_error
from landscape.report.summary import Results
from landscape.results.estimate import Estimate


@dataclass(frozen=True)
class Differences:
    """What a page knows of the differences between its networks.

    Attributes:
        shown: The results of the page, seeds merged.
        every: Those of each seed by itself, from which differences are measured.
        verdicts: Of `landscape.comparison`; what they say of two networks is said everywhere.
    """

    shown: Results = field(default_factory=dict)
    every: Results = field(default_factory=dict)
    verdicts: Sequence[Verdict] = ()

    def distinguishable(
        self, first: str, estimates: Mapping[str, Estimate], quantity: str = ""
    ) -> dict[str, bool | None]:
        """Whether each other network is distinguishable from the first; None where nothing is known.

        Differences that have no verdict are tested as the verdicts are, paired where items are shared, and
        corrected for one another (Holm).

        Args:
            first: Name of the network that the others are compared with.
            estimates: The number of each network, in order.
            quantity: Name of the reading, where differences can be measured; else they are those of
                independent numbers with the standard errors at hand.
        """
        others = [name for name in estimates if name != first]
        said = [self._verdict(first, other, quantity) for other in others]
        tested = [
            math.nan if known is not None else self._p_value((first, other), estimates, quantity)
            for known, other in zip(said, others, strict=True)
        ]
        return {
            other: known if known is not None else None if math.isnan(p_value) else distinguishable(p_value)
            for other, known, p_value in zip(others, said, holm(tested), strict=True)
        }

    def _verdict(self, first: str, second: str, quantity: str) -> bool | None:
        """What the verdicts say of two networks; None if they say nothing."""
        sides = [self._seeds(name) for name in (first, second)]
        if quantity == APE and all(map(self._one_positive, (first, second))):
            quantity = "largest Hessian eigenvalue"
        for verdict in self.verdicts:
            pair = [set(verdict.pair.baseline), set(verdict.pair.variant)]
            matched = any(one <= sides[0] and other <= sides[1] for one, other in (pair, pair[::-1]))
            if matched and verdict.quantity.name == quantity:
                return verdict.verdict != SAME
        return None

    def _one_positive(self, name: str) -> bool:
        """Whether the mean of the positive eigenvalues of mini-batches is that of the largest ones."""
        spectrum = self.shown.get(name, {}).get("spectrum")
        if spectrum is None:
            return False
        first, second = (read(spectrum) for read in (positive_eigenvalue, largest_eigenvalue))
        if first is None or second is None or first.items is None or second.items is None:
            return False
        return np.array_equal(first.items, second.items)

    def _seeds(self, name: str) -> set[str]:
        seeds = {seed["name"] for dataset in self.shown.get(name, {}).values() for seed in members(dataset)}
        return seeds or {name}

    def _p_value(self, names: tuple[str, str], estimates: Mapping[str, Estimate], quantity: str) -> float:
        reading = BY_NAME.get(quantity)
        sides = [self._measured(name, reading.kind) for name in names] if reading else []
        if reading and all(sides):
            try:
                require_alike(reading.kind, names, [*sides[0], *sides[1]])
                change = change_between(reading, sides[0], sides[1])
            except ResultError:
                change = None
            if change is not None:
                return change.p_value
        return self._independent(names, estimates)

    def _independent(self, names: tuple[str, str], estimates: Mapping[str, Estimate]) -> float:
        """Of two numbers with standard errors; over seeds with the degrees of freedom of the fewer."""
        first, second = (estimates[name] for name in names)
        seeds = [len(self._seeds(name)) for name in names]
        freedom = min((count - 1 for count in seeds if count > 1), default=math.inf)
        return from_error(second.value - first.value, math.hypot(first.error, second.error), freedom).p_value

    def _measured(self, name: str, kind: str) -> list[xr.Dataset]:
        """The results of this kind of each seed; none where only merged ones are at hand."""
        found = [
            self.every[seed][kind] for seed in sorted(self._seeds(name)) if kind in self.every.get(seed, {})
        ]
        return [] if any(members(dataset) for dataset in found) else found
