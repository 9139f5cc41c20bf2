"""Which networks of a page can be told apart: as the verdicts say, else by the rule behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from landscape.comparison import Verdict, members
from landscape.comparison.conditions import require_alike
from landscape.comparison.multiplicity import holm
from landscape.comparison.quantities import APE, QUANTITIES, Quantity, positive, sharpest
from landscape.comparison.verdicts import SAME, change_between
from landscape.errors import ResultError
from landscape.intervals import distinguishable, from_error
from landscape.report.numbers import Estimate
from landscape.report.summary import Results

_BY_NAME = {quantity.name: quantity for quantity in (*QUANTITIES, APE)}


@dataclass(frozen=True)
class Telling:
    """What a page knows of the differences between its networks.

    Attributes:
        shown: The results of the page, seeds merged.
        every: Those of each seed by itself, from which differences are measured.
        verdicts: Of `landscape.comparison`; what they say of two networks is said everywhere.
    """

    shown: Results = field(default_factory=dict)
    every: Results = field(default_factory=dict)
    verdicts: Sequence[Verdict] = ()

    def apart(self, first: Estimate, others: Sequence[Estimate], quantity: str = "") -> list[bool | None]:
        """Whether each of the others can be told from the first; None where nothing is known.

        Differences that have no verdict are tested as the verdicts are, paired where items are shared, and
        corrected for one another (Holm).

        Args:
            first: What the others are compared with.
            others: The same number of other networks.
            quantity: Name of the quantity, where its differences can be measured; else they are those of
                independent numbers with the standard errors at hand.
        """
        said = [self._verdict(first.name, other.name, quantity) for other in others]
        tested = [
            math.nan if known is not None else self._p_value(first, other, quantity)
            for known, other in zip(said, others, strict=True)
        ]
        return [
            known if known is not None else None if math.isnan(p_value) else distinguishable(p_value)
            for known, p_value in zip(said, holm(tested), strict=True)
        ]

    def _verdict(self, first: str, second: str, quantity: str) -> bool | None:
        """What the verdicts say of two networks; None if they say nothing."""
        sides = [self._seeds(name) for name in (first, second)]
        if quantity == APE.name and all(map(self._single, (first, second))):
            quantity = _BY_NAME["largest Hessian eigenvalue"].name
        for each in self.verdicts:
            pair = [set(each.pair.baseline), set(each.pair.variant)]
            matched = any(one <= sides[0] and other <= sides[1] for one, other in (pair, pair[::-1]))
            if matched and each.quantity.name == quantity:
                return each.verdict != SAME
        return None

    def _single(self, name: str) -> bool:
        """Whether the mean of the positive eigenvalues of mini-batches is that of the largest ones."""
        spectrum = self.shown.get(name, {}).get("spectrum")
        return spectrum is not None and np.array_equal(positive(spectrum)[1], sharpest(spectrum)[1])

    def _seeds(self, name: str) -> set[str]:
        found = {each["name"] for dataset in self.shown.get(name, {}).values() for each in members(dataset)}
        return found or {name}

    def _p_value(self, first: Estimate, second: Estimate, quantity: str) -> float:
        chosen = _BY_NAME.get(quantity)
        sides = [self._measured(each.name, chosen) for each in (first, second)] if chosen else []
        if chosen and all(sides):
            try:
                require_alike(chosen.kind, (first.name, second.name), [*sides[0], *sides[1]])
                change = change_between(chosen, sides[0], sides[1])
            except ResultError:
                change = None
            if change is not None:
                return change.p_value
        return self._independent(first, second)

    def _independent(self, first: Estimate, second: Estimate) -> float:
        """Of two numbers with standard errors; over seeds with the degrees of freedom of the fewer."""
        if first.standard_error is None or second.standard_error is None:
            return math.nan
        seeds = [len(self._seeds(each.name)) for each in (first, second)]
        freedom = min((count - 1 for count in seeds if count > 1), default=math.inf)
        error = math.hypot(first.standard_error, second.standard_error)
        return from_error(second.value - first.value, error, freedom).p_value

    def _measured(self, name: str, quantity: Quantity | None) -> list[xr.Dataset]:
        """The results of each seed that a quantity is read from; none where only merged ones are at hand."""
        kind = quantity.kind if quantity else ""
        found = [
            self.every[each][kind] for each in sorted(self._seeds(name)) if kind in self.every.get(each, {})
        ]
        return [] if any(members(dataset) for dataset in found) else found
