"""Reliability, ensembles, corruptions and attacks."""

import numpy as np
import pytest

from landscape import figures
from landscape.errors import ResultError
from landscape.figures.predictive.ensemble import ladder
from landscape.figures.predictive.robustness import mean_over_severities, strengths
from tests.figures import prediction_results, synthetic
from tests.figures.artists import bands, edges, line
from tests.figures.legible import assert_legible

NAMES = ("gap", "mcd-gap", "mcd-gap-blur")


def test_reliability_has_the_bins_the_diagonal_and_the_ece():
    data = {name: synthetic.evaluation(name, nll=0.4 + 0.2 * i) for i, name in enumerate(NAMES)}
    figure = figures.reliability(data)
    upper, lower = figure.axes
    for name, dataset in data.items():
        kept = dataset["bin_count"].values > 0
        drawn = line(upper, name)
        assert drawn.get_xdata().size == kept.sum() < kept.size  # empty bins have no point
        np.testing.assert_allclose(drawn.get_xdata(), 100 * dataset["bin_confidence"].values[kept])
        np.testing.assert_allclose(drawn.get_ydata(), 100 * dataset["bin_accuracy"].values[kept])
        share = next(p for p in lower.patches if p.get_label() == name).get_data().values
        assert share.sum() == pytest.approx(100)
        np.testing.assert_allclose(share, 100 * dataset["bin_count"] / dataset["bin_count"].sum())
    diagonal = next(drawn for drawn in upper.lines if drawn.get_label() == "_calibrated")
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == [f"{name}: ECE 5 % ± 1.2" for name in NAMES]


def test_bars_of_a_reliability_diagram_are_two_standard_errors():
    dataset = synthetic.evaluation()
    axis = figures.reliability(dataset).axes[0]
    segments = axis.containers[0].lines[2][0].get_segments()
    error = dataset["bin_accuracy_standard_error"].values
    heights = [segment[1, 1] - segment[0, 1] for segment in segments]
    np.testing.assert_allclose(heights, 400 * error[np.isfinite(error)])


def test_more_than_four_networks_have_a_reliability_diagram_each():
    data = {name: synthetic.evaluation(name) for name in synthetic.FAMILY[:5]}
    figure = figures.reliability(data)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == [f"{name}\nECE 5 % ± 1.2" for name in data]
    assert len(figure.axes) == 10
    assert not figure.legends


def test_results_without_bins_have_no_reliability_diagram():
    old, new = synthetic.evaluation("old", binned=False), synthetic.evaluation("new")
    assert list(figures.suited({"old": old, "new": new})["reliability"]) == ["new"]


def test_ensembles_are_drawn_over_a_logarithmic_size_with_bands():
    data = {name: prediction_results.ensemble(name, level=0.8 - 0.1 * i) for i, name in enumerate(NAMES)}
    figure = figures.ensemble(data)
    for axis, (quantity, factor) in zip(
        figure.axes, {"nll": 1, "accuracy": 100, "ece": 100}.items(), strict=True
    ):
        assert axis.get_xscale() == "log"
        assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "2", "5", "10", "20", "50"]
        for index, (name, dataset) in enumerate(data.items()):
            drawn = line(axis, name)
            np.testing.assert_array_equal(drawn.get_xdata(), np.arange(1, 51))
            np.testing.assert_allclose(drawn.get_ydata(), factor * dataset[quantity].values)
            _, low, high = edges(bands(axis)[index])
            error = dataset[f"{quantity}_standard_error"].values
            np.testing.assert_allclose(high - low, 4 * factor * error)


def test_an_ensemble_of_a_few_networks_is_drawn_too():
    deep = prediction_results.ensemble("deep", most=3)
    figure = figures.ensemble({"deep": deep, "one": prediction_results.ensemble("one", most=1)})
    assert_legible(figure)
    assert line(figure.axes[0], "one").get_xdata().tolist() == [1.0]
    assert ladder(3) == [1, 2]
    assert ladder(1000) == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]


def test_a_wide_range_of_the_nll_is_logarithmic_and_other_quantities_are_refused():
    data = {name: prediction_results.ensemble(name, level=level) for name, level in (("a", 0.05), ("b", 3))}
    nll, brier = figures.ensemble(data, quantities=["nll", "brier"]).axes
    assert (nll.get_yscale(), nll.get_ylabel()) == ("log", "NLL (log)")
    assert brier.get_yscale() == "linear"
    assert figures.ensemble(data, log=False).axes[0].get_yscale() == "linear"
    for quantities in (["top5"], []):
        with pytest.raises(ResultError, match="there are nll, accuracy"):
            figures.ensemble(data, quantities=quantities)


