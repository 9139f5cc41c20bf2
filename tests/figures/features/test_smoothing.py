"""What smoothing does: to uncertainty, to variances, to aliasing."""

import numpy as np
import pytest

from landscape import figures
from landscape.errors import ResultError
from landscape.results.smoothing import smoothing_ratios
from tests.figures import feature_results, synthetic
from tests.figures.artists import bands, edges, line

NETWORKS = {
    "gap": synthetic.features("gap"),
    "mcd-gap": synthetic.features("mcd-gap", scale=0.8),
    "mcd-gap-blur": synthetic.features("mcd-gap-blur", blur=True, scale=0.6),
}


def test_uncertainty_draws_model_and_data_with_bands():
    figure = figures.uncertainty(NETWORKS)
    for axis, variable in zip(figure.axes, ("model_deviation", "spatial_deviation"), strict=True):
        for index, (name, dataset) in enumerate(NETWORKS.items()):
            values, error = (dataset[f"{variable}{end}"].values for end in ("", "_standard_error"))
            np.testing.assert_array_equal(line(axis, name).get_ydata(), values)
            _, low, high = edges(bands(axis)[index])
            np.testing.assert_allclose(high - low, 4 * error)
        assert axis.get_ylim()[0] < 0


def test_a_network_without_draws_has_no_model_curve():
    single = NETWORKS["gap"].copy(deep=True)
    single["model_deviation"][:] = np.nan
    figure = figures.uncertainty({"gap": single, "mcd-gap": NETWORKS["mcd-gap"]})
    model, data = ({c.get_label() for c in axis.containers} for axis in figure.axes)
    assert (model, data) == ({"mcd-gap"}, {"gap", "mcd-gap"})
    assert "uncertainty" not in figures.suited({"gap": single})
    assert "uncertainty" in figures.suited(NETWORKS)


def test_smoothing_effect_draws_ratios_of_the_networks_that_smooth():
    figure = figures.smoothing_effect(NETWORKS)
    dataset = NETWORKS["mcd-gap-blur"]
    for axis, variable in zip(
        figure.axes, ("model_variance", "spatial_variance", "sample_variance"), strict=True
    ):
        values = dataset[variable].values
        after = np.flatnonzero(dataset["kind"].values == "smoothing")
        assert [c.get_label() for c in axis.containers] == ["mcd-gap-blur"]
        np.testing.assert_allclose(line(axis, "mcd-gap-blur").get_ydata(), values[after] / values[after - 1])
        low, high = axis.get_ylim()
        assert low < (values[after] / values[after - 1]).min() < 1 < high
    assert list(figures.suited(NETWORKS)["smoothing_effect"]) == ["mcd-gap-blur"]
    with pytest.raises(ResultError, match=r"no smoothing layer in gap, mcd-gap;"):
        figures.smoothing_effect({name: NETWORKS[name] for name in ("gap", "mcd-gap")})


def test_errors_of_ratios_agree_with_sampling_and_use_the_paired_change():
    generator = np.random.default_rng(0)
    shared = generator.standard_normal((20_000, 1))
    before, after = (np.array([2.0, 1.0]) + 0.1 * (shared + 0.5 * generator.standard_normal((20_000, 2)))).T
    dataset = NETWORKS["mcd-gap-blur"].isel(layer=[3, 4]).copy(deep=True)
    dataset["spatial_variance"][:] = [2.0, 1.0]
    dataset["spatial_variance_standard_error"][:] = [before.std(), after.std()]
    _, (ratio,), (independent,) = smoothing_ratios(dataset)
    assert ratio == 0.5
    assert independent > 1.1 * (after / before).std()
    paired = dataset.assign(
        spatial_variance_change_standard_error=("layer", [np.nan, (after - before).std()])
    )
    assert smoothing_ratios(paired)[2][0] == pytest.approx((after / before).std(), rel=0.03)


def test_aliasing_joins_before_and_after_and_takes_per_cent():
    data = {
        "gap": feature_results.aliasing("gap"),
        "gap-blur": feature_results.aliasing("gap-blur", blur=True),
    }
    axis = figures.aliasing(data).axes[0]
    for name, dataset in data.items():
        np.testing.assert_allclose(line(axis, name).get_xdata(), 100 * dataset["after"].values)
    before = line(axis, "gap-blur (before)")
    np.testing.assert_allclose(before.get_xdata(), 100 * data["gap-blur"]["before"].values)
    assert before.get_markerfacecolor() == "white"
    np.testing.assert_array_equal(before.get_ydata(), line(axis, "gap-blur").get_ydata())
    assert not [c for c in axis.containers if c.get_label() == "gap (before)"]
    labels = [text.get_text() for text in figures.aliasing(data["gap"]).legends[0].get_texts()]
    assert labels == ["gap"]


def test_subsampling_layers_of_other_names_are_numbered():
    data = {"a": feature_results.aliasing("a", places=2), "b": feature_results.aliasing("b", places=4)}
    data["b"] = data["b"].assign_coords(layer=["layer2.0.conv1", "pool2", "pool3", "pool4"])
    labels = [text.get_text() for text in figures.aliasing(data).axes[0].get_yticklabels()]
    assert labels == ["layer2.0.conv1", "2nd\nsubsampling", "pool3", "pool4"]
