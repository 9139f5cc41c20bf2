"""How wide a surface should be: until the loss has risen by a stated factor."""

from __future__ import annotations

import numpy as np

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import shifted
from landscape.surface.directions import Directions

_DOUBLINGS = 20


def find_span(
    objective: Objective, directions: Directions, *, rise: float = 10.0, start: float = 0.5
) -> float:
    """The smallest span, up to a factor √2, at whose ends the loss is `rise` times that at the centre.

    The loss at the ends is the mean over both directions and both signs; one that is not finite counts as
    risen.

    Args:
        objective: The loss.
        directions: One or two, and where they start.
        rise: Factor, more than 1.
        start: Span to begin at, in units of the directions.

    Raises:
        LandscapeError: If the factor is not more than 1, or the loss never rises so far.
    """
    if not 1 < rise < np.inf:
        raise LandscapeError(f"the loss must rise by a finite factor of more than 1, got {rise}")
    origin = objective.parameters | (directions.origin or {})
    centre = objective.value(origin).nll

    def risen(span: float) -> bool:
        ends = [
            objective.value(shifted(origin, (sign * span, vector))).nll
            for vector in directions.vectors
            for sign in (1, -1)
        ]
        return not np.mean(ends) < rise * centre  # NaN and infinity have risen

    span, step = start, 2.0**0.5
    if risen(span):
        while risen(span / step):
            span /= step
            if span < start * 2.0**-_DOUBLINGS:
                raise LandscapeError("the loss has risen at every distance that was tried; give a --span")
        return span
    while not risen(span):
        span *= step
        if span > start * 2.0**_DOUBLINGS:
            raise LandscapeError(
                f"the loss never rises to {rise} times its centre along these directions; give a --span"
            )
    return span
