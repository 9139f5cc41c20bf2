"""Alignment modulo permutation against the package rebasin: distance that is left, and seconds.

Both maximise the inner product of the weights by assigning the units of one group after the other (Ainsworth
et al. 2023). Our time is that of `landscape connect --align`: units found and every group tried, 256 images
passed through both networks for a start by activations, the best of up to four starts. Beside it stands that
of one start without images, which is what rebasin does.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.turns import turned
from landscape import connectivity
from landscape.connectivity import Copy
from landscape.network import Network
from landscape.objective import Objective
from landscape.parameters import norm
from landscape.samples import Samples
from landscape.zoo import build, parse

TRACED = 8
"""Images from which rebasin learns how a network is built."""
SAME = 1e-4
"""Share of the largest output, or of the distance before, that counts as rounding."""


def with_weights(network: Network, weights: Copy) -> Network:
    """The network with other parameters and buffers."""
    module = copy.deepcopy(network.module).eval()
    module.load_state_dict({**weights.parameters, **weights.buffers}, strict=False)
    return replace(network, module=module)


def permuted_copy(network: Network, samples: Samples, *, seed: int = 1) -> Network:
    """The same function with the units of every group in a random order."""
    objective = Objective(network, samples)
    found = connectivity.symmetry(objective)
    return with_weights(network, Copy.of(objective).permuted(found, found.random(seed)))


def shaken(network: Network, *, share: float = 0.5, seed: int = 2) -> Network:
    """The network with noise on every weight, as long as this share of each tensor; stands in for another."""
    generator, module = torch.Generator().manual_seed(seed), copy.deepcopy(network.module)
    with torch.no_grad():
        for value in module.parameters():
            noise = torch.randn(value.shape, generator=generator)
            value += share * value.norm() / noise.norm() * noise
    return replace(network, module=module)


def initialised(spec: str, samples: Samples) -> Network:
    """A network of the zoo at random weights, with BatchNorm's statistics of these samples."""
    module = build(parse(spec))
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = None  # the plain average over passes
    with torch.no_grad():
        module.train()(Objective(module, samples).network.prepare(samples.batch(0, len(samples))[0]))
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    return Network(module.eval(), name=spec)


def ours(first: Objective, second: Objective, *, whole: bool) -> Copy:
    """The second network's weights in the order that suits the first.

    Args:
        first: Stays.
        second: Is permuted.
        whole: As the command does it; otherwise from one start, without images.
    """
    one, other = Copy.of(first), Copy.of(second)
    found = connectivity.symmetry(first)
    starts: Sequence[np.ndarray] = ()
    if whole:
        few = first.selected(np.arange(min(256, len(first.samples))))
        starts = [connectivity.by_activations(few, one, other, found)]
    more: dict[str, Any] = {} if whole else {"random_starts": 0}
    match = connectivity.by_weights(one.parameters, other.parameters, found, starts=starts, **more)
    return other.permuted(found, match.source)


def theirs(first: Objective, second: Objective) -> Copy:
    """The same by rebasin, whose order of groups comes from the global generator of PyTorch."""
    from rebasin import PermutationCoordinateDescent

    stays, moves = (copy.deepcopy(each.network.module).eval() for each in (first, second))
    inputs = first.network.prepare(first.samples.batch(0, TRACED)[0])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        PermutationCoordinateDescent(stays, moves, inputs).rebasin()
    return Copy(
        {name: value.detach() for name, value in moves.named_parameters()}, dict(moves.named_buffers())
    )


def apart(one: Copy, other: Copy) -> float:
    """Euclidean distance of the parameters."""
    return float(norm({name: other.parameters[name] - value for name, value in one.parameters.items()}))


def moved(objective: Objective, before: Copy, after: Copy) -> float:
    """How far outputs moved, as a share of the largest."""
    few = objective.selected(np.arange(min(64, len(objective.samples))))
    outputs = before.outputs(few)
    return float((after.outputs(few) - outputs).abs().max() / outputs.abs().max())


def left(name: str, found: Any, first: Objective, second: Objective) -> dict[str, Any]:
    """What an alignment leaves: the distance, and whether the network is the function that it was.

    Args:
        name: Of the fields.
        found: The weights; None where it failed.
        first: The network that stayed.
        second: The one that was permuted.
    """
    fields = ("distance", "outputs_moved", "outputs_moved_batch_statistics")
    if found is None:
        return {f"{name}_{field}": None for field in fields}
    own, statistics = Copy.of(second), second.replace(batch_norm="batch")
    numbers = (apart(Copy.of(first), found), moved(second, own, found), moved(statistics, own, found))
    return {f"{name}_{field}": number for field, number in zip(fields, numbers, strict=True)}


def aligned(case: str, first: Network, second: Network, samples: Samples, turns: int) -> dict[str, Any]:
    """One row: the second network aligned to the first, by both."""
    one, other = Objective(first, samples), Objective(second, samples)
    done = turned(
        {
            "theirs": lambda: theirs(one, other),
            "ours": lambda: ours(one, other, whole=True),
            "one start": lambda: ours(one, other, whole=False),
        },
        turns,
        guests=("theirs",),
    )
    before = apart(Copy.of(one), Copy.of(other))
    row = {
        "case": case,
        "peer": "rebasin",
        "peer_seconds": done.median("theirs"),
        "our_seconds": done.median("ours"),
        "our_seconds_one_start": done.median("one start"),
        "ratio": done.ratio("theirs", "ours"),
        "ratio_one_start": done.ratio("theirs", "one start"),
        "distance_before": before,
        **left("peer", done.results.get("theirs"), one, other),
        **left("our", done.results["ours"], one, other),
        "our_distance_one_start": apart(Copy.of(one), done.results["one start"]),
    }
    return row | {"says": said(row, done.errors.get("theirs", ""))}


def said(row: dict[str, Any], error: str) -> str:
    """What the row shows, in a sentence of each side."""
    return " ".join(
        f"{name} {_verdict(row, key, error if key == 'peer' else '')}."
        for name, key in (("rebasin", "peer"), ("landscape", "our"))
    )


def _verdict(row: dict[str, Any], key: str, error: str) -> str:
    if error:
        return f"fails ({error})"
    before, distance = row["distance_before"], row[f"{key}_distance"]
    if not row[f"{key}_outputs_moved_batch_statistics"] <= SAME:
        kept = "the network is another function then"
    elif not row[f"{key}_outputs_moved"] <= SAME:
        kept = "BatchNorm's statistics stay in the old order"
    else:
        kept = "the outputs stay as they were"
    if distance <= SAME * before:
        return f"recovers the order; {kept}"
    return f"leaves {100 * distance / before:.1f} % of the distance; {kept}"
