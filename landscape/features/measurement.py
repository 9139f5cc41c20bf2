"""Variances and Fourier spectra of every layer, in one pass over the samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xarray as xr
from torch import Tensor

from landscape.features.capture import capture
from landscape.features.passes import Run, check_count, count_micro_batches, micro_batches, repeats, runs
from landscape.features.statistics import LayerStatistics
from landscape.features.survey import Survey, survey
from landscape.features.tables import dataset
from landscape.objective import Objective
from landscape.work import Progress, silent


def measure(
    objective: Objective,
    layers: str | Sequence[str] | None = None,
    progress: Progress = silent,
    draws: int = 1,
) -> xr.Dataset:
    """Variances and Fourier spectra of feature maps by depth (Park & Kim 2022, Fig. 5; 2022b, Fig. 2, 8, 9).

    The network runs over the objective's samples, in its protocol; everything but the model variance is that
    of draw 0 of dropout that is `fresh`. All draws of a micro-batch run before the next, and sums are kept in
    float64, so that memory does not grow with the number of samples or draws.

    Args:
        objective: Network and samples.
        layers: Names or patterns of submodules; by default those that `find_layers` finds.
        progress: Shows how far it is.
        draws: Passes with dropout masks of their own, for the model variance; 1 leaves it NaN. A network
            without dropout is passed twice, however many are asked for.

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
        pixel is NaN, and so is `high_frequency` where zero is the only frequency. Of oblong maps, frequencies
        are those of the shorter side, see `landscape.features.fourier`. Attributes: `draws`, `warnings`,
        sentences, and `not_measured`, the layers found that are left out, with the reason.

    Raises:
        LandscapeError: If a layer does not exist, one that is asked for by name or all of them give no map or
            run more than once a pass, or draws are asked for and dropout is not `fresh`.
    """
    each = runs(objective, repeats(objective, draws))
    chosen = survey(objective, layers)
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
        with capture(objective.network.module, chosen.layers, receive, layouts=chosen.layouts):
            run(start, inputs)
    before = None
    for name in chosen.layers:
        check_count(name, seen[name].pending if name in seen else 0, len(inputs))
    for statistics in seen.values():
        before = statistics.finish(before)
