"""Why averaging predictions should flatten the loss, and what was found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.ideas.paper import BLUE, GREEN, GREY, ORANGE, WIDTH, letter

NETWORKS = {"mcd-mlp": ORANGE, "mcd-gap": BLUE, "mcd-gap-blur": GREEN}
SEEDS = range(3)
AVERAGED = {1: ORANGE, 8: BLUE, 64: GREEN}
LARGEST = 10
"""Of fifty passes, larger ensembles are too few to know the variance between them."""

Results = Mapping[str, Mapping[str, xr.Dataset]]


def losses(count: int, along: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """NLL of the mean of some predictions of a toy classifier, each disturbed by a smooth random function.

    Args:
        count: How many predictions are averaged.
        along: Positions x in weight space, shape (X,); the undisturbed logit is 3 − 2.5 x².
        generator: Of the disturbances.
    """
    frequency = generator.normal(scale=8, size=(count, 12))
    phase = generator.uniform(0, 2 * np.pi, size=(count, 12))
    noise = np.cos(frequency[..., None] * along + phase[..., None]).sum(1) * np.sqrt(2 / 12)
    logit = 3 - 2.5 * along**2 + 2.2 * noise
    return -np.log((1 / (1 + np.exp(-logit))).mean(0))


def picture(family: Results) -> Figure:
    """A toy; the variance of the loss by the size of the ensemble; and the eigenvalue that should follow."""
    figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
    toy, variance, sharpness = figure.subplots(1, 3, width_ratios=[1.1, 1.1, 1])
    _toy(toy)
    _variance(variance, family)
    for place, (name, colour) in enumerate(NETWORKS.items()):
        values = [float(family[f"{name}-seed{seed}"]["spectrum"]["ape"]) for seed in SEEDS]
        sharpness.plot([place] * len(values), values, "o", color=colour, markersize=4.5)
        sharpness.plot([place - 0.2, place + 0.2], [np.mean(values)] * 2, color=colour)
    sharpness.set_xticks(range(len(NETWORKS)), labels=[name.removeprefix("mcd-") for name in NETWORKS])
    top = 1.1 * max(line.get_ydata().max() for line in sharpness.lines)
    sharpness.set(ylabel="largest eigenvalue, mean", ylim=(0, top), xlim=(-0.5, len(NETWORKS) - 0.5))
    letter([toy, variance, sharpness], ["a toy", "measured: variance", "measured: sharpness"])
    return figure


def _toy(axis: Axes) -> None:
    along = np.linspace(-1, 1, 301)
    for count, colour in AVERAGED.items():
        generator = np.random.default_rng(count)
        for index in range(4):
            label = f"mean of {count}" if count > 1 else "one prediction"
            values = losses(count, along, generator)
            axis.plot(along, values, color=colour, linewidth=0.8, label=None if index else label)
    single = np.mean([losses(1, along, np.random.default_rng(index)) for index in range(2000)], axis=0)
    axis.plot(along, single, color="black", linestyle=(0, (1, 1.5)), label="mean of single losses")
    axis.set(xlabel="position x in weight space", ylabel="NLL", ylim=(0, 4.4))
    axis.legend(loc="upper left")


def _variance(axis: Axes, family: Results) -> None:
    curves = []
    for name, colour in NETWORKS.items():
        for seed in SEEDS:
            found = family[f"{name}-seed{seed}"]["ensemble-n50"].sel(size=slice(1, LARGEST))
            label = None if seed else name
            shown = (found["nll_variance"] / float(found["nll_variance"][0])).values
            axis.plot(found["size"], shown, color=colour, linewidth=0.7, alpha=0.6, label=label)
            curves.append(shown)
    size = np.arange(1, LARGEST + 1)
    axis.plot(size, np.exp(np.log(curves).mean(0)), color="black", linewidth=1.6, label="mean of all nine")
    axis.plot(size, 1 / size, color=GREY, linestyle=(0, (1, 1.5)), linewidth=1.4, label="theory, 1/N")
    axis.set(xscale="log", yscale="log", xlabel="predictions averaged, N", ylabel="Var[NLL], against N = 1")
    axis.set_xticks([1, 2, 5, 10], labels=["1", "2", "5", "10"])
    axis.set_yticks([1, 0.3, 0.1, 0.03], labels=["1", "0.3", "0.1", "0.03"])
    axis.minorticks_off()
    axis.legend(loc="lower left")
