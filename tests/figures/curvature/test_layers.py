"""Curvature by layer: lines, bars, scales and shading."""

import numpy as np
import pytest

from landscape import figures
from landscape.figures.curvature.layers import layer_boundaries, linear_within, with_stages
from tests.figures import synthetic
from tests.figures.artists import labels

NETWORKS = {
    "gap": synthetic.layers("gap"),
    "gap-blur": synthetic.layers("gap-blur", scale=0.5),
    "mlp": synthetic.layers("mlp", scale=2.0),
}


def drawn(axis, label):
    """The line and the bars of a network."""
    found = [container for container in axis.containers if container.get_label() == label]
    assert len(found) == 1, label
    line, _, bars = found[0].lines
    return line, bars


def test_one_line_a_network_holds_the_layers_with_weights():
    looks = figures.looks(["other", *NETWORKS])
    figure = figures.layers(NETWORKS, looks=looks)
    for axis, variable in zip(figure.axes, ("eigenvalue", "trace"), strict=True):
        for name, dataset in NETWORKS.items():
            kept = dataset["kind"].values != "norm"
            line, _ = drawn(axis, name)
            np.testing.assert_array_equal(line.get_xdata(), dataset["depth"].values[kept])
            np.testing.assert_array_equal(line.get_ydata(), dataset[variable].values[kept])
            assert (line.get_color(), line.get_marker()) == (looks[name].colour, looks[name].marker)
            assert line.get_linestyle() != "None"


def test_normalisation_layers_are_small_markers_off_the_line():
    figure = figures.layers(NETWORKS["gap"])
    line, _ = drawn(figure.axes[0], "gap (normalisation)")
    kept = NETWORKS["gap"]["kind"].values == "norm"
    np.testing.assert_array_equal(line.get_ydata(), NETWORKS["gap"]["eigenvalue"].values[kept])
    assert line.get_linestyle() == "None"
    assert line.get_markersize() < drawn(figure.axes[0], "gap")[0].get_markersize()
    assert "normalisation layers" in labels(figure)


def test_without_kinds_every_layer_is_on_the_line():
    figure = figures.layers(NETWORKS["gap"].drop_vars("kind"))
    assert drawn(figure.axes[0], "gap")[0].get_xdata().size == NETWORKS["gap"].sizes["layer"]
    assert labels(figure) == ["gap"]


def test_bars_on_the_traces_are_students_intervals():
    dataset = synthetic.layers(norms=False)
    figure = figures.layers(dataset)
    segments = drawn(figure.axes[1], "gap")[1][0].get_segments()
    ends = np.array([segment[:, 1] for segment in segments])
    trace, error = dataset["trace"].values, dataset["trace_standard_error"].values
    np.testing.assert_allclose(
        ends, np.stack([trace - 2.262157 * error, trace + 2.262157 * error], axis=1), rtol=1e-6
    )
    assert not drawn(figure.axes[0], "gap")[1]


def test_what_did_not_converge_is_open_on_the_eigenvalues_alone():
    dataset = synthetic.layers(loose=3)
    figure = figures.layers({"gap": dataset, "mlp": NETWORKS["mlp"]})
    opened = [[line for line in axis.lines if line.get_markerfacecolor() == "white"] for axis in figure.axes]
    assert [len(lines) for lines in opened] == [1, 0]
    np.testing.assert_array_equal(opened[0][0].get_ydata(), dataset["eigenvalue"].values[:3])
    assert labels(figure) == ["gap", "mlp", "normalisation layers", "not converged (open)"]
    settled = figures.layers(NETWORKS).legends[0].get_texts()
    assert [text.get_text() for text in settled] == [*NETWORKS, "normalisation layers"]


@pytest.mark.parametrize(
    ("values", "bars", "linear"),
    [
        ([2.0, 5.0], [], None),
        ([2.0, 50.0], [], 0),
        ([0.0, 0.0], [], None),
        ([], [], None),
        ([-2.0, 5.0], [], None),
        ([-2.0, 500.0], [], 2),
        ([0.0, 3.0, 500.0], [6.2, 8.0, 0.1], 6),
        ([-2.0, 500.0], [60.0, 80.0], None),  # noise up to 70 leaves less than a decade
        ([-1e-9, 500.0], [], 0.5),
    ],
)
def test_an_axis_is_logarithmic_only_as_far_as_the_values_allow(values, bars, linear):
    assert linear_within(np.array(values), np.array(bars)) == linear


