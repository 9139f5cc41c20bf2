"""The symmetry of a network: its units followed, their groups formed, and every group tried."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from landscape.connectivity.groups import Symmetry, settled
from landscape.connectivity.permuting import verified
from landscape.connectivity.tracing import Trace, Traced
from landscape.errors import NothingToMeasure
from landscape.objective import Objective


def trace(objective: Objective) -> Traced:
    """Follow the units of a network through a pass of two samples.

    Raises:
        LandscapeError: At an operator through which they cannot be followed; the message names it.
    """
    small = objective.selected(np.arange(min(2, len(objective.samples))))
    small.checked("value")
    forward = small.forward.replace(dropout="off", batch_norm="eval")
    batch = next(iter(small.batches()))
    with torch.no_grad():
        forward(small.parameters, 0, batch[1], 0)  # so that it has looked for its road
    mode = Trace(objective.network.module)
    handles = mode.hooks()
    try:
        with ExitStack() as around:
            around.enter_context(torch.no_grad())
            around.enter_context(sdpa_kernel(SDPBackend.MATH))
            around.enter_context(mode)
            forward(small.parameters, 0, batch[1], 0)
    finally:
        for handle in handles:
            handle.remove()
    return mode.found()


def symmetry(objective: Objective) -> Symmetry:
    """The permutations of units that leave a network's function as it is (Hecht-Nielsen 1990).

    Units are followed through one forward pass, operator by operator: hidden channels, the channels of a
    residual stream (one group over all that read or write it), attention heads as blocks with their units
    inside, groups of convolutions likewise. What reads some of them and not others, such as a slice, keeps
    these apart; positions and inputs and outputs of the network stay. Every group that is found is then
    tried, see `verified`.

    Args:
        objective: The network, and the samples that pass through it.

    Raises:
        NothingToMeasure: If there is nothing that may be permuted.
        LandscapeError: If an operator is not known, or a group turns out to be none.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> found = ls.connectivity.symmetry(ls.Objective(network, samples))
        >>> [group.words() for group in found.groups]
        ['0.weight (8 units)']
    """
    found = settled(trace(objective), dict(objective.forward.buffers))
    if not found.groups:
        raise NothingToMeasure(
            f"{objective.network.name} has no hidden units that may be permuted; leave out --align"
        )
    verified(objective, found)
    return found
