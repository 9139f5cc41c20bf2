"""How much of a map lies above the Nyquist frequency of the subsampling that follows, smoothed or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.features.capture import (
    OddLayer,
    capture,
    check_count,
    count_micro_batches,
    micro_batches,
    runs,
)
from landscape.features.fourier import half_frequencies, half_power
from landscape.features.statistics import Running
from landscape.features.subsampling import Place, Strides, watched
from landscape.features.tables import variables, words
from landscape.features.variance import centred
from landscape.layout import MapLayout, follow_inputs
from landscape.objective import Objective
from landscape.work import Progress, silent

_ATTRIBUTES = {
    "factor": {"long_name": "factor of the subsampling, the larger one", "units": "1"},
    "factor_height": {"long_name": "factor by which rows are subsampled", "units": "1"},
    "factor_width": {"long_name": "factor by which columns are subsampled", "units": "1"},
    "smoothing": {"long_name": "smoothing layer in front"},
    "height": {"long_name": "height of the map that is subsampled", "units": "pixel"},
    "width": {"long_name": "width of the map that is subsampled", "units": "pixel"},
    "before": {"long_name": "power above the new Nyquist frequency, before smoothing", "units": "1"},
    "after": {"long_name": "power above the new Nyquist frequency, where subsampled", "units": "1"},
}


def aliasing(objective: Objective, progress: Progress = silent) -> xr.Dataset:
    """Share of power above the new Nyquist frequency π/factor in either direction, wherever maps shrink.

    Each direction has its own factor; one that keeps its size folds nothing. Subsampling folds these
    frequencies onto lower ones. Power is |fft2(z)|² without the zero frequency, that is the map's spatial
    variance, summed over channels; a share of it is taken for each sample. The transform takes maps as
    periodic, so that a step between opposite edges counts as high frequencies.

    Subsampling layers are found by watching two samples pass: convolutions and pooling layers with a stride,
    and other single layers whose map is smaller than the one they read, wherever it stands in their tensors
    (`landscape.layout`); global pooling does not count, nor does what a network calls as a plain function.
    Dropout that is `fresh` uses draw 0.

    Where a layer's stride follows a fixed filter of its own — blur pooling, which is a depthwise convolution
    with one filter for all channels, and average pooling — what it really subsamples is the output that this
    filter gives at stride one, and the share is taken of that; `before` is then of the map that enters the
    filter. Convolutions whose filters are learned, and maximum pooling, are judged by the map that they read:
    what they make of its high frequencies is theirs to learn.

    Args:
        objective: Network and samples.
        progress: Shows how far it is.

    Returns:
        Dimension `layer` (coordinate: name of the subsampling layer, in the order of execution): `factor`,
        the larger one of `factor_height` and `factor_width`, `smoothing` (name of the smoothing layer in
        front, of the layer itself if it blurs, or empty), `height` and `width` of the map, `after` (share of
        the map that is subsampled), `before` (of the map that enters the smoothing layer; NaN without one),
        each of the two with its standard error over samples.
        Attribute `warnings`, sentences on layers that are left out.

    Raises:
        LandscapeError: If nothing subsamples, or no layer that does runs exactly once a pass.
    """
    watch = watched(objective)
    places = list({place.layer: place for place in watch.places.values()}.values())
    if not places:
        raise LandscapeError(
            "no layer of this network subsamples a map: no convolution or pooling layer has a stride"
        )
    odd = {
        place.layer: f"runs {watch.runs[place.layer]} times in a forward pass"
        for place in places
        if watch.runs[place.layer] > 1
    }
    if len(odd) == len(places):
        raise OddLayer(places[0].layer, odd[places[0].layer])
    while True:
        kept = [place for place in places if place.layer not in odd]
        try:
            found = _measured(objective, kept, watch.reads, progress)
            break
        except OddLayer as error:
            if len(kept) == 1 or error.layer not in {place.layer for place in kept}:
                raise
            odd[error.layer] = error.reason
    texts = [f"{layer}, which subsamples, is not measured: it {reason}" for layer, reason in odd.items()]
    return _dataset(kept, *found).assign_attrs(warnings=texts, left_out=len(texts))


def _measured(
    objective: Objective, places: list[Place], reads: dict[str, MapLayout], progress: Progress
) -> tuple[dict[str, dict[str, Running]], dict[str, tuple[int, int]]]:
    """Shares by layer, and the sizes of the maps that are subsampled."""
    shares: dict[str, dict[str, Running]] = {
        place.layer: {"before": Running(), "after": Running()} for place in places
    }
    sizes: dict[str, tuple[int, int]] = {}
    after = {place.layer: place for place in places}
    before = {place.smoothing: [p for p in places if p.smoothing == place.smoothing] for place in places}
    before.pop("", None)

    def subsampled(name: str, maps: Tensor) -> None:
        sizes[name] = (maps.shape[2], maps.shape[3])
        shares[name]["after"].add(aliased_share(maps, *after[name].factors))

    def receive(name: str, maps: Tensor) -> None:
        for place in before.get(name, []):
            shares[place.layer]["before"].add(aliased_share(maps, *place.factors))
        if name in after and not after[name].own:
            subsampled(name, maps)

    names = {**after, **before}
    module, own = objective.network.module, [place.layer for place in places if place.own]
    (run,) = runs(objective)
    total = count_micro_batches(objective)
    for start, inputs in progress(micro_batches(objective), "aliasing", total):
        with capture(module, names, receive, inputs=True, layouts=reads), _own(module, own, subsampled):
            run(start, inputs)
    for place in places:
        check_count(place.layer, shares[place.layer]["after"].count, len(objective.samples))
    return shares, sizes


@contextmanager
def _own(module: nn.Module, names: list[str], receive: Callable[[str, Tensor], None]) -> Iterator[None]:
    """While open, what these layers' own filters give at stride one is handed over."""
    if not names:
        yield
        return
    strides = Strides()

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def after(_part: nn.Module, args: Any, output: Any) -> None:
            found = strides.of(args[0], output)
            if found is not None:
                receive(name, found[0])

        return after

    with ExitStack() as stack:
        for handle in follow_inputs(module, strides):
            stack.enter_context(handle)
        for name in names:
            stack.enter_context(module.get_submodule(name).register_forward_hook(hook(name)))
        stack.enter_context(strides)
        yield


