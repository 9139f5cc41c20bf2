"""Seeds as one network: which belong together, what becomes of their numbers, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from landscape.comparison import members, pooled, verdicts
from landscape.comparison.identity import common_name, groups, without_seed
from landscape.comparison.pooling import together
from landscape.comparison.readings import largest_eigenvalue
from landscape.errors import ResultError
from landscape.results import KINDS, attribute
from tests.figures import seeds, synthetic

FAMILY = seeds.family()
POOLED = pooled(FAMILY)
GAP = [FAMILY[f"gap-seed{seed}"] for seed in range(3)]
T = stats.t.ppf(0.975, 2)


def values(kind: str, name: str) -> np.ndarray:
    """A variable of the three seeds, shape (seed, …)."""
    return np.stack([kinds[kind][name].values for kinds in GAP])


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("gap-seed0", "gap"),
        ("gap_s12", "gap"),
        ("gap.seed=2", "gap"),
        ("gap-seed0+blur", "gap+blur"),
        ("seed3-gap", "gap"),
        ("gap", None),
        ("gap-blur2", None),
        ("nets3", None),
        ("gap-s2d", None),
        ("seed1", None),
    ],
)
def test_a_seed_is_taken_out_of_a_name(name, stem):
    assert without_seed(name) == stem


def test_a_common_name_is_made_of_whole_words():
    assert common_name(["gap-seed0"]) == "gap-seed0"
    assert common_name(["gap-seed0", "gap_seed1"]) == "gap"
    assert common_name(["gap-blur-a", "gap-blur-b"]) == "gap-blur"
    assert common_name(["plain", "plane"]) == "plain"


def test_seeds_become_one_network_and_everything_else_stays():
    own = {
        kind: dataset.assign_attrs()
        for kind, dataset in synthetic.comparison(["own-seed0"])["own-seed0"].items()
    }
    results = FAMILY | {
        "own-seed0": own,
        "mlp-seed7": {"spectrum": seeds.family(("mlp",), 1)["mlp-seed0"]["spectrum"]},
    }
    found = pooled(results)
    assert list(found) == ["gap", "gap-blur", "own-seed0", "mlp-seed7"]
    assert found["own-seed0"] == own
    assert [each["name"] for each in members(found["gap"]["spectrum"])] == [
        "gap-seed0",
        "gap-seed1",
        "gap-seed2",
    ]
    assert members(found["mlp-seed7"]["spectrum"]) == []
    network = attribute(found["gap"]["features"], "network")
    assert network["name"] == "gap"
    assert network["config"] == seeds.CONFIGS["gap"]
    assert network["sha256"] is None
    assert network["seeds"][1] == {
        "name": "gap-seed1",
        "path": "runs/gap-seed1.safetensors",
        "sha256": "sha of gap-seed1",
    }


def test_a_name_that_is_taken_is_not_taken_twice():
    taken = {"gap": {"spectrum": seeds.known(FAMILY["gap-seed0"]["spectrum"], "gap", seeds.CONFIGS["mlp"])}}
    assert list(pooled({**FAMILY, **taken})) == ["gap (seeds)", "gap-blur", "gap"]


def renamed(name: str, seed: int = 0, **record: object) -> dict[str, xr.Dataset]:
    return {"spectrum": seeds.known(GAP[seed]["spectrum"], name, seeds.CONFIGS["gap"], **record)}


def test_the_same_network_trained_otherwise_is_no_seed():
    results = {"sgd": renamed("sgd"), "sam": renamed("sam", 1)}
    assert groups(results) == [("sgd",), ("sam",)]
    recipe = {"epochs": 3, "weight_decay": 0.1}
    trained = {
        "a": renamed("a", training={"recipe": recipe | {"seed": 0}, "done": 3}),
        "b": renamed("b", 1, training={"recipe": recipe | {"seed": 1}, "done": 3}),
        "c": renamed("c", 2, training={"recipe": recipe | {"seed": 2}, "done": 2}),
    }
    assert groups(trained) == [("a", "b"), ("c",)]


def test_a_copy_of_a_checkpoint_is_no_second_seed():
    results = {f"gap-seed{i}": renamed(f"gap-seed{i}", i, sha256="one") for i in (0, 1)}
    assert groups(results) == [("gap-seed0",), ("gap-seed1",)]


def test_means_have_their_standard_error_over_seeds():
    for kind, name in (("evaluation", "mean_nll"), ("features", "spatial_variance"), ("attack", "accuracy")):
        found, measured = POOLED["gap"][kind], values(kind, name)
        np.testing.assert_allclose(found[name], measured.mean(0), rtol=1e-12)
        np.testing.assert_allclose(
            found[f"{name}_standard_error"], measured.std(0, ddof=1) / np.sqrt(3), rtol=1e-9
        )
        assert found.attrs["pooling"] == "mean"
    assert not np.allclose(
        values("evaluation", "mean_nll_standard_error")[0],
        POOLED["gap"]["evaluation"].mean_nll_standard_error,
    )


def test_the_error_of_a_change_is_that_of_the_difference_between_layers():
    measured = values("features", "spatial_variance")
    change = np.diff(measured, axis=1)
    parts = [
        kinds["features"].assign(
            spatial_variance_change_standard_error=("layer", np.zeros(measured.shape[1]))
        )
        for kinds in GAP
    ]
    found, _ = together(dict(zip("abc", parts, strict=True)))
    error = found["spatial_variance_change_standard_error"].values
    assert np.isnan(error[0])
    np.testing.assert_allclose(error[1:], change.std(0, ddof=1) / np.sqrt(3), rtol=1e-9)


def test_bins_are_weighted_by_their_predictions():
    empty = np.nan
    counts, accuracy = (
        np.array([[6, 0], [2, 4], [0, 4]]),
        np.array([[0.5, empty], [1.0, 0.25], [empty, 0.75]]),
    )
    parts = {
        f"{i}": GAP[i]["evaluation"].drop_dims("bin").assign(
            bin_count=("bin", counts[i]), bin_accuracy=("bin", accuracy[i]),
            bin_accuracy_standard_error=("bin", [0.1, 0.1]),
        )
        for i in range(3)
    }  # fmt: skip
    found, _ = together(parts)
    assert found.bin_count.values.tolist() == [8, 8]
    np.testing.assert_allclose(found.bin_accuracy, [(6 * 0.5 + 2 * 1.0) / 8, 0.5])
    pairs = np.array([[0.5, 1.0], [0.25, 0.75]])  # the two seeds that have predictions there
    np.testing.assert_allclose(found.bin_accuracy_standard_error, pairs.std(1, ddof=1) / np.sqrt(2))


def test_the_interval_of_a_spectrum_is_over_seeds_and_not_over_mini_batches():
    found = POOLED["gap"]["spectrum"]
    each = values("spectrum", "eigenvalue")
    apes = np.array([table[table > 0].mean() for table in each])
    error = apes.std(ddof=1) / np.sqrt(3)
    assert float(found.ape) == pytest.approx(apes.mean())
    assert float(found.ape_standard_error) == pytest.approx(error)
    assert [float(found.ape_low), float(found.ape_high)] == pytest.approx(
        [apes.mean() - T * error, apes.mean() + T * error]
    )
    assert 0 <= float(found.nep_low) <= float(found.nep) <= float(found.nep_high) <= 1
    assert found.attrs["pooling"] == "values"
    np.testing.assert_array_equal(found.eigenvalue, np.concatenate(each))
    assert list(found.seed.values) == [f"gap-seed{seed}" for seed in range(3) for _ in range(12)]
    largest = each.max(2).mean(1)
    read = largest_eigenvalue(found)
    assert (read.value, read.error) == pytest.approx((largest.mean(), largest.std(ddof=1) / np.sqrt(3)))


def flatness(curvature: list[float]) -> xr.Dataset:
    rise = np.outer(curvature, [0.005, 0.02])
    dataset = xr.Dataset(
        {
            "curvature": ("repeat", np.array(curvature)),
            "rise": (("repeat", "radius"), rise),
            "loss": (("repeat", "radius", "sign"), np.stack([rise, rise], 2)),
            "radius_at_rise": ("repeat", [0.1, np.nan]),
            "not_reached": 1,
            "sharpness": ("radius", rise.max(0)),
        },
        coords={"radius": [0.1, 0.2]},
    )
    return dataset.assign_attrs(kind="flatness", protocol="{}")


def test_the_intervals_of_a_flatness_are_over_seeds():
    means = np.array([2.0, 3.0, 7.0])
    found, how = together({f"{mean}": flatness([mean - 0.5, mean + 0.5]) for mean in means})
    assert how == "values"
    half = T * means.std(ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(found.curvature_mean, 4.0)
    np.testing.assert_allclose(found.curvature_interval, [4 - half, 4 + half])
    np.testing.assert_allclose(found.rise_interval.sel(radius=0.2), 0.02 * np.array([4 - half, 4 + half]))
    assert found.sizes["repeat"] == found.seed.size == 6
    assert int(found.not_reached) == 3
    assert np.isnan(found.radius_at_rise_median)
    np.testing.assert_allclose(found.sharpness, [4.5 * 0.005, 4.5 * 0.02])  # the largest of each seed


def test_pictures_are_those_of_the_first_seed():
    for kind in FAMILY["gap-seed0"]:
        if KINDS[kind].pooling == "first":
            assert POOLED["gap"][kind].attrs["pooling"] == "first"
            xr.testing.assert_equal(POOLED["gap"][kind], GAP[0][kind])
    assert {"surface", "maps", "similarity"} <= {
        k for k, d in POOLED["gap"].items() if d.attrs["pooling"] == "first"
    }


def test_what_one_seed_has_alone_is_kept():
    results = {name: dict(kinds) for name, kinds in FAMILY.items()}
    del results["gap-seed0"]["attack"], results["gap-seed1"]["attack"]
    found = pooled(results)["gap"]["attack"]
    assert found.attrs["pooling"] == "first"
    assert [each["name"] for each in members(found)] == ["gap-seed2"]


def test_checks_of_every_seed_are_kept_with_their_names():
    messages = [check["message"] for check in attribute(POOLED["gap"]["spectrum"], "checks")]
    assert [message.partition(":")[0] for message in messages] == ["gap-seed0", "gap-seed1", "gap-seed2"]
    assert attribute(POOLED["gap"]["spectrum"], "provenance")["seconds"] == pytest.approx(4.5)


def changed(**protocol: object) -> seeds.Results:
    results = {name: dict(kinds) for name, kinds in FAMILY.items()}
    spectrum = results["gap-seed1"]["spectrum"]
    text = json.dumps(attribute(spectrum, "protocol") | protocol)
    results["gap-seed1"]["spectrum"] = spectrum.assign_attrs(protocol=text)
    return results


def test_seeds_measured_otherwise_are_refused():
    with pytest.raises(
        ResultError, match=r"gap-seed0, gap-seed1, gap-seed2 .*spectrum.*differ in batch_norm"
    ):
        pooled(changed(batch_norm="recalibrate"))
    assert "gap" in pooled(changed(batch_norm="recalibrate"), mix=True)
    assert "gap" in pooled(changed(micro_batch=7, device="cuda"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.assign(depth=d.depth + 0.01), "'depth' is not the same"),
        (lambda d: d.assign(kind=("layer", d.kind.values[::-1])), "'kind' is not the same"),
        (lambda d: d.isel(layer=slice(1, None)), "lengths of 'layer'"),
        (lambda d: d.assign_coords(layer=d.layer[::-1].values), "'layer' is not the same"),
        (lambda d: d.drop_vars("high_frequency"), "not all of them have 'high_frequency'"),
    ],
)
def test_seeds_of_another_form_are_refused(change, words):
    parts = {"a": GAP[0]["features"], "b": change(GAP[1]["features"])}
    with pytest.raises(ResultError, match=words):
        together(parts)


def test_verdicts_are_reached_from_the_seeds_alone():
    found = verdicts(FAMILY)
    assert {verdict.change.over for verdict in found} == {"seeds"}
    assert {verdict.pair.labels for verdict in found} == {("gap", "gap-blur")}
    assert found[0].sentence.startswith("blur (gap → gap-blur):")
    with pytest.raises(ResultError, match="gap, gap-blur were pooled"):
        verdicts(POOLED)
