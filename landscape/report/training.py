"""Networks of a page that are one network at several epochs of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landscape.comparison.identity import record_of, seed_of, stable, trained
from landscape.report.summary import Results


def epochs(results: Results) -> dict[str, dict[str, int]]:
    """Of networks that a page has at several epochs: which run each is of, and after how many epochs.

    Args:
        results: Network name → kind → dataset.

    Returns:
        By name `run`, the same number for checkpoints of one training run, and `epoch`. Networks whose
        checkpoints do not record their training, and those there is but one of, are left out.
    """
    runs: dict[str, dict[str, int]] = {}
    for name, kinds in results.items():
        record = record_of(kinds) if kinds else {}
        done = trained(record).get("done")
        if record.get("config") and isinstance(done, int):
            runs.setdefault(_run(record), {})[name] = done
    several = [found for found in runs.values() if len(set(found.values())) > 1]
    return {
        name: {"run": place, "epoch": done} for place, run in enumerate(several) for name, done in run.items()
    }


def _run(record: Mapping[str, Any]) -> str:
    """The same for checkpoints of one run: all but the epochs done."""
    training = {key: value for key, value in trained(record).items() if key != "done"}
    return stable([record["config"], record.get("surgery") or "", training, seed_of(record)])
