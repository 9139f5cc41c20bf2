"""Who is compared with whom, under which conditions, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

from landscape.comparison import pairs, verdicts
from landscape.comparison.verdicts import SAME
from landscape.errors import ResultError
from landscape.results import attribute, stamp
from landscape.zoo import parse

SPECS = {
    "mlp": "cifar-resnet20:head=mlp,hidden=128",
    "gap": "cifar-resnet20",
    "gap-blur": "cifar-resnet20:blur",
    "gap-relu6": "cifar-resnet20:kernel=1,prob=relu6",
    "gap-preact": "cifar-preresnet20",
    "all": "cifar-preresnet20:blur,prob=relu6",
    "mcd-gap": "cifar-resnet20:dropout=0.2",
    "mcd-gap-blur": "cifar-resnet20:blur,dropout=0.2",
}


def spectrum(name: str, values: Any, *, spec: str = "", surgery: str = "", **protocol: Any) -> xr.Dataset:
    """Eigenvalues of mini-batches, shape (batch, rank)."""
    table = np.atleast_2d(np.asarray(values, float).T).T
    dataset = xr.Dataset(
        {"eigenvalue": (("batch", "rank"), table), "residual": (("batch", "rank"), 0 * table)}
    )
    network = {"name": name, "config": parse(spec or SPECS[name]).to_dict(), "surgery": surgery}
    asked = {"data": {"samples": 64}, "batch_norm": "eval", "options": {"k": 1}} | protocol
    return stamp(dataset, kind="spectrum", network=network, protocol=asked, provenance={})


def of(**datasets: xr.Dataset) -> dict[str, dict[str, xr.Dataset]]:
    return {name.replace("_", "-"): {dataset.attrs["kind"]: dataset} for name, dataset in datasets.items()}


def test_every_variant_meets_its_baseline():
    results = {name: {"spectrum": spectrum(name, [1, 2])} for name in SPECS}
    found = {(pair.factor, *pair.baseline, *pair.variant) for pair in pairs(results)}
    assert found == {
        ("global average pooling", "mlp", "gap"),
        ("blur", "gap", "gap-blur"),
        ("ReLU6", "gap", "gap-relu6"),
        ("pre-activation", "gap", "gap-preact"),
        ("blur + ReLU6 + pre-activation", "gap", "all"),
        ("blur", "mcd-gap", "mcd-gap-blur"),
    }


def test_seeds_are_told_by_their_configuration_and_surgery_by_its_name():
    results = of(
        gap_seed0=spectrum("gap", [1]),
        gap_seed1=spectrum("second", [1], spec=SPECS["gap"]),
        blurred=spectrum("blurred", [1], spec=SPECS["gap"], surgery="blur@layer1"),
    )
    (found,) = pairs(results)
    assert found.factor == "blur@layer1 inserted"
    assert found.baseline == ("gap-seed0", "gap-seed1")
    assert found.variant == ("blurred",)


def marked(dataset: xr.Dataset, *, seed: int | None = None, sha256: str = "") -> xr.Dataset:
    """Of a network that records its seed or its digest."""
    network = attribute(dataset, "network") | {"sha256": sha256}
    if seed is not None:
        network["training"] = {"recipe": {"epochs": 17, "seed": seed}}
    return dataset.assign_attrs(network=json.dumps(network))


def test_copies_of_one_checkpoint_are_no_seeds():
    results = of(
        gap_seed0=marked(spectrum("a", [1], spec=SPECS["gap"]), sha256="same"),
        gap_seed1=marked(spectrum("b", [1], spec=SPECS["gap"]), sha256="same"),
        blurred=marked(spectrum("c", [1], spec=SPECS["gap-blur"]), sha256="other"),
    )
    assert [pair.baseline for pair in pairs(results)] == [("gap-seed0",), ("gap-seed1",)]


def test_where_one_side_has_one_seed_it_meets_the_same_seed():
    results = of(
        first=marked(spectrum("first", [1, 2, 3], spec=SPECS["gap"]), seed=0),
        second=marked(spectrum("second", [4, 5, 6], spec=SPECS["gap"]), seed=1),
        blurred=marked(spectrum("blurred", [5, 6, 7.5], spec=SPECS["gap-blur"]), seed=1),
    )
    (found,) = verdicts(results)
    assert found.pair.labels == ("second", "blurred")
    assert found.change.value == pytest.approx(3.5 / 3)
    assert found.change.over == "mini-batches"


def test_networks_without_a_configuration_are_left_out():
    dataset = spectrum("gap", [1])
    network = json.dumps({"name": "own", "config": {}})
    assert (
        pairs({"own": {"spectrum": dataset.assign_attrs(network=network)}, "gap": {"spectrum": dataset}})
        == []
    )


def test_a_clear_change_has_a_verdict_and_one_that_is_not_says_what_it_takes():
    rng = np.random.default_rng(0)
    base = rng.normal(100, 20, 24)
    sharper = of(gap=spectrum("gap", base), gap_blur=spectrum("gap-blur", base + rng.normal(30, 5, 24)))
    (clear,) = verdicts(sharper)
    assert clear.verdict == "sharper"
    assert clear.change.low > 0
    assert "blur (gap → gap-blur)" in clear.sentence
    assert "over 24 mini-batches: sharper." in clear.sentence
    flatter = of(gap=spectrum("gap", base), gap_blur=spectrum("gap-blur", base - rng.normal(30, 5, 24)))
    assert verdicts(flatter)[0].verdict == "flatter"
    same = of(gap=spectrum("gap", base), gap_blur=spectrum("gap-blur", base + rng.normal(1, 40, 24)))
    (unclear,) = verdicts(same)
    assert unclear.verdict == SAME
    assert f"would take about {unclear.change.needed} mini-batches." in unclear.sentence
    assert unclear.change.needed > 24


def test_several_seeds_speak_for_seeds():
    results = {
        f"{name}-seed{i}": {"spectrum": spectrum(name, [value + i])}
        for name, value in {"gap": 100, "gap-blur": 150}.items()
        for i in range(3)
    }
    (found,) = verdicts(results)
    assert found.change.over == "seeds"
    assert found.change.value == 50
    assert found.verdict == "sharper"


def test_mixed_protocols_are_refused_unless_allowed():
    results = of(
        gap=spectrum("gap", [1, 2, 3]), gap_blur=spectrum("gap-blur", [2, 3, 5], batch_norm="recalibrate")
    )
    with pytest.raises(ResultError, match=r"gap and gap-blur .* \(spectrum: batch_norm differ\).* --mix"):
        verdicts(results)
    assert len(verdicts(results, mix=True)) == 1


def test_a_micro_batch_of_another_size_is_no_other_protocol():
    results = of(
        gap=spectrum("gap", [1, 2, 3], micro_batch=50),
        gap_blur=spectrum("gap-blur", [2, 3, 5], micro_batch=64),
    )
    assert len(verdicts(results)) == 1


@pytest.mark.parametrize("values", [[1.0, np.nan, 3.0], [1.0, 2.0], [0.0, 0.0, 0.0]])
def test_what_cannot_be_compared_is_left_out(values: list[float]):
    base = [0.0, 0.0, 0.0] if not any(values) else [1.0, 2.0, 3.0]
    results = of(gap=spectrum("gap", base), gap_blur=spectrum("gap-blur", values))
    assert verdicts(results) == []
