"""Variances and Fourier spectra of every layer, in one pass over the samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from torch import Tensor

from landscape.errors import ResultError
from landscape.features.capture import (
    Run,
    capture,
    check_count,
    count_micro_batches,
    micro_batches,
    repeats,
    runs,
)
from landscape.features.fourier import SMALL, frequencies, radial_frequencies
from landscape.features.statistics import QUANTITIES, SPECTRA, LayerStatistics
from landscape.features.survey import Survey, survey
from landscape.features.tables import of_layers, variables, words
from landscape.objective import Objective
from landscape.results.smoothing import smoothing_layers, smoothing_ratios
from landscape.work import Progress, silent
from landscape.zoo.places import Layer
from landscape.zoo.stages import SHRINKS


def measure(
    objective: Objective,
    layers: str | Sequence[str] | None = None,
    progress: Progress = silent,
    draws: int = 1,
    inputs: bool = False,
) -> xr.Dataset:
    """Variances and Fourier spectra of feature maps by depth (Park & Kim 2022, Fig. 5; 2022b, Fig. 2, 8, 9).

    The network runs over the objective's samples, in its protocol; everything but the model variance is that
    of draw 0 of dropout that is `fresh`. All draws of a micro-batch run before the next micro-batch, and sums
    are kept in float64, so that memory does not grow with the number of samples or draws.

    Args:
        objective: Network and samples.
        layers: Names or patterns of submodules; by default those that `find_layers` finds.
        progress: Shows how far the work is.
        draws: Passes with dropout masks of their own, for the model variance; 1 leaves it NaN. A network
            without dropout is passed twice, however many are asked for.
        inputs: Measure what the layers read instead of what they give. The stream of a transformer before
            and behind its halves is what their norms read, such as `blocks.*.norm1` and `blocks.*.norm2`.

    Returns:
        Dimensions `layer` (coordinate: the submodule's name, in the order of execution), `frequency` and
        `radius`. By layer `kind`, `stage`, normalised `depth` from 0 to 1, `height`, `width`, `channels`,
        `subsampling` (the map is at least 1.5 times smaller than that of the layer before, or than the input)
        and `small` (under 8×8). Variances, each with a `…_deviation` that is the mean of its square root:
        `spatial_variance` over the points of a map, `sample_variance` over samples, `model_variance` over
        draws, each unbiased, then the mean over everything else; and the `mean`. Fourier: `log_amplitude` and
        `delta_log_amplitude` on the half diagonal at `frequency_pi` (in units of π), `high_frequency` (the
        last Δ log amplitude); `radial_log_amplitude` and `radial_delta_log_amplitude` over rings around zero
        at `radial_frequency_pi`. Standard errors are over samples, those of the sample variance over groups
        of consecutive samples; `…_change_standard_error` is that of the paired difference from the layer
        before. Layers with fewer frequencies than others are padded with NaN. The variance of maps of one
        pixel is NaN, and so is `high_frequency` where zero is the only frequency. For oblong maps,
        frequencies are those of the shorter side, see `landscape.features.fourier`. Attributes: `draws`,
        `warnings`, sentences, and `not_measured`, the layers found that are left out, with the reason.

    Raises:
        LandscapeError: If a layer does not exist, one that is asked for by name or all of them give no map or
            run more than once a pass, or draws are asked for and dropout is not `fresh`.

    Examples:
        >>> import landscape as ls
        >>> objective = ls.Objective(ls.family.load("gap"), ls.data.demo("train").take(8))
        >>> features = ls.features.measure(objective)
        >>> features.layer.values.tolist()[:3]
        ['relu', 'layer1.0', 'layer1.1']
        >>> features.spatial_variance.dims, features.delta_log_amplitude.dims
        (('layer',), ('layer', 'frequency'))
    """
    each = runs(objective, repeats(objective, draws))
    chosen = survey(objective, layers, inputs=inputs)
    seen, size = chosen.measured(lambda: _measured(objective, each, chosen, progress))
    found = dataset([chosen.layers[name] for name in seen], list(seen.values()), size, len(each))
    return found.assign_attrs(
        chosen.attributes | {"warnings": [*chosen.warnings(), *found.attrs["warnings"]]}
    )


def _measured(
    objective: Objective, each: Sequence[Run], chosen: Survey, progress: Progress
) -> tuple[dict[str, LayerStatistics], tuple[int, int]]:
    """Statistics by layer, in the order of execution, and the size of the network's inputs."""
    seen: dict[str, LayerStatistics] = {}
    batches = count_micro_batches(objective)
    for start, inputs in progress(micro_batches(objective), "features", batches):
        _micro_batch(objective, each, chosen, seen, (start, inputs))
    return seen, (inputs.shape[-2], inputs.shape[-1])


def _micro_batch(
    objective: Objective,
    each: Sequence[Run],
    chosen: Survey,
    seen: dict[str, LayerStatistics],
    batch: tuple[int, Tensor],
) -> None:
    """Run every draw of one micro-batch and end it for each layer."""
    start, inputs = batch
    samples = len(objective.samples)

    def look(name: str, maps: Tensor) -> None:
        seen.setdefault(name, LayerStatistics(samples)).look(maps, draws=len(each))

    def repeat(name: str, maps: Tensor) -> None:
        seen[name].repeat(maps)

    receivers: list[Callable[[str, Tensor], None]] = [look, *[repeat] * (len(each) - 1)]
    for run, receive in zip(each, receivers, strict=True):
        module, layouts = objective.network.module, chosen.layouts
        with capture(module, chosen.layers, receive, inputs=chosen.inputs, layouts=layouts):
            run(start, inputs)
    before = None
    for name in chosen.layers:
        check_count(name, seen[name].pending if name in seen else 0, len(inputs))
    for statistics in seen.values():
        before = statistics.finish(before)


ATTRIBUTES = {
    "kind": {"long_name": "kind of layer: stem, block, attention, mlp, smoothing or subsampling"},
    "stage": {"long_name": "stage", "units": "1"},
    "depth": {"long_name": "normalised depth", "units": "1"},
    "height": {"long_name": "height of the feature map", "units": "pixel"},
    "width": {"long_name": "width of the feature map", "units": "pixel"},
    "channels": {"long_name": "channels of the feature map", "units": "1"},
    "subsampling": {"long_name": "whether the map is smaller than that of the layer before", "units": "1"},
    "small": {"long_name": f"whether the map is under {SMALL}×{SMALL}", "units": "1"},
    "mean": {"long_name": "mean of the feature map", "units": "1"},
    "spatial_variance": {"long_name": "variance over the feature map", "units": "1"},
    "spatial_deviation": {"long_name": "standard deviation over the feature map", "units": "1"},
    "sample_variance": {"long_name": "variance over samples", "units": "1"},
    "sample_deviation": {"long_name": "standard deviation over samples", "units": "1"},
    "model_variance": {"long_name": "variance over draws of MC dropout", "units": "1"},
    "model_deviation": {"long_name": "standard deviation over draws of MC dropout", "units": "1"},
    "frequency_pi": {"long_name": "frequency", "units": "π"},
    "log_amplitude": {"long_name": "log amplitude", "units": "nat"},
    "delta_log_amplitude": {"long_name": "Δ log amplitude", "units": "nat"},
    "radial_frequency_pi": {"long_name": "radial frequency", "units": "π"},
    "radial_log_amplitude": {"long_name": "log amplitude, mean over directions", "units": "nat"},
    "radial_delta_log_amplitude": {"long_name": "Δ log amplitude, mean over directions", "units": "nat"},
    "high_frequency": {"long_name": "Δ log amplitude at the highest frequency", "units": "nat"},
}


def dataset(
    layers: list[Layer], statistics: list[LayerStatistics], size: tuple[int, int], draws: int
) -> xr.Dataset:
    """The dataset that `landscape.features.measure` describes.

    Args:
        layers: In the order of execution.
        statistics: Of each of them.
        size: Height and width of the network's input.
        draws: Passes that ran.
    """
    shapes = np.array([s.shape for s in statistics])
    sizes = dict(zip(("channels", "height", "width"), shapes.T, strict=True))
    columns: dict[str, Any] = of_layers(layers) | sizes
    columns["subsampling"] = np.zeros(len(layers), dtype=bool)
    for name, first in zip(("height", "width"), size, strict=True):
        before = np.array([first, *columns[name][:-1]])
        columns["subsampling"] |= before >= SHRINKS * columns[name]
    columns["small"] = np.minimum(columns["height"], columns["width"]) < SMALL
    names = words([layer.name for layer in layers])
    values = columns | _per_sample(statistics) | _over_samples(statistics)
    return xr.Dataset(
        variables("layer", values, ATTRIBUTES)
        | _spectra(statistics, list(zip(columns["height"], columns["width"], strict=True))),
        coords={"layer": names},
        attrs={"draws": draws, "warnings": _warnings(names[columns["small"]], columns["height"])},
    )


def _per_sample(statistics: Sequence[LayerStatistics]) -> dict[str, list[float]]:
    """What each sample has a value of: mean, standard error, and that of the change."""
    found: dict[str, list[float]] = {}
    for i, name in enumerate(QUANTITIES):
        found[name] = [s.mean(name)[0] for s in statistics]
        found[f"{name}_standard_error"] = [s.standard_error(name)[0] for s in statistics]
        if name != "mean":
            found[f"{name}_change_standard_error"] = [s.changes.standard_error[i] for s in statistics]
    return found


def _over_samples(statistics: Sequence[LayerStatistics]) -> dict[str, list[float]]:
    """The variance over samples, its errors from groups of samples."""
    found: dict[str, list[float]] = {}
    groups = [s.over_samples.groups for s in statistics]
    for i, name in enumerate(("sample_variance", "sample_deviation")):
        of_groups = [np.array([float(group[i]) for group in each]) for each in groups]
        changes = [math.nan, *(a - b for a, b in zip(of_groups[1:], of_groups[:-1], strict=True))]
        found[name] = [s.over_samples.value[i] for s in statistics]
        found[f"{name}_standard_error"] = [_error(values) for values in of_groups]
        found[f"{name}_change_standard_error"] = [_error(np.atleast_1d(values)) for values in changes]
    return found


def _error(groups: np.ndarray) -> float:
    return float(groups.std(ddof=1) / math.sqrt(len(groups))) if len(groups) > 1 else math.nan


def _spectra(statistics: Sequence[LayerStatistics], sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    found = {
        "frequency_pi": ("frequency", [frequencies(*size) for size in sizes]),
        "radial_frequency_pi": ("radius", [radial_frequencies(*size) for size in sizes]),
    }
    for name in SPECTRA:
        dimension = "radius" if name.startswith("radial") else "frequency"
        found[name] = dimension, [s.mean(name) for s in statistics]
        found[f"{name}_standard_error"] = dimension, [s.standard_error(name) for s in statistics]
    tables: dict[str, Any] = {}
    for name, (dimension, rows) in found.items():
        tables |= variables(("layer", dimension), {name: padded(rows)}, ATTRIBUTES)
    return tables


def padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of different lengths as one array, filled up with NaN."""
    table = np.full((len(rows), max(map(len, rows))), math.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def _warnings(small: np.ndarray, heights: np.ndarray) -> list[str]:
    if not len(small):
        return []
    few = ", ".join(small[:4]) + (", …" if len(small) > 4 else "")
    return [
        f"{len(small)} of {len(heights)} layers have feature maps under {SMALL}×{SMALL} ({few}): with so few "
        "frequencies, their spectra say little about what the layer does"
    ]


VARIANCES = tuple(
    f"{over}_{kind}" for over in ("spatial", "sample", "model") for kind in ("variance", "deviation")
)

_NEEDED = ("kind", *VARIANCES, "high_frequency")


def smoothing_effect(dataset: xr.Dataset) -> xr.Dataset:
    """Variances after each smoothing layer over those of the layer before it (Park & Kim 2022, Fig. 5).

    Standard errors are those of `landscape.results.smoothing.smoothing_ratios`.

    Args:
        dataset: From `landscape.features.measure`.

    Returns:
        Dimension `layer` (coordinate: the smoothing layers' names): `before` (name of the layer before),
        `…_ratio` of each of `VARIANCES`, and `high_frequency_change`, after minus before in nats, each with
        its standard error. NaN where the dataset has none, such as model variances without draws.

    Raises:
        ResultError: If the dataset does not hold these variables.
    """
    missing = [name for name in _NEEDED if name not in dataset]
    if missing:
        raise ResultError(f"this dataset has no {', '.join(missing)}; measure the features again")
    after = smoothing_layers(dataset)
    names = dataset["layer"].values[after]
    columns: dict[str, np.ndarray] = {"before": dataset["layer"].values[after - 1]}
    for name in VARIANCES:
        _, columns[f"{name}_ratio"], columns[f"{name}_ratio_standard_error"] = smoothing_ratios(dataset, name)
    high = dataset["high_frequency"].values
    columns["high_frequency_change"] = high[after] - high[after - 1]
    columns["high_frequency_change_standard_error"] = dataset["high_frequency_change_standard_error"].values[
        after
    ]
    return xr.Dataset(
        {name: ("layer", values, _described(dataset, name)) for name, values in columns.items()},
        coords={"layer": names},
    )


def _described(dataset: xr.Dataset, name: str) -> dict[str, str]:
    if name == "before":
        return {"long_name": "layer before the smoothing layer"}
    own = name.removesuffix("_standard_error")
    quantity = own.removesuffix("_ratio").removesuffix("_change")
    how, units = ("over", "1") if own.endswith("_ratio") else ("minus", "nat")
    words = f"{dataset[quantity].attrs['long_name']}, after {how} before"
    return {"long_name": words if own == name else f"standard error of the {words}", "units": units}
