"""Fourier spectra of feature maps."""

import matplotlib.colors
import numpy as np

from landscape import figures
from tests.figures import synthetic

NETWORKS = {
    "gap": synthetic.features("gap"),
    "gap-blur": synthetic.features("gap-blur", blur=True),
    "mlp": synthetic.features("mlp", scale=0.5),
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
    dataset = NETWORKS["gap-blur"]
    axis = figures.fourier(dataset).axes[0]
    first, last = axis.lines[0], axis.lines[-1]
    light = [np.mean(matplotlib.colors.to_rgb(drawn.get_color())) for drawn in (first, last)]
    assert light[0] > light[1] + 0.2  # deeper is darker
    assert (first.get_linestyle(), last.get_linestyle()) == ("-", "--")
