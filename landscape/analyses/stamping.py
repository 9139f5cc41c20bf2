"""Measure, judge and label: what every recipe ends with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from landscape.analyses import checks as trust
from landscape.analyses.settings import network_record
from landscape.mean_loss import Level
from landscape.objective import Objective
from landscape.results import Check, provenance, stamp
from landscape.soundness.determinism import unless_excused


def stamped(
    kind: str,
    objective: Objective,
    options: dict[str, Any],
    measure: Callable[[], xr.Dataset],
    judge: Callable[[xr.Dataset], Sequence[Check]],
    *,
    strict: bool = False,
) -> xr.Dataset:
    """A recipe's measurement with its trust report and labels; the time covers both.

    Args:
        kind: Kind of result.
        objective: What is measured.
        options: Of the recipe, for the protocol.
        measure: The measurement.
        judge: Its checks, besides determinism.
        strict: Whether an objective that is no function is refused, as derivatives need one.

    Raises:
        LandscapeError: If it is refused; the message names the layer to blame.
    """
    started = time.perf_counter()
    once = objective.exact_products is False  # then products are differences of gradients
    found = sound(objective, ("gradient" if once else "product") if strict else "value")
    dataset = measure()
    found += judge(dataset)
    return stamp(
        dataset,
        kind=kind,
        network=network_record(objective.network),
        protocol=protocol(objective, options),
        provenance=provenance(time.perf_counter() - started),
        checks=found,
    )


def sound(objective: Objective, level: Level) -> list[Check]:
    """Whether the objective is a function of its parameters, and what else it has checked of itself.

    Raises:
        LandscapeError: If numbers of this level would be wrong; the message names the likely cause.
    """
    masks = trust.dropout(objective)  # first, or a pass would warn of what the report says
    checks = objective.checked(level, report=True)
    culprit = objective.soundness.culprit if objective.soundness else None
    if level != "value":
        unless_excused(culprit, objective)
    return [
        trust.determinism(culprit),
        *checks,
        *masks,
        *trust.belonging(objective),
    ]


def protocol(objective: Objective, options: dict[str, Any]) -> dict[str, Any]:
    """What a result's numbers depend on: the objective's protocol and the options of the analysis."""
    return {**objective.protocol(), "options": options}
