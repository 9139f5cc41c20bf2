"""The fit of plans finds what runs were made with, and the script writes what it says."""

import json

import pytest

from benchmarks import plans
from benchmarks.plans import Measured, fitted, rows
from landscape.analyses.scaling import Plan


def runs(start: float) -> list[Measured]:
    """Surfaces that take exactly what a plan with these seconds of opening and saving says."""
    found = []
    for steps, samples in plans.SIZES:
        plan = Plan(
            steps**2, samples / 5000, measured=5, spread=0.1, start_seconds=0.1 + samples / 1000,
            memory_bytes=0, disk_bytes=0,
        )  # fmt: skip
        found += [Measured(steps, samples, n, plan, plan.seconds(n, start)) for n in (1, 2)]
    return found


@pytest.mark.parametrize("start", [3.7, 0.0])
def test_the_fit_finds_what_opening_and_saving_take(start):
    ours = fitted(runs(start)[::2] + runs(start)[1:5:2])
    assert ours == pytest.approx(start, rel=1e-6, abs=1e-9)
    assert max(abs(each.error(ours)) for each in runs(start)) < 1e-9
    assert runs(start)[0].error(10.0) > 0.1


def test_every_second_size_is_held_out(monkeypatch):
    monkeypatch.setattr(plans, "measured", lambda sizes: runs(5.0))
    *listed, fit = rows(plans.SIZES)
    assert [row["held_out"] for row in listed] == [False, False, True, True] * 4
    assert fit["start_seconds"] == pytest.approx(5.0)
    assert fit["held_out_fitted"]["largest"] < 1e-6 < fit["held_out_before"]["median"]


@pytest.mark.full
def test_the_script_measures_and_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["plans", "--tiny", "--out", str(tmp_path)])
    plans.main()
    *listed, fit = json.loads((tmp_path / "plans-cpu.json").read_text())["rows"]
    assert [(row["workers"], row["held_out"]) for row in listed] == [
        (1, False),
        (2, False),
        (1, True),
        (2, True),
    ]
    assert all(row["seconds"] > 0 for row in listed)
    assert fit["start_seconds"] >= 0
