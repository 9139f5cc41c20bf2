"""A number with what is known of its error, from estimators of a trace to the tables of a paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Estimate:
    """A number; what is not known of its error is NaN, and None for the items.

    Attributes:
        value: The best guess.
        error: Its standard error.
        items: One value for each item, such as a sample or a mini-batch, indexed by the items; two results
            with the same index share their items, and are compared item by item.
        low: Lower end of the 95 % interval, where that is not ± two standard errors.
        high: Upper end.
    """

    value: float
    error: float = math.nan
    items: pd.Series | None = field(default=None, compare=False, repr=False)
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def of(cls, values: np.ndarray, labels: Sequence[Any] | np.ndarray | None = None) -> Estimate:
        """The mean of independent values, with its standard error and Student's interval; NaN for one value.

        Args:
            values: Shape (item,).
            labels: What the items are; they are kept only if this is given.
        """
        from landscape.intervals import student  # not for whoever only names the type

        value, error, low, high = map(float, student(np.asarray(values, float)))
        return cls(value, error, None if labels is None else indexed(values, labels), low, high)

    @property
    def known(self) -> bool:
        """Whether the standard error is known."""
        return math.isfinite(self.error)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the 95 % interval; None where they are not known."""
        return (self.low, self.high) if math.isfinite(self.low) and math.isfinite(self.high) else None

    @property
    def mean(self) -> float:
        """The mean of the items, which is what comparisons take; without items the value.

        A stored mean may differ from it in the last bit, as sums depend on their order.
        """
        return self.value if self.items is None else float(self.items.to_numpy().mean())

    def times(self, factor: float) -> Estimate:
        """The number in another unit, without its items: a share in per cent by a factor of 100."""
        value, error, low, high = (factor * each for each in (self.value, self.error, self.low, self.high))
        return replace(self, value=value, error=error, items=None, low=low, high=high)


def indexed(values: np.ndarray, labels: Sequence[Any] | np.ndarray) -> pd.Series:
    """Values as floats, indexed by what they are one for each of."""
    import pandas as pd  # takes a while, and estimators do without

    return pd.Series(np.asarray(values, float), index=labels)
