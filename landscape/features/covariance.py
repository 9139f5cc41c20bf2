"""How alike neighbouring points of feature maps are: their covariance with the centre (P1, D.1)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import ArgumentError
from landscape.features.capture import capture, check_count, count_micro_batches, micro_batches, runs
from landscape.features.survey import Survey, survey
from landscape.features.tables import of_layers, variables, words
from landscape.features.variance import Groups
from landscape.objective import Objective
from landscape.work import Progress, silent
from landscape.zoo.places import Layer

SOURCES = ("noise", "images")

_ATTRIBUTES = {
    "kind": {"long_name": "kind of layer"},
    "stage": {"long_name": "stage", "units": "1"},
    "depth": {"long_name": "normalised depth", "units": "1"},
    "correlation": {"long_name": "correlation with the centre of the map", "units": "1"},
    "covariance": {"long_name": "covariance with the centre of the map", "units": "1"},
    "dy": {"long_name": "vertical distance from the centre", "units": "pixel"},
    "dx": {"long_name": "horizontal distance from the centre", "units": "pixel"},
}


def covariance(
    objective: Objective,
    layers: str | Sequence[str] | None = None,
    *,
    window: int = 4,
    seed: int = 0,
    progress: Progress = silent,
) -> xr.Dataset:
    """Covariance over samples of the points of a map with its centre (Park & Kim 2022, D.1).

    Both for i.i.d. standard normal inputs, whose own points are independent, so that what is found is the
    network's doing, and for the objective's images. The centre is the point (h // 2, w // 2); covariances are
    unbiased and averaged over channels. Dropout that is `fresh` uses draw 0.

    Args:
        objective: Network and samples; there are as many noise inputs as samples.
        layers: Names or patterns of submodules; by default those that `find_layers` finds.
        window: Largest distance from the centre, in points of the map.
        seed: Random seed of the noise.
        progress: Shows how far it is.

    Returns:
        Dimensions `source` (`noise`, `images`), `layer`, `dy` and `dx` (−window … window): `covariance`, and
        `correlation`, the covariance over the variance of the centre, each with its standard error from
        groups of consecutive samples; NaN outside of the map. By layer `kind`, `stage`, normalised `depth`.

    Raises:
        LandscapeError: If the window is negative, a layer does not exist or runs more than once a pass, or
            none outputs a map.
    """
    if window < 0:
        raise ArgumentError(f"the window is {window} points; choose 0 or a positive number")
    chosen = survey(objective, layers)

    def both() -> list[dict[str, _Window]]:
        tables = []
        for source in SOURCES:
            inputs = _noise(objective, seed) if source == "noise" else micro_batches(objective)
            bar = progress(inputs, f"covariance, {source}", count_micro_batches(objective))
            tables.append(_one_source(objective, chosen, window, bar))
        return tables

    tables = chosen.measured(both)
    found = _dataset([chosen.layers[name] for name in tables[0]], tables, window, seed)
    return found.assign_attrs(chosen.attributes)


class _Sums(NamedTuple):
    """Over samples: of the points of a window, of their products with the centre, and how many."""

    points: Tensor
    products: Tensor
    samples: int

    def plus(self, points: Tensor, products: Tensor, samples: int) -> _Sums:
        """With those of other samples."""
        return _Sums(self.points + points, self.products + products, self.samples + samples)


class _Window:
    """Co-moments of the points of a window with its centre, float64, by group of samples."""

    def __init__(self, samples: int, window: int) -> None:
        self.window = window
        self.count = 0
        self.groups: list[Tensor] = []
        self._parts = Groups(samples)
        self._shift: Tensor | None = None
        self._total = self._group = _nothing()

    def add(self, maps: Tensor) -> None:
        """Take in maps of shape (sample, channel, height, width)."""
        points = self._cut(maps)
        if self._shift is None:
            self._shift = points.mean(0)
        for part, ends in self._parts.split(points - self._shift):
            centre = part[:, :, self.window, self.window, None, None]
            self._group = self._group.plus(part.sum(0), (part * centre).sum(0), len(part))
            self.count += len(part)
            if ends:
                self.groups.append(self._covariance(self._group))
                self._total, self._group = self._total.plus(*self._group), _nothing()

    def result(self) -> dict[str, np.ndarray]:
        """Covariance and correlation with their standard errors, each of shape (dy, dx)."""
        whole, groups = self._covariance(self._total), torch.stack(self.groups)
        centre = (..., self.window, self.window)
        correlation = whole / whole[centre]
        # A ratio's error is that of numerator − ratio · denominator, over the denominator.
        residual = (groups - correlation * groups[centre][:, None, None]) / whole[centre]
        return {
            "covariance": whole.numpy(),
            "covariance_standard_error": _error(groups),
            "correlation": correlation.numpy(),
            "correlation_standard_error": _error(residual),
        }

    def _cut(self, maps: Tensor) -> Tensor:
        """The window around the centre in float64, NaN outside of the map."""
        w, (height, width) = self.window, maps.shape[2:]
        top, left = height // 2 - w, width // 2 - w
        cut = maps[:, :, max(0, top) : height // 2 + w + 1, max(0, left) : width // 2 + w + 1].double()
        above, before = max(0, -top), max(0, -left)
        below, behind = 2 * w + 1 - above - cut.shape[2], 2 * w + 1 - before - cut.shape[3]
        return torch.nn.functional.pad(cut, (before, behind, above, below), value=math.nan)

    def _covariance(self, sums: _Sums) -> Tensor:
        """Unbiased, mean over channels, shape (dy, dx)."""
        if sums.samples < 2:
            return torch.full((2 * self.window + 1,) * 2, math.nan, dtype=torch.float64)
        centre = sums.points[:, self.window, self.window, None, None]
        found = (sums.products - sums.points * centre / sums.samples) / (sums.samples - 1)
        return found.mean(0).cpu()


def _nothing() -> _Sums:
    return _Sums(torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64), 0)


def _error(groups: Tensor) -> np.ndarray:
    if len(groups) < 2:
        return np.full(groups.shape[1:], math.nan)
    return (groups.std(0) / math.sqrt(len(groups))).numpy()


def _noise(objective: Objective, seed: int) -> Iterator[tuple[int, Tensor]]:
    """As many standard normal inputs as there are samples, each from a stream of its own."""
    for start, inputs in micro_batches(objective):
        shape = inputs.shape[1:]
        rows = [np.random.default_rng([seed, start + i]).standard_normal(shape) for i in range(len(inputs))]
        yield start, torch.from_numpy(np.stack(rows)).to(inputs).contiguous(memory_format=torch.channels_last)


def _one_source(
    objective: Objective, chosen: Survey, window: int, inputs: Iterable[tuple[int, Tensor]]
) -> dict[str, _Window]:
    (run,) = runs(objective)
    samples = len(objective.samples)
    seen: dict[str, _Window] = {}

    def receive(name: str, maps: Tensor) -> None:
        seen.setdefault(name, _Window(samples, window)).add(maps)

    for start, batch in inputs:
        with capture(objective.network.module, chosen.layers, receive, layouts=chosen.layouts):
            run(start, batch)
    for name in chosen.layers:
        check_count(name, seen[name].count if name in seen else 0, samples)
    return seen


def _dataset(layers: list[Layer], tables: list[dict[str, _Window]], window: int, seed: int) -> xr.Dataset:
    results = [[table[layer.name].result() for layer in layers] for table in tables]
    offsets = np.arange(-window, window + 1)
    measured = {name: [[each[name] for each in row] for row in results] for name in results[0][0]}
    return xr.Dataset(
        variables(("source", "layer", "dy", "dx"), measured, _ATTRIBUTES)
        | variables("layer", of_layers(layers), _ATTRIBUTES),
        coords={
            "source": words(SOURCES),
            "layer": words([layer.name for layer in layers]),
            "dy": ("dy", offsets, _ATTRIBUTES["dy"]),
            "dx": ("dx", offsets, _ATTRIBUTES["dx"]),
        },
        attrs={"seed": seed},
    )
