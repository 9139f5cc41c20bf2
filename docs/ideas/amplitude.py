"""From a feature map to its Δ log amplitude, and what a blur does to it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.ideas.paper import BLUE, GREEN, ORANGE, WIDTH, letter

LAYER = "layer1.2"
"""The end of the first stage."""
SMOOTHED = "smooth1.0"

Results = Mapping[str, Mapping[str, xr.Dataset]]


def spectrum(image: np.ndarray) -> np.ndarray:
    """log(|F| + 1e-6) with the zero frequency in the middle, shape (h, h)."""
    return np.fft.fftshift(np.log(np.abs(np.fft.fft2(image)) + 1e-6))


def along_diagonal(amplitude: np.ndarray) -> np.ndarray:
    """From the zero frequency outwards, minus the first value, shape (h / 2,)."""
    half = np.diagonal(amplitude)[len(amplitude) // 2 :]
    return half - half[0]


def box(image: np.ndarray) -> np.ndarray:
    """The mean of each 2×2 square, the image continued periodically."""
    rows = image + np.roll(image, 1, axis=0)
    return (rows + np.roll(rows, 1, axis=1)) / 4


def picture(family: Results) -> Figure:
    """A map, its spectrum, the half diagonal with and without a blur; and networks with and without."""
    image = family["gap-seed0"]["maps"].sel(layer=LAYER)["map"].values[0, 0]
    figure = Figure(figsize=(WIDTH, 1.95), layout="constrained")
    first, second, third, last = figure.subplots(1, 4, width_ratios=[1, 1, 1.25, 1.25])
    first.imshow(image, cmap="Greys_r", interpolation="nearest")
    first.set(xticks=[], yticks=[], xlabel="32 × 32 points")
    amplitude = spectrum(image)
    second.imshow(amplitude, cmap="viridis", extent=(-1, 1, 1, -1), interpolation="nearest")
    second.annotate("", (1, 1), (0, 0), arrowprops={"arrowstyle": "->", "color": "white", "linewidth": 1.4})
    second.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlabel="frequency / π")
    _diagonal(third, image)
    _networks(last, family)
    for axis in (third, last):
        axis.set(xlabel="frequency on the diagonal / π", xlim=(0, 1))
    letter([first, second, third, last], ["a feature map", "log |F|", "Δ log amplitude", "256 images"])
    return figure


def _diagonal(axis: Axes, image: np.ndarray) -> None:
    before, after = (along_diagonal(spectrum(each)) for each in (image, box(image)))
    frequency = np.arange(len(before)) / len(before)
    axis.plot(frequency, before, color=BLUE, label="the map")
    axis.plot(frequency, after, color=GREEN, label="blurred")
    exact = before + 2 * np.log(np.cos(np.pi * frequency / 2))
    axis.plot(frequency, exact, ".", color="black", markersize=3, label="by the formula")
    axis.legend(loc="lower left")


def _networks(axis: Axes, family: Results) -> None:
    for name, layer, colour in (("gap", LAYER, ORANGE), ("gap-blur", SMOOTHED, GREEN)):
        for seed in range(3):
            found = family[f"{name}-seed{seed}"]["features"].sel(layer=layer)
            label = f"end of stage 1, {name}" if seed == 0 else None
            axis.plot(
                found["frequency_pi"], found["delta_log_amplitude"], color=colour, label=label, linewidth=0.9
            )
    axis.legend(loc="lower left")
