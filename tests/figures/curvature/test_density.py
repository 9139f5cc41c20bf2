"""Spectral densities: curves, bands, nodes, axes."""

import numpy as np
import pytest

from landscape import figures
from landscape.figures.curvature.density import entry, nodes, peaks, powers, single_height
from tests.figures import synthetic
from tests.figures.artists import edges, labels

NETWORKS = {
    "gap": synthetic.density("gap"),
    "gap-blur": synthetic.density("gap-blur", top=60.0, seed=1),
    "mlp": synthetic.density("mlp", top=300.0, seed=2),
}


def curves(axis):
    return {line.get_label(): line for line in axis.lines if not line.get_label().startswith("_")}


def test_the_synthetic_density_is_one():
    dataset = NETWORKS["gap"]
    assert np.trapezoid(dataset["density"], dataset["eigenvalue"]) == pytest.approx(1, abs=1e-6)
    mean = np.trapezoid(dataset["density"] * dataset["eigenvalue"], dataset["eigenvalue"])
    assert 270_000 * mean == pytest.approx(float(dataset["trace"]), rel=1e-3)


def test_curves_hold_the_data_and_have_the_looks():
    looks = figures.looks(["other", *NETWORKS])
    axis = figures.density(NETWORKS, looks=looks).axes[0]
    assert list(curves(axis)) == list(NETWORKS)
    for name, line in curves(axis).items():
        np.testing.assert_array_equal(line.get_xdata(), NETWORKS[name]["eigenvalue"].values)
        np.testing.assert_array_equal(line.get_ydata(), NETWORKS[name]["density"].values)
        assert (line.get_color(), line.get_marker()) == (looks[name].colour, looks[name].marker)


def test_a_single_eigenvalue_is_seen_and_the_tails_are_not():
    dataset = NETWORKS["gap"]
    axis = figures.density(dataset).axes[0]
    low, high = axis.get_ylim()
    single = 1 / (270_000 * float(dataset["width"]) * np.sqrt(2 * np.pi))
    assert axis.get_yscale() == "log"
    assert single / 30 < low < single / 3
    assert dataset["density"].values.max() < high < 20 * dataset["density"].values.max()
    lowest = figures.density(NETWORKS).axes[0].get_ylim()[0]
    assert lowest < min(single_height(d) for d in NETWORKS.values()) / 3


def test_the_axis_holds_every_node_of_every_network():
    figure = figures.density(NETWORKS)
    left, right = figure.axes[1].get_xlim()
    assert figure.axes[0].get_xlim() == (left, right)
    everything = np.concatenate([nodes(dataset) for dataset in NETWORKS.values()])
    assert left < everything.min() < everything.max() < right
    assert right - left < 1.2 * np.ptp(everything)
    assert figure.axes[1].get_xscale() == "linear"


def test_bands_are_students_intervals_cut_at_the_lower_limit():
    dataset = NETWORKS["gap"]
    axis = figures.density(dataset).axes[0]
    floor = axis.get_ylim()[0]
    places, low, high = edges(axis.collections[0])
    np.testing.assert_allclose(places, dataset["eigenvalue"].values)
    value, half = dataset["density"].values, 2.776445 * dataset["standard_error"].values  # of five probes
    assert (value - half).min() < 0
    np.testing.assert_allclose(low, np.maximum(value - half, floor), rtol=1e-6)
    np.testing.assert_allclose(high, np.maximum(value + half, floor), rtol=1e-6)


def test_one_probe_has_no_band():
    figure = figures.density({"one": synthetic.density(probes=1), "five": NETWORKS["gap"]})
    assert len(figure.axes[0].collections) == 1
    assert figure.legends[0].get_texts()[0].get_text().startswith("one: trace ")
    assert "±" not in figure.legends[0].get_texts()[0].get_text()


def test_ticks_are_the_nodes_that_carry_weight():
    dataset = NETWORKS["gap"].copy(deep=True)
    dataset["node"][0, :3] = np.nan
    dataset["weight"][1, 4] = 0.0
    figure = figures.density({"gap": dataset, "mlp": NETWORKS["mlp"]})
    first, second = figure.axes[1].lines
    assert first.get_xdata().size == 5 * 60 - 4
    np.testing.assert_allclose(second.get_xdata(), np.ravel(NETWORKS["mlp"]["node"].values))
    assert (set(first.get_ydata()), set(second.get_ydata())) == ({0}, {1})
    assert first.get_marker() == "|"


def test_markers_stand_on_the_outlying_eigenvalues():
    dataset = NETWORKS["gap"]
    line = curves(figures.density(dataset).axes[0])["gap"]
    marked = dataset["eigenvalue"].values[line.get_markevery()]
    for outlier in np.unique(dataset["node"].values[:, -10:]):
        assert np.abs(marked - outlier).min() < float(dataset["width"]) / 2
    assert marked.size < 20


def test_peaks_are_local_maxima_above_a_floor():
    values = np.array([5.0, 1.0, 3.0, 1.0, 0.2, 1.5, 1.5, 0.0, 9.0, 2.0])
    np.testing.assert_array_equal(peaks(values, 2.0), [2, 8])
    np.testing.assert_array_equal(peaks(values, 0.0), [2, 5, 8])
    assert peaks(np.full(4, np.nan), 0.0).size == 0


def test_the_right_edge_has_the_height_of_one_eigenvalue():
    figure = figures.density(NETWORKS)
    stubs = [line for line in figure.axes[0].lines if line.get_label() == "_single"]
    for stub, dataset in zip(stubs, NETWORKS.values(), strict=True):
        assert set(stub.get_ydata()) == {single_height(dataset)}
        assert stub.get_xdata()[1] == 1.0
    assert figure.legends[0].get_texts()[-1].get_text() == "one eigenvalue (right edge)"


def test_the_height_of_one_eigenvalue_is_that_of_its_gaussian():
    dataset = NETWORKS["gap"].assign(parameters=4, width=0.5)
    assert single_height(dataset) == pytest.approx(0.25 / np.sqrt(2 * np.pi * 0.5**2))


def test_the_legend_has_the_trace():
    dataset = NETWORKS["gap"].assign(trace=1234.4, trace_standard_error=83.9)
    assert entry("gap", dataset) == "gap: trace 1234 ± 170"
    assert entry("gap", dataset.assign(trace_standard_error=np.nan)) == "gap: trace 1234"
    assert entry("gap", dataset.assign(trace=-3.21)) == "gap: trace \N{MINUS SIGN}3.21 ± 170"
    assert entry("gap", dataset.drop_vars("trace")) == "gap"


def test_a_linear_axis_can_be_asked_for():
    figure = figures.density(NETWORKS, log=False)
    axis = figure.axes[0]
    assert labels(figure) == [entry(name, dataset) for name, dataset in NETWORKS.items()]
    assert len(axis.lines) == 3
    assert axis.get_yscale() == "linear"
    assert axis.get_ylim()[0] == 0
    assert axis.get_ylabel() == "density"
    assert edges(axis.collections[0])[1].min() == 0


def test_powers_of_ten_have_superscripts():
    ticks, labels = powers(3e-8, 5.0)
    np.testing.assert_allclose(ticks, [1e-7, 1e-5, 1e-3, 1e-1])
    assert labels == ["10⁻⁷", "10⁻⁵", "10⁻³", "10⁻¹"]
    assert powers(0.5, 200.0)[1] == ["10⁰", "10¹", "10²"]
    assert powers(2.0, 5.0)[1] == []
