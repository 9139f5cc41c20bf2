"""The fair test's statistics on made-up results, against numbers that are known."""

import math

import numpy as np
import pytest
from scipy import stats

from docs.ship import merged
from landscape import figures
from landscape.comparison import flattening, way
from landscape.comparison.flattening import AGREES, CONTRADICTS, MATCHED, OPEN, STEPS, steps
from landscape.errors import LandscapeError, ResultError
from tests.comparison import fair


@pytest.fixture(scope="module")
def results():
    """Three seeds of three arms, each half as curved as the one before."""
    return fair.results()


def test_a_step_is_the_paired_log_ratio_of_the_seeds(results):
    primary = [each for each in steps(results) if each.measure.role == "primary"]
    assert [each.step for each in primary] == list(STEPS)
    for each in primary:
        assert each.seeds == (0, 1, 2)
        own = stats.ttest_1samp(each.ratios, 0.0)
        assert each.change.value == pytest.approx(np.mean(each.ratios)) == pytest.approx(-0.69, abs=0.1)
        low, high = own.confidence_interval(0.95)
        assert (each.change.low, each.change.high) == pytest.approx((low, high))
        assert each.verdict == AGREES
    smaller, larger = sorted(each.change.p_value for each in primary)
    assert sorted(each.adjusted for each in primary) == pytest.approx([2 * smaller, max(2 * smaller, larger)])


def test_secondary_measures_are_corrected_together(results):
    secondary = [each for each in steps(results) if each.measure.role == "secondary"]
    expected = stats.false_discovery_control([each.change.p_value for each in secondary])
    assert [each.adjusted for each in secondary] == pytest.approx(expected.tolist())


def test_the_other_direction_contradicts_and_one_seed_says_nothing(results):
    other = {"gap": "mlp", "mlp": "gap"}
    swapped = {}
    for name, kinds in results.items():
        arm = name.partition("-seed")[0]
        swapped[name.replace(arm, other.get(arm, arm), 1)] = kinds
    first = steps(swapped)[0]
    assert (first.step, first.verdict) == ("MLP head → GAP", CONTRADICTS)
    alone = steps({name: kinds for name, kinds in results.items() if "seed0" in name})
    assert {each.verdict for each in alone} == {OPEN}
    assert math.isnan(alone[0].detectable)


def test_what_three_seeds_can_find_is_what_simulated_experiments_find():
    wide = steps(fair.results(noise=0.3))[0]
    error = float(np.std(wide.ratios, ddof=1))
    rng = np.random.default_rng(1)
    draws = rng.normal(-wide.detectable, error, size=(20_000, 3))
    found = (stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.025).mean()
    assert found == pytest.approx(0.8, abs=0.02)


def test_equal_fit_is_taken_from_the_way(results):
    """The MLP head ends at an NLL of 0.16; global average pooling has about that after four epochs."""
    matched = next(each for each in steps(results) if each.measure.name == MATCHED)
    ends = {arm: [p for p in way.along(results) if p.arm == arm and p.epoch == 5] for arm in ("mlp", "gap")}
    nearer = [p for p in way.along(results) if p.arm == "gap" and p.epoch == 4]
    expected = [math.log(b.eigenvalue / a.eigenvalue) for a, b in zip(ends["mlp"], nearer, strict=True)]
    assert [p.nll for p in nearer] == pytest.approx([0.125] * 3)
    assert list(matched.ratios) == pytest.approx(expected)


def test_a_measure_that_is_missing_or_not_positive_leaves_its_seed_out(results):
    fewer = {name: dict(kinds) for name, kinds in results.items()}
    del fewer["gap-seed1"]["trace"]
    fewer["gap-seed2"]["spectrum-off"] = fair.spectrum(-1.0)
    found = {each.measure.name: each.seeds for each in steps(fewer) if each.step == "MLP head → GAP"}
    assert found["trace"] == (0, 2)
    assert found["largest eigenvalue, dropout off"] == (0, 1)
    assert found["largest eigenvalue"] == (0, 1, 2)


def test_feature_maps_that_go_with_curvature_are_a_link(results):
    links = {(link.cause, link.across): link for link in way.chain(results)}
    assert links["spatial variance", "arms"].holds
    assert links["spatial variance", "epochs"].holds
    assert not links["training NLL", "epochs"].holds
    assert links["training NLL", "epochs"].value < -0.9
    for link in links.values():
        assert len(link.by_seed) == 3
        middle = np.tanh(np.arctanh(np.clip(link.by_seed, -0.999, 0.999)).mean())
        assert link.value == pytest.approx(middle)


def test_links_of_noise_do_not_hold():
    results = fair.results(epochs=8)
    rng = np.random.default_rng(5)
    for kinds in results.values():
        if "features" in kinds:
            kinds["features"] = fair.features(float(np.exp(rng.normal())), float(rng.normal()))
    assert not [link for link in way.chain(results) if link.holds and link.cause != "training NLL"]


def test_figures_show_every_seed(results):
    found = steps(results)
    drawn = figures.flattening(found)
    logged = [each for each in found if each.measure.logged]
    ticks = [line for axis in drawn.axes for line in axis.lines if line.get_marker() == "|"]
    seeds = [line for line in ticks if len(line.get_xdata()) == 3]
    assert len(seeds) == len(logged)
    lines = [
        line for line in figures.flattening_way(way.along(results)).axes[0].lines if len(line.get_xdata()) > 1
    ]
    assert len(lines) == 9
    with pytest.raises(ResultError, match="no step was measured on both sides"):
        figures.flattening([])
    with pytest.raises(ResultError, match="nothing was measured along a training"):
        figures.flattening_way([])


def test_captions(results, snapshot):
    found = (("flattening", steps(results)), ("flattening_way", way.along(results)))
    snapshot("\n\n".join(figures.caption(name, each) for name, each in found))


def test_names_of_networks():
    assert flattening.network("gap-blur", 2) == "gap-blur-seed2"
    assert flattening.network("gap", 0, 12) == "gap-seed0-epoch012"


def test_new_networks_join_those_that_ship():
    first, second = fair.results(seeds=1, epochs=1), fair.results(seeds=2, epochs=1)
    later = {name: kinds for name, kinds in second.items() if name.startswith("gap-")}
    together = merged(first, later)
    ends = ["mlp-seed0", "gap-seed0", "gap-seed1", "gap-blur-seed0", "gap-blur-seed1"]
    assert list(together)[:6] == [*ends, "mlp-seed0-epoch001"]
    assert together["gap-seed0"]["trace"] is later["gap-seed0"]["trace"]
    assert together["mlp-seed0"] == first["mlp-seed0"]
    with pytest.raises(LandscapeError, match="narrow-gap-seed0 is no network of the fair test"):
        merged(first, {"narrow-gap-seed0": {}})
