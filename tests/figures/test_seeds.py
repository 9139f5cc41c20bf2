"""Figures and captions of networks that are several seeds each."""

import numpy as np
import pytest

from landscape import figures
from landscape.comparison import correlations, pooled
from landscape.figures.captions import over, seeds_phrase
from landscape.figures.comparison.correlations import caption as correlated
from landscape.report.drawing import panels
from tests.figures import seeds, synthetic

POOLED = pooled(seeds.family(("mlp", "gap", "gap-blur")))
PANELS = {panel.name: panel for panel in panels(POOLED)}
OVER_SEEDS = (
    "high_frequency", "variance", "amplitude", "uncertainty", "smoothing_effect", "aliasing", "noise",
    "lesion", "reliability", "ensemble", "attack", "corruptions", "consistency",
)  # fmt: skip


def test_every_figure_is_drawn_of_seeds():
    expected = {panel.name for panel in panels(synthetic.comparison(["mlp", "gap", "gap-blur"]))}
    assert set(PANELS) == expected
    looks = figures.looks(POOLED)
    for name in ("spectrum", "reliability", "variance"):
        synthetic.assert_legible(figures.draw(name, PANELS[name].datasets, looks=looks))


@pytest.mark.parametrize("name", OVER_SEEDS)
def test_errors_over_seeds_are_said_to_be(name):
    text = PANELS[name].caption()
    assert "standard errors over 3 seeds" in text
    assert "standard errors over samples" not in text
    assert "paired differences" not in text
    assert "Means over 3 networks trained with different seeds." in text


@pytest.mark.parametrize("name", ["contours", "surface3d", "trajectory", "maps", "covariance", "similarity"])
def test_pictures_of_one_seed_are_said_to_be(name):
    assert "Of 3 networks trained with different seeds one is drawn: seed0 of each." in PANELS[name].caption()


def test_the_interval_of_a_spectrum_is_said_to_be_over_seeds():
    text = PANELS["spectrum"].caption()
    assert "each of 12 mini-batches of 16 samples" in text
    assert "[95 % Student's interval over 3 seeds]" in text
    assert "bootstrap" not in text
    assert "Values of 3 networks trained with different seeds, together." in text
    single = synthetic.spectrum("own").assign(ape_low=1.0, ape_high=2.0)
    mixed = figures.caption("spectrum", {"gap": POOLED["gap"]["spectrum"], "own": single})
    assert "[95 % Student's interval over 3 seeds (gap), interval over mini-batches (own)]" in mixed


def test_the_legend_of_a_spectrum_has_the_interval_over_seeds():
    figure = figures.spectrum({"gap": POOLED["gap"]["spectrum"]})
    (entry,) = [text.get_text() for text in figure.legends[0].get_texts()]
    low, high = (float(POOLED["gap"]["spectrum"][f"ape_{end}"]) for end in ("low", "high"))
    assert f"[{low:.3g}, {high:.3g}]" in entry


def test_one_network_alone_is_told_from_seeds():
    features = {"gap": POOLED["gap"]["features"], "own": synthetic.features("own")}
    assert over(features) == "3 seeds (gap), samples (own)"
    assert seeds_phrase(features) == "Means over 3 networks trained with different seeds."
    assert seeds_phrase({"own": features["own"]}) == ""


def test_seeds_of_other_names_are_listed():
    other = seeds.known(POOLED["gap"]["surface"], "gap", {}, seeds=[{"name": "first"}, {"name": "second"}])
    assert seeds_phrase({"gap": other}) == "Of 2 networks trained with different seeds one is drawn: first."


def test_correlations_are_over_configurations():
    names = ("mlp", "gap", "gap-blur")
    five = POOLED | {f"{name}-wide": POOLED[name] for name in names}
    found = correlations(five)
    assert found.attrs["seeds"] == "3"
    assert int(found.networks.max()) == 6
    assert "of 6 networks, each the mean over 3 seeds;" in correlated(found)
    alone = correlations(synthetic.comparison(synthetic.FAMILY[:5]))
    assert alone.attrs["seeds"] == ""
    assert "seeds" not in correlated(alone)
    assert np.isfinite(found.correlation).any()
