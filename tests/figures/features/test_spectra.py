"""Fourier spectra of feature maps, by layer and at the ends of stages."""

import matplotlib.colors
import numpy as np

from landscape import figures
from landscape.figures.features.spectra import stage_ends
from tests.figures import synthetic
from tests.figures.artists import edges, line

NETWORKS = {
    "gap": synthetic.features("gap"),
    "mcd-gap": synthetic.features("mcd-gap", scale=0.8),
    "mcd-gap-blur": synthetic.features("mcd-gap-blur", blur=True, scale=0.6),
}


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
    dataset = NETWORKS["mcd-gap-blur"]
    axis = figures.fourier(dataset).axes[0]
    first, last = axis.lines[0], axis.lines[-1]
    light = [np.mean(matplotlib.colors.to_rgb(drawn.get_color())) for drawn in (first, last)]
    assert light[0] > light[1] + 0.2  # deeper is darker
    assert (first.get_linestyle(), last.get_linestyle()) == ("-", "--")


def test_radial_curves_hold_the_rings_without_padding():
    dataset = NETWORKS["gap"]
    figure = figures.radial(dataset)
    for layer, drawn in enumerate(figure.axes[0].lines):
        expected = dataset["radial_delta_log_amplitude"].values[layer]
        np.testing.assert_array_equal(drawn.get_ydata(), expected[np.isfinite(expected)])
    assert figure.axes[0].get_xlim()[1] == np.nanmax(dataset["radial_frequency_pi"].values)


def test_amplitudes_have_a_panel_a_stage_and_are_absolute():
    figure = figures.amplitude(NETWORKS)
    assert [axis.get_title() for axis in figure.axes] == [f"end of stage {i}" for i in (1, 2, 3)]
    for axis, stage in zip(figure.axes, (1, 2, 3), strict=True):
        for name, dataset in NETWORKS.items():
            layer = np.flatnonzero(dataset["stage"].values == stage)[-1]
            expected = dataset["log_amplitude"].values[layer]
            np.testing.assert_array_equal(line(axis, name).get_ydata(), expected[np.isfinite(expected)])
    rings = figures.amplitude(NETWORKS["gap"], radial=True).axes[0].lines[0]
    layer = stage_ends(NETWORKS["gap"])[1]
    expected = NETWORKS["gap"]["radial_log_amplitude"].values[layer]
    np.testing.assert_array_equal(rings.get_ydata(), expected[np.isfinite(expected)])


def test_bands_of_amplitudes_are_two_standard_errors_where_known():
    dataset = NETWORKS["gap"]
    axis = figures.amplitude(dataset).axes[0]
    layer = stage_ends(dataset)[1]
    error = dataset["log_amplitude_standard_error"].values[layer]
    _, low, high = edges(axis.collections[0])
    np.testing.assert_allclose(high - low, 4 * error[np.isfinite(error)])
    plain = figures.amplitude(dataset.drop_vars("log_amplitude_standard_error"))
    assert not plain.axes[0].collections


def test_the_end_of_a_stage_is_its_last_layer_that_is_not_pooling():
    dataset = NETWORKS["mcd-gap-blur"]
    assert [str(dataset["layer"].values[i]) for i in stage_ends(dataset).values()] == [
        "smooth1",
        "smooth2",
        "smooth3",
    ]
    pooled = dataset.copy(deep=True)
    pooled["kind"][4] = "subsampling"
    assert str(dataset["layer"].values[stage_ends(pooled)[1]]) == "stage1.2"
    assert stage_ends(dataset.isel(layer=[0])) == {0: 0}
