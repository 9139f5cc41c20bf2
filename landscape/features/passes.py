"""Forward passes for whoever looks at the layers: micro-batch by micro-batch, nothing kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.objective import Objective

Run = Callable[[int, Tensor], None]
"""Runs the network on the inputs that begin at this position."""


def micro_batches(objective: Objective) -> Iterator[tuple[int, Tensor]]:
    """Position of the first sample, and prepared inputs; none are kept, so that memory stays flat."""
    for start in range(0, len(objective.samples), objective.micro_batch):
        for _, inputs, _ in objective.subset(start, start + objective.micro_batch).batches():
            yield start, inputs


def count_micro_batches(objective: Objective) -> int:
    """How many `micro_batches` there are."""
    return math.ceil(len(objective.samples) / objective.micro_batch)


def runs(objective: Objective, draws: int = 1) -> list[Run]:
    """The network in the objective's protocol, once for each draw of its dropout masks.

    Call it before hooks are set: a few samples pass first, so that the objective checks itself.

    Raises:
        LandscapeError: If dropout is an ensemble, whose passes cannot be told apart.
    """
    refuse_ensemble(objective)
    objective.checked("value", report=True)
    return [_run(objective, draw) for draw in range(draws)]


def refuse_ensemble(objective: Objective) -> None:
    """Refuse dropout whose passes cannot be told apart.

    Raises:
        LandscapeError: If dropout is an ensemble.
    """
    if objective.dropout.passes is not None:
        raise LandscapeError(
            f"dropout is {objective.dropout}, which runs each layer several times a pass; look at layers "
            "with dropout off, fixed or fresh"
        )


def repeats(objective: Objective, draws: int) -> int:
    """How many passes `draws` asks for: two for a network without dropout, to see that it repeats itself.

    Raises:
        LandscapeError: If draws are asked for of masks that do not change.
    """
    if draws < 1:
        raise LandscapeError(f"{draws} draws asked for; at least 1 is needed, and 2 for a variance over them")
    if draws == 1:
        return 1
    if not objective.stochastic():
        return 2
    if objective.dropout != "fresh":
        raise LandscapeError(
            f"{draws} draws of dropout masks need dropout 'fresh', but it is {objective.dropout!r}, under "
            "which every draw is the same; set dropout to fresh, or draws to 1"
        )
    return draws


class OddLayer(LandscapeError):
    """A layer that does not give one map of every sample.

    Attributes:
        layer: Its name.
        reason: What it does instead.
    """

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(
            f"layer {layer!r} {reason}; choose a layer that runs exactly once in a forward pass, on "
            "images of one size"
        )
        self.layer, self.reason = layer, reason


def check_count(layer: str, maps: int, samples: int) -> None:
    """Refuse a layer whose maps cannot be told apart.

    Raises:
        OddLayer: If it gave another number of maps than there are samples.
    """
    if maps != samples:
        raise OddLayer(layer, f"gave {maps} maps for {samples} samples")


def _run(objective: Objective, draw: int) -> Run:
    forward = objective.forward
    if forward.batch_norm == "recalibrate":
        with torch.no_grad():
            forward = forward.recalibrated(objective.parameters, objective.batches(), draw)

    def run(start: int, inputs: Tensor) -> None:
        with torch.no_grad():
            forward(objective.parameters, start, inputs, draw)

    return run
