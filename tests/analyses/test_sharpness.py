"""The recipe: every measure with its interval, the audit, the gap, its checks, and resumption."""

import importlib
import json
import math

import numpy as np
import pytest

from landscape import analyses, sharpness
from landscape.errors import ArgumentError
from landscape.results import attribute
from landscape.results.invariance import furthest, known, moves
from landscape.results.kinds import KINDS
from tests.build import report
from tests.sharpness.nets import convolutional, dense, loss

recipe = importlib.import_module("landscape.analyses.sharpness")  # its function has the same name

FEW = {
    "few": 12,
    "probes": 3,
    "products": 4,
    "directions": 6,
    "steps": 3,
    "mini_batch": 12,
    "noise_batch": 4,
    "audit_samples": 12,
}
NAMES = (
    "largest_eigenvalue", "trace", "frobenius", "average_sharpness", "worst_sharpness",
    "adaptive_average_sharpness", "adaptive_worst_sharpness", "relative_flatness", "pac_bayes_sigma",
    "basin_radius", "gradient_noise",
)  # fmt: skip


@pytest.fixture(scope="module")
def own():
    return loss(convolutional(), count=24, seed=3)


@pytest.fixture(scope="module")
def found(own):
    options = FEW | {"noise_batch": 3, "mini_batch": 6, "products": 6}
    return analyses.sharpness(own, opposite=loss(convolutional(), count=16), **options)


def test_every_measure_is_there_with_its_cost(found):
    names = found["measure"].values.astype(str).tolist()
    assert set(NAMES) <= set(names)
    assert {f"{name}_{end}" for name in NAMES[:3] for end in ("layer", "filter")} <= set(names)
    assert np.isfinite(found["value"]).all()
    assert (found["value_low"] <= found["value"]).all()
    assert (found["value"] <= found["value_high"]).all()
    cost = found["passes"] + found["gradients"] + found["products"]
    assert (cost.sel(measure=[name for name in names if "frobenius" not in name]) > 0).all()
    assert float(found["passes"].sel(measure="average_sharpness")) == (2 * 3 + 1) * 12
    assert float(found["gradients"].sel(measure="worst_sharpness")) == 3 * 24
    assert float(found["products"].sel(measure="trace")) == 6 * 12
    assert not json.loads(found.attrs["reasons"])


def test_the_audit_says_what_moves(found):
    for name in ("adaptive_average_sharpness", "adaptive_worst_sharpness", "trace_filter"):
        for change in ("filter_scale", "permute"):
            assert float(found["ratio"].sel(measure=name, change=change)) == pytest.approx(1, rel=1e-5)
    for name in ("trace", "frobenius", "largest_eigenvalue"):
        assert float(found["ratio"].sel(measure=name, change="permute")) == pytest.approx(1, rel=1e-3)
        assert known(found, name)
    assert furthest(found, "largest_eigenvalue") is not None
    assert furthest(found, "adaptive_worst_sharpness_filter") in (
        None,
        *(("split_unit", value) for value in found["ratio"].sel(change="split_unit").values),
        *(("fold_batchnorm", value) for value in found["ratio"].sel(change="fold_batchnorm").values),
    )
    changes = json.loads(found.attrs["changes"])
    assert set(changes) == set(sharpness.TRANSFORMATIONS)
    assert all(each["difference"] < 1e-10 and each["where"] for each in changes.values())


def test_the_gap_is_test_less_training(found, own):
    other = loss(convolutional(), count=16)
    assert float(found.gap) == pytest.approx(other.value().nll - own.value().nll)
    assert float(found.gap_low) < float(found.gap) < float(found.gap_high)
    train, test = (each.sample_losses()[1].double().mean() for each in (own, other))
    assert float(found.accuracy_gap) == pytest.approx(float(train - test))


def test_what_does_not_apply_says_so():
    found = analyses.sharpness(loss(dense()), **FEW | {"noise_batch": 3})
    changes = json.loads(found.attrs["changes"])
    assert changes["filter_scale"]["reason"].startswith("no BatchNorm")
    assert np.isnan(found["ratio"].sel(change="filter_scale")).all()
    assert math.isnan(float(found.gap))
    assert report(found)["same function"].passed


