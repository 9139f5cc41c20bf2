"""How much of a map lies above the Nyquist frequency of the subsampling that follows, smoothed or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.zoo.recognition import first, has_stride, is_smoothing, single_layers, stride
from landscape.features.capture import capture
from landscape.features.fourier import half_frequencies, half_power
from landscape.features.passes import check_count, count_micro_batches, micro_batches, runs
from landscape.features.statistics import Running
from landscape.features.variance import centred
from landscape.objective import Objective
from landscape.progress import Progress, silent

_ATTRIBUTES = {
    "factor": {"long_name": "factor of the subsampling", "units": "1"},
    "smoothing": {"long_name": "smoothing layer in front"},
    "height": {"long_name": "height of the map that is subsampled", "units": "pixel"},
    "width": {"long_name": "width of the map that is subsampled", "units": "pixel"},
    "before": {"long_name": "power above the new Nyquist frequency, before smoothing", "units": "1"},
    "after": {"long_name": "power above the new Nyquist frequency, where subsampled", "units": "1"},
}

_SHRINKS = 1.5  # from input to output, of layers that have no stride to tell


@dataclass(frozen=True)
class Place:
    """Where a map is subsampled.

    Attributes:
        layer: The layer that reads the map and subsamples it; of several that read the same map, such as a
            block's first convolution and its shortcut, the one with the widest kernel.
        factor: By how much.
        smoothing: The smoothing layer in front, between which and this one only norms and activations run;
            empty if there is none.
    """

    layer: str
    factor: int
    smoothing: str = ""


def aliasing(objective: Objective, progress: Progress = silent) -> xr.Dataset:
    """Share of power above the new Nyquist frequency π/factor in either direction, wherever maps shrink.

    Subsampling folds these frequencies onto lower ones. Power is |fft2(z)|² without the zero frequency, that
    is the map's spatial variance, summed over channels; a share of it is taken for each sample. The transform
    takes maps as periodic, so that a step between opposite edges counts as high frequencies.

    Subsampling layers are found by watching two samples pass: convolutions and pooling layers with a stride,
    and other single layers whose output is smaller than their input; global pooling does not count, nor does
    what a network calls as a plain function. Dropout that is `fresh` uses draw 0.

    Args:
        objective: Network and samples.
        progress: Shows how far it is.

    Returns:
        Dimension `layer` (coordinate: name of the subsampling layer, in the order of execution): `factor`,
        `smoothing` (name of the smoothing layer in front, or empty), `height` and `width` of the map, `after`
        (share of the map that is subsampled), `before` (of the map that enters the smoothing layer; NaN
        without one), each with its standard error over samples.

    Raises:
        LandscapeError: If nothing subsamples, or a layer runs more than once a pass.
    """
    places = _places(objective)
    if not places:
        raise LandscapeError(
            "no layer of this network subsamples a map: no convolution or pooling layer has a stride"
        )
    shares: dict[str, dict[str, Running]] = {
        place.layer: {"before": Running(), "after": Running()} for place in places
    }
    sizes: dict[str, tuple[int, int]] = {}
    after = {place.layer: place for place in places}
    before = {place.smoothing: [p for p in places if p.smoothing == place.smoothing] for place in places}
    before.pop("", None)

    def receive(name: str, maps: Tensor) -> None:
        for place in before.get(name, []):
            shares[place.layer]["before"].add(aliased_share(maps, place.factor))
        if name in after:
            sizes[name] = (maps.shape[2], maps.shape[3])
            shares[name]["after"].add(aliased_share(maps, after[name].factor))

    names = {**after, **before}
    (run,) = runs(objective)
    total = count_micro_batches(objective)
    for start, inputs in progress(micro_batches(objective), "aliasing", total):
        with capture(objective.network.module, names, receive, inputs=True):
            run(start, inputs)
    for place in places:
        check_count(place.layer, shares[place.layer]["after"].count, len(objective.samples))
    return _dataset(places, shares, sizes)


def aliased_share(maps: Tensor, factor: int) -> Tensor:
    """Share of the power of maps above π/factor in either direction, over all channels together.

    Args:
        maps: Shape (sample, channel, height, width).
        factor: Of the subsampling.

    Returns:
        Shape (sample,), float64; NaN for maps that are constant.
    """
    power = half_power(centred(maps).rest).sum(1).double()
    (vertical, horizontal), twice = half_frequencies(*maps.shape[2:])
    high = (2 * factor * abs(vertical) > maps.shape[2]) | (2 * factor * horizontal > maps.shape[3])
    weights = np.stack([twice * high, twice * ((vertical != 0) | (horizontal != 0))]).reshape(2, -1)
    above, whole = torch.from_numpy(weights).double().to(power.device) @ power.flatten(1).T
    return above / whole


def _dataset(
    places: list[Place], shares: dict[str, dict[str, Running]], sizes: dict[str, tuple[int, int]]
) -> xr.Dataset:
    columns = {
        "factor": np.array([place.factor for place in places]),
        "smoothing": np.array([place.smoothing for place in places], dtype=object),
        "height": np.array([sizes[place.layer][0] for place in places]),
        "width": np.array([sizes[place.layer][1] for place in places]),
    }
    for name in ("before", "after"):
        running = [shares[place.layer][name] for place in places]
        columns[name] = np.array([float(each.mean) for each in running])
        columns[f"{name}_standard_error"] = np.array([float(each.standard_error) for each in running])
    return xr.Dataset(
        {name: ("layer", values, _described(name)) for name, values in columns.items()},
        coords={"layer": np.array([place.layer for place in places], dtype=object)},
    )


def _described(name: str) -> dict[str, str]:
    if not name.endswith("_standard_error"):
        return _ATTRIBUTES[name]
    own = _ATTRIBUTES[name.removesuffix("_standard_error")]
    return own | {"long_name": f"standard error of the {own['long_name']}"}


class _Watch:
    """Follows maps through single layers during one pass; holding them keeps their identities their own."""

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        self._kernels: dict[int, int] = {}
        self._smoothed: dict[int, str] = {}  # maps that come from a smoothing layer, and from which
        self._held: list[Any] = []

    def note(self, name: str, part: nn.Module, given: Any, output: Any) -> None:
        """Take in that a layer ran."""
        if not all(isinstance(value, Tensor) and value.dim() == 4 for value in (given, output)):
            return
        self._held += [given, output]
        front, factor = self._smoothed.get(id(given), ""), _factor(part, given, output)
        if factor > 1:
            kernel = first(getattr(part, "kernel_size", 0))
            if kernel > self._kernels.get(id(given), -1):
                self.places[id(given)] = Place(name, factor, front)
                self._kernels[id(given)] = kernel
        elif is_smoothing(part):
            self._smoothed[id(output)] = name
        elif front and _passes_on(part, given, output):
            self._smoothed[id(output)] = front


def _places(objective: Objective) -> list[Place]:
    """Watch two samples pass the network."""
    watch, handles = _Watch(), []
    (run,) = runs(objective)

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda part, args, output: watch.note(name, part, args[0] if args else None, output)

    try:
        for name, part in single_layers(objective.network.module):
            handles.append(part.register_forward_hook(hook(name)))
        start, inputs = next(micro_batches(objective))
        run(start, inputs[:2])
    finally:
        for handle in handles:
            handle.remove()
    return list(watch.places.values())


def _factor(part: nn.Module, given: Tensor, output: Tensor) -> int:
    """Factor by which a layer subsamples, 1 if it does not; global pooling does not."""
    if max(output.shape[2:]) == 1:
        return 1
    if has_stride(part):
        return stride(part)
    ratio = max(given.shape[i] / output.shape[i] for i in (2, 3))
    return round(ratio) if ratio >= _SHRINKS else 1


def _passes_on(part: nn.Module, given: Tensor, output: Tensor) -> bool:
    """Whether a layer works point by point, as norms, activations and dropout do."""
    return (
        given.shape == output.shape
        and not any(p.dim() > 1 for p in part.parameters())
        and not has_stride(part)
    )
