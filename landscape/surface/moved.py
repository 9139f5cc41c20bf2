"""Weights that move besides the parameters: the stored filters of blurs, under the paper's norm.

In Park & Kim's code the filter of a blur longer than the box is an entry of the state dict, and the bases of
a surface cover all of that. With us it is a buffer, `*.blur.filter`, that is in no gradient and no L2 term.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import TRAINABLE, Parameters

BLUR_FILTER = re.compile(r"(^|\.)blur\.filter$")
"""Name of the filter of a blur in a state dict."""


def blur_filters(objective: Objective) -> Parameters:
    """The stored filters of a network's blurs, none where only some of the parameters are asked for."""
    if objective.params not in ("*", TRAINABLE):
        return {}
    held = {**objective.forward.buffers, **objective.parameters}
    return {name: v for name, v in held.items() if BLUR_FILTER.search(name) and name not in objective.free}


def origin_of(
    objective: Objective, vectors: Sequence[Mapping[str, Tensor]], origin: Mapping[str, Tensor] | None = None
) -> Parameters:
    """Every parameter where directions start, with the buffers that these move.

    Args:
        objective: The loss.
        vectors: The directions.
        origin: Where they start, if elsewhere than at the network's weights.

    Raises:
        LandscapeError: If they move what the network has not.
    """
    others = [name for name in vectors[0] if name not in objective.parameters]
    buffers = objective.forward.buffers if others else {}
    lacking = next((name for name in others if name not in buffers), None)
    if lacking:
        raise LandscapeError(
            f"the directions move {lacking!r}, which this network does not store; draw directions for it, or "
            "take those of a network with the same layers"
        )
    return {**objective.parameters, **{name: buffers[name] for name in others}, **(origin or {})}


def apart(objective: Objective, weights: Mapping[str, Tensor]) -> tuple[Objective, Parameters]:
    """The objective with the buffers among some weights in their place, and the parameters among them."""
    moved = {name: value for name, value in weights.items() if name not in objective.parameters}
    if not moved:
        return objective, dict(weights)
    forward = objective.forward.replace(buffers={**objective.forward.buffers, **moved})
    return objective.replace(forward=forward), {n: v for n, v in weights.items() if n not in moved}
