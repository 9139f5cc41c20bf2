"""The fit of plans finds the costs that runs were made with, and the script writes what it says."""

import json

import pytest

from benchmarks import plans
from benchmarks.plans import Measured, fitted, rows
from landscape.analyses.scaling import Costs, Plan


def runs(costs: Costs) -> list[Measured]:
    """Surfaces that take exactly what a plan with these costs says."""
    found = []
    for steps, samples in plans.SIZES:
        plan = Plan(
            steps**2, samples / 5000, measured=5, spread=0.1, start_seconds=0.1 + samples / 1000,
            memory_bytes=0, disk_bytes=0,
        )  # fmt: skip
        found += [Measured(steps, samples, n, plan, plan.seconds(n, costs)) for n in (1, 2)]
    return found


@pytest.mark.parametrize("costs", [Costs(1.7, 2.5, 1e-3), Costs(0.5, 0.0, 0.0)])
def test_the_fit_finds_the_costs(costs):
    ours = fitted(runs(costs)[::2] + runs(costs)[1:5:2])
    for name in ("start", "end", "each"):
        assert getattr(ours, name) == pytest.approx(getattr(costs, name), rel=1e-6, abs=1e-9)
    assert max(abs(each.error(ours)) for each in runs(costs)) < 1e-9
    assert runs(costs)[0].error(Costs(10.0, 10.0, 1.0)) > 0.1


def test_every_second_size_is_held_out(monkeypatch):
    monkeypatch.setattr(plans, "measured", lambda sizes: runs(Costs(1.7, 2.5, 1e-3)))
    *listed, fit = rows(plans.SIZES)
    assert [row["held_out"] for row in listed] == [False, False, True, True] * 4
    assert fit["costs"]["end"] == pytest.approx(2.5)
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
    assert set(fit["costs"]) == {"start", "end", "each"}
