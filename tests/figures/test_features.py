import matplotlib.colors
import numpy as np
import pytest

from landscape import figures
from tests.figures import synthetic

NETWORKS = {
    "gap": synthetic.features("gap"),
    "gap-blur": synthetic.features("gap-blur", blur=True),
    "mlp": synthetic.features("mlp", scale=0.5),
}


def line(axis, label):
    """The line of a network, on its own or within its error bars."""
    for container in axis.containers:
        if container.get_label() == label:
            return container.lines[0]
    raise AssertionError(label)


def test_one_curve_a_layer_without_padding():
    figure = figures.fourier(NETWORKS)
    for axis, dataset in zip(figure.axes, NETWORKS.values(), strict=False):
        assert len(axis.lines) == dataset.sizes["layer"]
        for drawn, layer in zip(axis.lines, range(dataset.sizes["layer"]), strict=True):
            height = int(dataset["height"][layer])
            np.testing.assert_allclose(drawn.get_xdata(), 2 * np.arange(height // 2) / height)


def test_fourier_panels_share_axes_and_one_colour_bar():
    figure = figures.fourier(NETWORKS)
    assert len(figure.axes) == 4
    assert len({axis.get_xlim() for axis in figure.axes[:3]}) == 1
    assert len({axis.get_ylim() for axis in figure.axes[:3]}) == 1


def test_depth_is_the_colour_and_smoothing_is_dashed():
    dataset = NETWORKS["gap-blur"]
    axis = figures.fourier(dataset).axes[0]
    first, last = axis.lines[0], axis.lines[-1]
    light = [np.mean(matplotlib.colors.to_rgb(drawn.get_color())) for drawn in (first, last)]
    assert light[0] > light[1] + 0.2  # deeper is darker
    assert (first.get_linestyle(), last.get_linestyle()) == ("-", "--")


@pytest.mark.parametrize(
    ("draw", "variable"),
    [(figures.high_frequency, "high_frequency"), (figures.variance, "spatial_variance")],
)
def test_lines_by_depth_hold_the_data(draw, variable):
    figure = draw(NETWORKS)
    axis = figure.axes[0]
    looks = figures.looks(NETWORKS)
    for name, dataset in NETWORKS.items():
        drawn = line(axis, name)
        np.testing.assert_allclose(drawn.get_xdata(), dataset["depth"].values)
        np.testing.assert_allclose(drawn.get_ydata(), dataset[variable].values)
        assert drawn.get_color() == looks[name].colour
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    shaded = ["every second stage", "subsampling layer", "smoothing layer"]
    assert labels == [*NETWORKS, "after smoothing (open)", *shaded]


def test_smoothing_layers_are_open_and_stages_shaded():
    axis = figures.variance(NETWORKS).axes[0]
    opened = [drawn for drawn in axis.lines if drawn.get_markerfacecolor() == "white"]
    assert len(opened) == 1
    assert len(opened[0].get_xdata()) == 3
    stages = [patch for patch in axis.patches if np.allclose(patch.get_facecolor()[:3], 0.94)]
    assert len(stages) == 2


def test_bars_are_two_standard_errors():
    dataset = NETWORKS["gap"]
    container = figures.variance(dataset).axes[0].containers[0]
    segments = container.lines[2][0].get_segments()
    heights = [segment[1, 1] - segment[0, 1] for segment in segments]
    np.testing.assert_allclose(heights, 4 * dataset["spatial_variance_standard_error"].values)


def test_variance_takes_logarithms_where_the_range_is_wide():
    wide = {"a": synthetic.features("a"), "b": synthetic.features("b", scale=100.0)}
    assert figures.variance(wide).axes[0].get_yscale() == "log"
    assert figures.variance(NETWORKS).axes[0].get_yscale() == "linear"
    assert figures.variance(NETWORKS, log=True).axes[0].get_yscale() == "log"


def test_missing_values_leave_gaps(tmp_path):
    dataset = synthetic.features("gap")
    for name in ("high_frequency", "spatial_variance", "spatial_variance_standard_error"):
        dataset[name][3] = np.nan
    for name in ("fourier", "high_frequency", "variance", "amplitude", "uncertainty"):
        figures.save(figures.draw(name, dataset), tmp_path / name, formats=["png"])