def test_negative_traces_are_inside_the_axis():
    dataset = synthetic.layers(negative=2)
    trace = dataset["trace"].values
    eigenvalue, axis = figures.layers(dataset).axes
    assert (eigenvalue.get_yscale(), axis.get_yscale()) == ("log", "symlog")
    low, high = axis.get_ylim()
    assert low < trace.min() < 0 < trace.max() < high
    assert axis.get_ylabel() == "trace (log, linear to ±10)"
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert "0" in labels
    assert "\N{MINUS SIGN}10" in labels
    assert any(set(line.get_ydata()) == {0} for line in axis.lines)


def test_linear_axes_begin_at_zero_unless_a_bar_goes_below():
    dataset = synthetic.layers(norms=False)
    even = np.linspace(2.0, 5.0, dataset.sizes["layer"])
    dataset["eigenvalue"][:] = dataset["trace"][:] = even
    dataset["trace_standard_error"][:] = 4.0
    eigenvalue, trace = figures.layers(dataset).axes
    assert (eigenvalue.get_yscale(), eigenvalue.get_ylim()[0]) == ("linear", 0)
    assert eigenvalue.get_ylabel() == "top eigenvalue"
    assert trace.get_ylim()[0] < -6


def test_a_logarithmic_axis_holds_every_value():
    figure = figures.layers(NETWORKS)
    for axis, variable in zip(figure.axes, ("eigenvalue", "trace"), strict=True):
        values = np.concatenate([dataset[variable].values for dataset in NETWORKS.values()])
        low, high = axis.get_ylim()
        assert low < values.min() < values.max() < high
        assert axis.get_ylabel().endswith(" (log)")


def test_stages_are_read_from_names():
    names = [
        "conv1",
        "bn1",
        "layer1.0.conv1",
        "layer1.0.bn1",
        "layer2.0.conv1",
        "other",
        "layer3.1",
        "linear",
    ]
    dataset = synthetic.layers().isel(layer=slice(8)).assign(name=("layer", names))
    np.testing.assert_array_equal(with_stages(dataset)["stage"], [-1, -1, 1, 1, 2, 2, 3, 4])
    for foreign in ("encoder.layer.0.attention", "blocks.0.mlp", "multilayer1.0"):
        assert with_stages(dataset.assign(name=("layer", [foreign] * 8))) is None


def test_every_second_stage_is_shaded():
    dataset = NETWORKS["gap"]
    found = layer_boundaries([dataset])
    depth, names = dataset["depth"].values, dataset["name"].values
    for boundary, name in zip(
        found, ("layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1", "linear"), strict=True
    ):
        first = int(np.flatnonzero(names == name)[0])
        assert depth[first - 1] < boundary < depth[first]
    for axis in figures.layers(dataset).axes:
        spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axis.patches]
        np.testing.assert_allclose(spans, [found[:2], found[2:]])
    longer = synthetic.layers("mlp", blocks=6)
    longer["depth"][:] = longer["depth"].values ** 2
    assert layer_boundaries([dataset, longer]) == []  # stage 2 of one is stage 3 of the other
    nameless = dataset.assign(name=("layer", [f"blocks.{i}" for i in range(depth.size)]))
    assert layer_boundaries([dataset, nameless]) == []
    assert len(figures.layers(nameless).axes[0].patches) == 0


def test_panels_stand_side_by_side_where_there_is_room():
    for width, beside in ((figures.TWO_COLUMN, True), (figures.ONE_COLUMN, False)):
        figure = figures.layers(NETWORKS, width=width)
        figure.draw_without_rendering()
        first, second = (axis.get_position() for axis in figure.axes)
        assert (first.x1 < second.x0) == beside
        assert (first.y0 > second.y1) != beside
        assert figure.axes[1].get_xlabel() == "normalised depth"