def test_robustness_is_the_mean_over_corruptions_with_quartiles():
    data = {name: prediction_results.robustness(name, level=1 - 0.1 * i) for i, name in enumerate(NAMES)}
    axis = figures.robustness(data).axes[1]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["clean", "1", "2", "3", "4", "5"]
    for name, dataset in data.items():
        values = 100 * dataset["accuracy"].values
        drawn = line(axis, name)
        np.testing.assert_allclose(drawn.get_ydata(), [88.0, *values.mean(axis=0)])
        assert np.all(np.abs(drawn.get_xdata() - np.arange(6)) < 0.2)
        bars = next(c for c in axis.collections if c.get_label() == f"_{name}").get_segments()
        ends = np.array([segment[:, 1] for segment in bars])
        np.testing.assert_allclose(ends.T, np.quantile(values, [0.25, 0.75], axis=0))


def test_without_clean_values_severities_begin_at_one():
    axis = figures.robustness(prediction_results.robustness(clean=False)).axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(("count", "barred"), [(1, True), (3, True), (4, False)])
def test_corruptions_are_bars_for_few_networks_and_markers_for_many(count, barred):
    data = {name: prediction_results.robustness(name) for name in synthetic.FAMILY[:count]}
    axis = figures.corruptions(data).axes[0]
    labels = [text.get_text() for text in axis.get_yticklabels()]
    assert labels == [name.replace("_", " ") for name in prediction_results.CORRUPTIONS]
    expected = 100 * next(iter(data.values()))["error"].values.mean(axis=1)
    if barred:
        assert len(axis.patches) == 15 * count
        np.testing.assert_allclose([patch.get_width() for patch in axis.patches[:15]], expected)
    else:
        assert not axis.patches
        np.testing.assert_allclose(line(axis, "mlp").get_xdata(), expected)


def test_the_error_of_a_mean_over_severities_takes_them_as_one():
    dataset = prediction_results.robustness()
    dataset["error_standard_error"][:] = np.linspace(0.01, 0.05, 5)
    mean, error = mean_over_severities(dataset, "error", 100)["fog"]
    assert mean == pytest.approx(100 * dataset["error"].sel(corruption="fog").values.mean())
    assert error == pytest.approx(3.0)


def test_corruptions_that_a_network_lacks_are_gaps():
    data = {name: prediction_results.robustness(name) for name in NAMES[:2]}
    data["mcd-gap"] = data["mcd-gap"].isel(corruption=slice(2, None))
    axis = figures.corruptions(data).axes[0]
    widths = np.array([patch.get_width() for patch in axis.patches])
    assert np.isnan(widths[15:17]).all()
    assert np.isfinite(widths[17:]).all()


def test_consistency_is_drawn_by_perturbation():
    data = {name: prediction_results.consistency(name) for name in NAMES}
    axis = figures.consistency(data).axes[0]
    np.testing.assert_allclose(line(axis, "gap").get_xdata(), 100 * data["gap"]["consistency"].values)
    assert axis.get_xlim()[0] > 80


def test_attacks_have_a_panel_each_and_begin_with_the_clean_accuracy():
    data = {name: prediction_results.attack(name, level=1 - 0.2 * i) for i, name in enumerate(NAMES)}
    figure = figures.attack(data)
    assert [axis.get_title() for axis in figure.axes] == ["FGSM", "PGD"]
    for index, axis in enumerate(figure.axes):
        for name, dataset in data.items():
            drawn = line(axis, name)
            np.testing.assert_allclose(drawn.get_xdata(), [0, 0.5, 1, 2, 4, 8])
            np.testing.assert_allclose(drawn.get_ydata(), [88, *(100 * dataset["accuracy"].values[index])])


def test_attacks_that_a_network_lacks_are_left_out():
    both, one = prediction_results.attack("both"), prediction_results.attack("one", attacks=("fgsm",))
    figure = figures.attack({"both": both, "one": one})
    assert [len(axis.lines) for axis in figure.axes] == [2, 1]
    bare = both.drop_vars(["clean_accuracy", "clean_accuracy_standard_error"])
    assert strengths(bare, "pgd")[0][0] == pytest.approx(0.5)
    assert np.isnan(strengths(both.drop_vars("clean_accuracy_standard_error"), "pgd")[2][0])