def aliased_share(maps: Tensor, rows: int, columns: int) -> Tensor:
    """Share of the power of maps above π/factor in either direction, over all channels together.

    Args:
        maps: Shape (sample, channel, height, width).
        rows: Factor by which rows are subsampled; 1 keeps all of them.
        columns: Factor by which columns are.

    Returns:
        Shape (sample,), float64; NaN for maps that are constant.
    """
    power = half_power(centred(maps).rest).sum(1).double()
    (vertical, horizontal), twice = half_frequencies(*maps.shape[2:])
    high = (2 * rows * abs(vertical) > maps.shape[2]) | (2 * columns * horizontal > maps.shape[3])
    weights = np.stack([twice * high, twice * ((vertical != 0) | (horizontal != 0))]).reshape(2, -1)
    above, whole = torch.from_numpy(weights).double().to(power.device) @ power.flatten(1).T
    return above / whole


def _dataset(
    places: list[Place], shares: dict[str, dict[str, Running]], sizes: dict[str, tuple[int, int]]
) -> xr.Dataset:
    columns: dict[str, Any] = {
        "factor": [max(place.factors) for place in places],
        "factor_height": [place.factors[0] for place in places],
        "factor_width": [place.factors[1] for place in places],
        "smoothing": words([place.smoothing for place in places]),
        "height": [sizes[place.layer][0] for place in places],
        "width": [sizes[place.layer][1] for place in places],
    }
    for name in ("before", "after"):
        running = [shares[place.layer][name] for place in places]
        columns[name] = [float(each.mean) for each in running]
        columns[f"{name}_standard_error"] = [float(each.standard_error) for each in running]
    coords = {"layer": words([place.layer for place in places])}
    return xr.Dataset(variables("layer", columns, _ATTRIBUTES), coords=coords)
