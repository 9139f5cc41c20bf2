"""What holds for every figure of feature maps and of predictions: legible, captioned, torch left alone."""

import pytest

from landscape import figures
from landscape.figures import catalogue_features
from tests.figures import feature_results, prediction_results, synthetic

DRAWINGS = {
    name: drawing
    for room in (catalogue_features, catalogue_predictive)
    for name, drawing in (room.FIGURES | room.FURTHER).items()
}
LONG = ("a-network-with-a-rather-long-name", *synthetic.FAMILY[1:-1], "mcd-gap-blur")


@pytest.fixture(scope="module")
def comparisons():
    return {1: synthetic.comparison(LONG[-1:]), 9: synthetic.comparison(LONG)}


@pytest.mark.parametrize("width", [figures.ONE_COLUMN, figures.TWO_COLUMN])
@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("name", list(DRAWINGS))
def test_any_number_of_networks_can_be_read(name, count, width, comparisons):
    figure = DRAWINGS[name].draw(synthetic.of(comparisons[count], DRAWINGS[name].kind), width=width)
    assert figure.get_size_inches()[0] == width
    for axis in figure.axes:
        labels = (*axis.get_xticklabels(), *axis.get_yticklabels())
        assert min((text.get_fontsize() for text in labels), default=6) >= 6
    synthetic.assert_legible(figure)


@pytest.mark.parametrize("name", list(DRAWINGS))
def test_every_figure_suits_and_has_a_caption_with_its_protocol(name, comparisons):
    results = synthetic.of(comparisons[9], DRAWINGS[name].kind)
    assert name in figures.suited(results)
    text = figures.caption(name, results)
    assert "1,000 samples (train split of cifar10)" in text
    assert "  " not in text
    assert ".." not in text


def test_captions_say_what_the_numbers_are():
    noise = figures.caption("noise", feature_results.noise())
    assert "gaussian noise of standard deviation 0.175" in noise
    assert "of width 0.1π" in noise
    similarity = figures.caption("similarity", feature_results.similarity("a", other="b"))
    assert "mini-batches of 64 samples" in similarity
    assert "Largest standard error, by jackknife over mini-batches: 0.012." in similarity
    assert "Pairs of networks: a and b." in similarity
    maps = figures.caption("maps", feature_results.maps(), channel=1)
    assert "of image 5 over" in maps
    assert "channel 7 of stage1.1, stage2.1 (mcd-gap)" in maps
    covariance = figures.caption("covariance", feature_results.covariance())
    assert "largest magnitude beside it, 0.841." in covariance
    assert "Largest standard error: 0.02." in covariance
    attack = figures.caption("attack", prediction_results.attack())
    assert "PGD: 10 steps of size 0.25." in attack


def test_captions_of_ensembles_and_corruptions_say_of_what():
    deep = prediction_results.ensemble("deep", most=5).assign_attrs(kind_of_ensemble="deep")
    text = figures.caption("ensemble", {"mcd": prediction_results.ensemble("mcd"), "deep": deep})
    assert "passes of MC dropout (mcd), networks trained apart (deep)" in text
    corrupted = {"a": prediction_results.robustness("a"), "b": prediction_results.robustness("b", level=0.5)}
    text = figures.caption("corruptions", corrupted)
    assert "Error by corruption, mean over 5 severities" in text
    assert "± 1.8 (a)" in text
    assert "Corrupted images: made here, so not comparable with published numbers." in text
    assert "mean over 15 corruptions" in figures.caption("robustness", corrupted)


def test_captions_name_what_is_left_out():
    data = {"gap": synthetic.features("gap"), "blur": synthetic.features("blur", blur=True)}
    assert "Without smoothing layers: gap." in figures.caption("smoothing_effect", data)
    assert "as if both variances were independent" in figures.caption("smoothing_effect", data)
    lone = synthetic.features("lone")
    lone["model_deviation"][:] = float("nan")
    mcd = synthetic.features("mcd").assign_attrs(draws=20)
    data["gap"].attrs["draws"] = 2  # which tells nothing of a network without dropout
    text = figures.caption("uncertainty", {"lone": lone, "gap": data["gap"], "mcd": mcd})
    assert "Without several draws: lone." in text
    assert "over 20 dropout draws" in text


def test_the_caption_names_what_is_shaded():
    data = {"gap": synthetic.features("gap"), "blur": synthetic.features("blur", blur=True)}
    text = figures.caption("variance", data)
    assert "Shading: every second stage, subsampling layers, and smoothing layers, in the networks" in text
    assert "Shading: every second stage and subsampling layers." in figures.caption("variance", data["gap"])
