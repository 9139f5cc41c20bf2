"""Which layers can be measured: watched on two samples, with the reason for those that cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from landscape.errors import LandscapeError, NothingToMeasure
from landscape.features.capture import OddLayer, micro_batches, refuse_ensemble
from landscape.layout import MapLayout, Seen, watch
from landscape.objective import Objective
from landscape.zoo.places import Layer, find_layers, listed

Result = TypeVar("Result")


@dataclass
class Survey:
    """Layers to look at.

    Attributes:
        layers: Those that give one map of every sample, by name, in the network's order.
        layouts: Where the map stands in what each gives, or reads.
        missing: Why each of the others cannot be measured.
        demanded: Those that were asked for by their full name, which may not be missing.
        quiet: Of those missing, the ones whose output has no place for a map at all, such as a head.
        inputs: Whether what the layers read is looked at, instead of what they give.
    """

    layers: dict[str, Layer]
    layouts: dict[str, MapLayout]
    missing: dict[str, str]
    demanded: set[str] = field(default_factory=set)
    quiet: set[str] = field(default_factory=set)
    inputs: bool = False

    def measured(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, done anew without a layer that turns out to be odd.

        Raises:
            LandscapeError: If none is left, or a layer was asked for by name.
        """
        while True:
            try:
                return work()
            except OddLayer as odd:
                if odd.layer in self.demanded or len(self.layers) < 2:
                    raise
                self.missing[odd.layer] = odd.reason
                del self.layers[odd.layer], self.layouts[odd.layer]

    @property
    def left_out(self) -> dict[str, str]:
        """Those missing of which a map could be expected, with the reason."""
        return {name: reason for name, reason in self.missing.items() if name not in self.quiet}

    def warnings(self) -> list[str]:
        """A sentence on the layers that were found but are not measured; none if there are none."""
        loud = self.left_out
        if not loud:
            return []
        reasons: dict[str, list[str]] = {}
        for name, reason in loud.items():
            reasons.setdefault(reason, []).append(name)
        groups = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
        total = len(self.missing) + len(self.layers)
        return [f"{len(loud)} of {total} layers found are not measured: {groups}"]

    @property
    def attributes(self) -> dict[str, Any]:
        """What a result says: `warnings`, `left_out` (how many) and `not_measured` (name and reason)."""
        return {
            "warnings": self.warnings(),
            "left_out": len(self.left_out),
            "not_measured": [f"{name}: {reason}" for name, reason in self.missing.items()],
        }


def survey(
    objective: Objective, patterns: str | Sequence[str] | None = None, *, inputs: bool = False
) -> Survey:
    """Watch two samples pass the network, in the objective's protocol.

    Args:
        objective: Network and samples.
        patterns: Names or patterns of submodules; by default those that `find_layers` finds.
        inputs: Look at what they read instead of what they give.

    Raises:
        LandscapeError: If a layer does not exist, one asked for by name or all of them give no map, or run
            more than once a pass.
    """
    seen = watched(objective)
    found = {layer.name: layer for layer in find_layers(objective.network.module, patterns, seen)}
    reasons = {name: seen[name].unread if inputs else seen[name].reason for name in found}
    missing = {name: reason for name, reason in reasons.items() if reason}
    demanded = set(found) & set(listed(patterns or ""))
    refused = sorted(demanded & set(missing)) or (sorted(missing) if len(missing) == len(found) else [])
    for name in refused:
        raise _cannot(name, seen[name], missing[name], "reads" if inputs else "outputs")
    layers = {name: layer for name, layer in found.items() if name not in missing}
    places = {name: seen[name].reads if inputs else seen[name].gives for name in layers}
    layouts = {name: layout for name, layout in places.items() if layout}
    quiet = {name for name in missing if seen[name].runs == 1 and 0 < len(seen[name].shape) < 3}
    return Survey(layers, layouts, missing, demanded, quiet, inputs)


def watched(objective: Objective) -> dict[str, Seen]:
    """What every submodule does in one forward pass of two samples."""
    refuse_ensemble(objective)
    start, inputs = next(micro_batches(objective))
    two = inputs[:2] if len(inputs) > 1 else torch.cat([inputs, inputs])

    def run() -> None:
        objective.forward(objective.parameters, start, two, 0)

    objective.checked("value", report=True)  # before there are hooks
    with torch.no_grad():
        return watch(objective.network.module, run)


def _cannot(name: str, seen: Seen, reason: str, verb: str) -> LandscapeError:
    """The error for a layer without feature maps."""
    if seen.runs != 1:
        return OddLayer(name, reason)
    why = f"it {reason}" if verb == "outputs" else reason
    return NothingToMeasure(
        f"layer {name!r} {verb} no feature map of shape (batch, channel, height, width), nor tokens of one: "
        f"{why}; choose layers before the head, such as the residual blocks"
    )