def test_the_learning_coefficient_comes_with_its_report(own):
    options = {"llc": True, "chains": 2, "chain_steps": 20, "audit_samples": 0}
    found = analyses.sharpness(own, **FEW | {"noise_batch": 3} | options)
    assert "ratio" not in found
    health = json.loads(found.attrs["llc"])
    assert set(health) == {
        "chains", "r_hat", "acceptance", "step_size", "temperature", "baseline_error", "sweep",
    }  # fmt: skip
    assert len(health["chains"]) == 2
    assert [row[0] for row in health["sweep"]] == [1.0, 0.25, 4.0]
    assert "llc" in report(found)
    assert float(found["value"].sel(measure="llc")) == pytest.approx(np.mean(health["chains"]))


def test_finished_items_are_not_computed_again(own, tmp_path, monkeypatch):
    options = FEW | {"noise_batch": 3, "audit_samples": 0}
    whole = analyses.resumable("sharpness", own, tmp_path / "whole.zarr", **options)
    calls = []

    def stopping(items, label="", total=None):
        for index, item in enumerate(items):
            if label == "adaptive_average_sharpness" and index == 1:
                raise KeyboardInterrupt
            yield item

    def counting(items, label="", total=None):
        rows = list(items)
        calls.append((label, len(rows)))
        return rows

    path = tmp_path / "cut.zarr"
    with pytest.raises(KeyboardInterrupt):
        analyses.resumable("sharpness", own, path, progress=stopping, **options)
    again = analyses.resumable("sharpness", own, path, progress=counting, **options)
    assert again.drop_attrs().identical(whole.drop_attrs())
    labels = [label for label, count in calls if count]
    assert "average_sharpness" not in labels
    assert ("adaptive_average_sharpness", 2) in calls


def test_options_of_the_command_are_those_of_the_recipe():
    defaults = vars(sharpness.Sizes()) | {"audit_samples": 32, "factor": 2.0}
    defaults.pop("tolerance")
    assert {option.name: option.default for option in KINDS["sharpness"].options} == defaults


@pytest.mark.parametrize("options", [{"audit_samples": -1}, {"factor": 0.5}, {"factor": math.nan}])
def test_an_audit_that_is_none_is_refused(own, options):
    with pytest.raises(ArgumentError, match="an audit takes 0 samples or more"):
        analyses.sharpness(own, **options)


def test_checks_can_fail(own, monkeypatch):
    rough = analyses.sharpness(
        own, **FEW | {"noise_batch": 3, "audit_samples": 0, "probes": 2, "products": 2}
    )
    assert not report(rough)["errors"].passed
    real = sharpness.transformed

    def wrong(name, objective, **options):
        changed = real(name, objective, **options)
        if changed.objective is not None:
            for value in changed.objective.parameters.values():
                value *= 1.1
        return changed

    monkeypatch.setattr("landscape.sharpness.audit.transformed", wrong)
    found = analyses.sharpness(own, **FEW | {"noise_batch": 3})
    check = report(found)["same function"]
    assert not check.passed
    assert "differs: rounding counts" in check.message


def test_the_health_of_chains_is_judged():
    good = sharpness.LearningCoefficient(
        sharpness.Found(3.0, 0.1),
        np.array([2.9, 3.1]),
        1.01,
        0.9,
        1e-4,
        100.0,
        0.2,
        [(1.0, 3.0, 0.1), (0.25, 3.1, 0.1)],
    )
    assert recipe._sampled(good).passed
    for bad, words in (
        ({"r_hat": 1.5}, "chains have not mixed"),
        ({"acceptance": 0.1}, "steps are too long"),
        ({"found": sharpness.Found(-1.0, 0.1)}, "the weights are no minimum"),
        ({"sweep": [(1.0, 3.0, 0.1), (0.25, 6.0, 0.1)]}, "shorter steps give another number"),
    ):
        check = recipe._sampled(sharpness.LearningCoefficient(**vars(good) | bad))
        assert not check.passed
        assert words in check.message


def test_moves_takes_more_than_noise():
    assert moves(1.2, 0.01)
    assert moves(0.5)
    assert not moves(1.2, 0.1)
    assert not moves(1.03, 0.0)
    assert not moves(math.nan)


def test_the_protocol_says_how(found):
    options = attribute(found, "protocol")["options"]
    assert options["rho_adaptive_worst"] == 1.0
    assert options["mini-batches"] == 4
    assert options["opposite"]["samples"] == 16
