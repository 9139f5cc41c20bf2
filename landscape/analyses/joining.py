"""Taking part in a run that several workers share, and what its result says of them."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import xarray as xr

from landscape.errors import ResultError
from landscape.objective import Objective
from landscape.results import Check, attribute
from landscape.results.joined import Joined
from landscape.results.schema import PACKAGES, installed_version
from landscape.results.shelf import GoneError

LARGEST = 1e-3
"""Difference between kinds of workers that the trust report lets pass, as a share of the largest value."""

_APART = ("device", "layout", "attention")
"""Entries of a protocol in which the workers of a run may differ."""


def about(objective: Objective) -> dict[str, Any]:
    """What the bits of this worker's numbers depend on: its device, its threads and its versions."""
    cuda = objective.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(objective.device) if cuda else objective.device.type,
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "versions": {package: installed_version(package) for package in PACKAGES},
    }


def shared(protocol: dict[str, Any]) -> dict[str, Any]:
    """What of a protocol is the same for all workers of a run."""
    left_out = _APART if protocol["batch_norm"] == "batch" else (*_APART, "micro_batch")
    return {name: value for name, value in protocol.items() if name not in left_out}


def take_part(
    journal: Joined,
    measure: Callable[[], xr.Dataset],
    save: Callable[[xr.Dataset], xr.Dataset],
    *,
    whole: bool = False,
) -> xr.Dataset:
    """The result of a run, of which this process does its share.

    Args:
        journal: Of the run.
        measure: The measurement, whose items the journal shares out.
        save: Saves it.
        whole: Whether it has no items, and one worker measures it all.

    Returns:
        The result, the same for every worker, whoever saved it.

    Raises:
        ResultError: If another run writes to the same result, or has replaced it meanwhile.
    """
    found = journal.finished()
    if found is not None:
        return found
    with journal:
        try:
            journal.enter()
            found = journal.finished()  # it may have been saved before this worker was seen
            if found is None:
                measured = None if whole else measure()
                found = journal.result(
                    lambda: save(stated(measure() if measured is None else measured, journal.report()))
                )
            journal.close()
            return found
        except GoneError:
            found = journal.finished()
            if found is None:
                raise ResultError(
                    f"the items beside {journal.place} were removed while this worker was at it, and no "
                    "result of this run is there; give the same command again"
                ) from None
            journal.close()
            return found


def stated(dataset: xr.Dataset, report: dict[str, Any]) -> xr.Dataset:
    """A result that says who computed it, and how far different kinds of workers are apart."""
    record = attribute(dataset, "provenance") | {"joined": report}
    largest = report["largest_difference"]
    if largest is not None and not np.isfinite(largest):
        record["joined"] = report | {"largest_difference": str(largest)}
    attributes = {"provenance": json.dumps(record)}
    if len(report["kinds"]) > 1 or largest:
        checks = [*attribute(dataset, "checks"), asdict(_check(report))]
        attributes["checks"] = json.dumps(checks)
    return dataset.assign_attrs(attributes)


def _check(report: dict[str, Any]) -> Check:
    twice, kinds, largest = report["computed_twice"], len(report["kinds"]), report["largest_difference"]
    who = f"{report['workers']} workers of {kinds} kind{'s' * (kinds > 1)}"
    if largest is None:
        return Check(
            "workers", False, f"{who} and no item computed twice: nobody knows how far they are apart"
        )
    where = f" in {report['largest_difference_in']}" if report["largest_difference_in"] else ""
    words = f"{who}, {twice} items computed twice: they differ by {largest:.1e} of the largest value{where}"
    passed = largest <= LARGEST
    return Check("workers", passed, words if passed else f"{words}; use machines of one kind")
