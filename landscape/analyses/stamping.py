"""Measure, judge and label: what every recipe ends with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from landscape.analyses import checks as trust
from landscape.analyses.settings import network_record
from landscape.determinism import find_culprit, require_deterministic
from landscape.objective import Objective
from landscape.results import Check, provenance, stamp


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
    started = time.monotonic()
    masks = trust.dropout(objective)
    culprit = require_deterministic(objective) if strict else find_culprit(objective)
    dataset = measure()
    found = [trust.determinism(culprit), *masks, *judge(dataset)]
    return stamp(
        dataset,
        kind=kind,
        network=network_record(objective.network),
        protocol=protocol(objective, options),
        provenance=provenance(time.monotonic() - started),
        checks=found,
    )


def protocol(objective: Objective, options: dict[str, Any]) -> dict[str, Any]:
    """What a result's numbers depend on: the objective's protocol and the options of the analysis."""
    return {**objective.protocol(), "options": options}
