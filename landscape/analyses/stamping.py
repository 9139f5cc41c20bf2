"""Measure, judge and label: what every recipe ends with."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import xarray as xr

from landscape.analyses import checks as trust
from landscape.analyses.settings import network_record
from landscape.objective import Objective
from landscape.protocol import Level
from landscape.results import Check, provenance, stamp
from landscape.soundness.determinism import unless_excused

P = ParamSpec("P")
Judge = Callable[[xr.Dataset], Sequence[Check]]
"""The checks of a result, besides determinism."""


def analysis(
    judge: Judge = lambda found: [],
    *,
    record: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    seeded: bool = False,
    strict: bool = False,
) -> Callable[[Callable[P, xr.Dataset]], Callable[P, xr.Dataset]]:
    """Make a recipe of a function that measures, its name being the kind of the result.

    The function takes an objective and options by keyword; these go into the protocol as they are, but for
    `progress` and `run`.

    Args:
        judge: The checks of its result.
        record: From the options to what the protocol says of them.
        seeded: Whether the objective's seed belongs to them.
        strict: As in `stamped`.
    """

    def decorate(measure: Callable[P, xr.Dataset]) -> Callable[P, xr.Dataset]:
        signature = inspect.signature(measure)

        @wraps(measure)
        def recipe(*args: P.args, **kwargs: P.kwargs) -> xr.Dataset:
            call = signature.bind(*args, **kwargs)
            call.apply_defaults()
            objective, options = call.arguments.pop("objective"), call.arguments
            stated = {
                name: _stated(each) for name, each in options.items() if name not in ("progress", "run")
            }
            stated = record(stated) | ({"seed": objective.seed} if seeded else {})
            return stamped(
                measure.__name__,
                objective,
                stated,
                lambda: measure(objective, **options),
                judge,
                strict=strict,
            )

        return recipe

    return decorate


def _stated(value: Any) -> Any:
    """An option as the protocol holds it: networks and results by what identifies them."""
    if isinstance(value, Objective):
        return {"name": value.network.name, "sha256": value.network.sha256}
    if isinstance(value, xr.Dataset):
        return value.attrs.get("network")
    return list(map(_stated, value)) if isinstance(value, list | tuple) else value


def stamped(
    kind: str,
    objective: Objective,
    options: dict[str, Any],
    measure: Callable[[], xr.Dataset],
    judge: Judge,
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
