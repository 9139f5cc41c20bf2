"""Accuracy under noise of one frequency at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.features.predictions import Predicted, joined, mean, predicted, scored, settled, summary
from landscape.objective import Objective
from landscape.soundness.ranges import require_unit
from landscape.work import Progress, silent

Noise = Literal["gaussian", "sign"]
"""`gaussian`: standard normal, as the papers say. `sign`: its sign, ±1, as the authors' code has it."""

NOISES: tuple[Noise, ...] = ("gaussian", "sign")

FREQUENCIES = tuple(round(0.05 + 0.1 * i, 2) for i in range(10))
"""Centres, in units of π, of ten rings of width 0.1π that tile the spectrum from 0 to π."""

_ATTRIBUTES = {
    "frequency_pi": {"long_name": "noise frequency, centre of the ring", "units": "π"},
    "components": {"long_name": "frequencies of the image in the ring", "units": "1"},
    "accuracy": {"long_name": "share of right predictions under the noise", "units": "1"},
    "nll": {"long_name": "negative log-likelihood under the noise", "units": "nat"},
    "accuracy_drop": {"long_name": "accuracy of clean images minus that under the noise", "units": "1"},
    "clean_accuracy": {"long_name": "share of right predictions of clean images", "units": "1"},
    "clean_nll": {"long_name": "negative log-likelihood of clean images", "units": "nat"},
}


def frequency_noise(
    objective: Objective,
    *,
    frequencies: Sequence[float] = FREQUENCIES,
    noise: Noise = "gaussian",
    strength: float = 0.175,
    width: float = 0.1,
    equal_power: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> xr.Dataset:
    """Accuracy on x + F⁻¹(F(δ)·M_f), against the frequency f (Park & Kim 2022, Fig. 6; 2022b, Fig. 2).

    M_f keeps the square ring f − width/2 ≤ max(|u|, |v|) < f + width/2 of the shifted spectrum, where u and v
    are the two frequencies in units of π; a ring that reaches π includes it. The authors' code cuts its rings
    in whole pixels and one pixel off the centre; ours are symmetric, so that the noise is real. Neighbouring
    rings of small images hold unequal numbers of frequencies, which `components` gives. Nothing is clipped.

    A sample's δ depends on the seed and on its position in the source alone, and is the same at every
    frequency, so that networks, micro-batches and frequencies are compared on common random numbers.

    Args:
        objective: Network and samples, images; its dropout masks are those of draw 0 throughout, and
            BatchNorm that is recalibrated has the statistics of the clean images.
        frequencies: Centres of the rings in units of π, each from 0 to 1.
        noise: Kind of δ, of unit variance: `gaussian` (the papers) or `sign` (their code).
        strength: Standard deviation of δ before it is masked, in the scale of images from 0 to 1, that is
            before normalisation. The papers state none; the author's example (how-do-vits-work, issue 44)
            has 0.7 in normalised units, which is 0.16 to 0.19 at the standard deviations of ImageNet and
            CIFAR.
        width: Width of the rings, in units of π (Park & Kim 2022b: 0.1).
        equal_power: Whether each ring's noise is scaled up to standard deviation `strength`. The papers do
            not: a square ring holds the more frequencies, and so the more power, the further out it lies.
        seed: Random seed of δ.
        progress: Shows how far it is.

    Returns:
        Dimension `frequency`: `frequency_pi`, `components` (frequencies of the image in the ring),
        `accuracy`, `nll` (nats) and `accuracy_drop` (clean minus noisy), each with its standard error over
        samples, that of the drop over paired differences; `clean_accuracy`, `clean_nll`. Where a ring holds
        no frequency of such small images, there is no such noise, and the values are NaN. Attributes
        `noise`, `strength`, `width_pi`, `equal_power`, `seed`.

    Raises:
        LandscapeError: If the inputs are not images from 0 to 1, a number is out of range, or every ring is
            empty.
    """
    centres = _checked(objective, frequencies, noise, strength, width, seed)
    size = objective.samples.image_size()
    rings = torch.stack([ring(size[0], size[1], centre, width) for centre in centres])
    if not rings.any():
        raise LandscapeError(
            f"no frequency of {size[0]}×{size[1]} images lies in rings of width {width:g}π around "
            f"{', '.join(f'{centre:g}π' for centre in centres)}; choose wider rings"
        )
    components = rings.sum((1, 2)).double()
    gains = (rings[0].numel() / components).sqrt() if equal_power else torch.ones_like(components)
    masks = {i: strength * gains[i] * rings[i] for i in range(len(rings)) if components[i]}
    clean, noisy = _scores(objective, masks, noise, seed, progress)
    rows = [_row(noisy.get(i), clean) for i in range(len(rings))]
    attrs = {"noise": noise, "strength": float(strength), "width_pi": float(width)}
    attrs |= {"equal_power": equal_power, "seed": seed}
    columns = {"frequency_pi": centres, "components": components.tolist()}
    columns |= {name: [row[name] for row in rows] for name in rows[0]}
    return scored("frequency", columns, clean, _ATTRIBUTES).assign_attrs(attrs)


def ring(height: int, width: int, centre: float, thickness: float) -> Tensor:
    """Which components of an unshifted `fft2` a square ring holds; boolean, shape (height, width).

    Args:
        height: Of the image.
        width: Of the image.
        centre: Of the ring, in units of π.
        thickness: From its inner edge, which it includes, to its outer one, which it does not but for π.
    """
    distance = torch.maximum(_frequencies(height)[:, None], _frequencies(width))
    # Rounded, so that the outer edge of a ring is the inner edge of the next one.
    inner, outer = round(centre - thickness / 2, 9), round(centre + thickness / 2, 9)
    return (distance >= inner) & ((distance < outer) if outer < 1 else (distance <= outer))


def white(indices: np.ndarray, shape: tuple[int, ...], *, noise: Noise, seed: int) -> Tensor:
    """White noise of unit variance, float64, shape (sample, *shape); a function of seed and index alone.

    Args:
        indices: Position of each sample in its source.
        shape: Of one sample.
        noise: `gaussian` or `sign`.
        seed: Names the stream; each index has a stretch of it to itself.
    """
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    streams = [np.random.Philox(key=key, counter=[0, 0, int(index), 0]) for index in indices]
    each = [np.random.Generator(stream).standard_normal(shape) for stream in streams]
    numbers = torch.from_numpy(np.stack(each))
    return numbers.sign() if noise == "sign" else numbers


def _frequencies(size: int) -> Tensor:
    """|frequency| of each index of a transform of this length, in units of π, correctly rounded."""
    index = torch.arange(size, dtype=torch.float64)
    return 2 * torch.minimum(index, size - index) / size


def _checked(
    objective: Objective, frequencies: Sequence[float], noise: str, strength: float, width: float, seed: int
) -> list[float]:
    if noise not in NOISES:
        raise ArgumentError(f"the noise is {noise!r}; choose one of {', '.join(NOISES)}")
    centres = [float(centre) for centre in frequencies]
    if not centres or not all(0 <= centre <= 1 for centre in centres):
        raise LandscapeError(f"noise frequencies are numbers from 0 to 1, in units of π; got {centres}")
    if not (0 <= strength < math.inf and 0 < width < math.inf and seed >= 0):
        raise LandscapeError(
            f"the noise needs a strength and a seed that are not negative and a positive width, got "
            f"{strength:g}, {seed} and {width:g}"
        )
    require_unit(objective.samples, "noise is added")
    return centres


def _scores(
    objective: Objective, masks: dict[int, Tensor], noise: Noise, seed: int, progress: Progress
) -> tuple[Predicted, dict[int, Predicted]]:
    """Of clean images, and of those under the noise of each mask."""
    count = -(-len(objective.samples) // objective.micro_batch)
    parts: dict[int | None, list[Predicted]] = {which: [] for which in (None, *masks)}
    passes = _passes(objective, masks, noise, seed)
    for which, part in progress(passes, "noise", count * len(parts)):
        parts[which].append(part)
    found = {which: joined(rows) for which, rows in parts.items()}
    return found[None], {which: found[which] for which in masks}


def _passes(
    objective: Objective, masks: dict[int, Tensor], noise: Noise, seed: int
) -> Iterator[tuple[int | None, Predicted]]:
    """Scores of a micro-batch, clean (None) and under each mask, then those of the next one."""
    forward, indices = settled(objective), np.asarray(objective.samples.indices)
    for start, inputs, targets in objective.batches():
        delta = white(indices[start : start + len(inputs)], tuple(inputs.shape[1:]), noise=noise, seed=seed)
        spectrum = torch.fft.fft2(_in_network_units(objective, delta).to(inputs.device))
        for which in (None, *masks):
            images = inputs
            if which is not None:
                added = torch.fft.ifft2(spectrum * masks[which].to(inputs.device)).real
                images = (inputs + added.to(inputs.dtype)).contiguous(memory_format=torch.channels_last)
            with torch.no_grad():
                logits = forward(objective.parameters, start, images, 0)
            yield which, predicted(logits, targets)


def _in_network_units(objective: Objective, delta: Tensor) -> Tensor:
    """Noise on images from 0 to 1 as noise on what the network receives."""
    normalisation = objective.network.normalisation
    if normalisation is None:
        return delta
    return delta / torch.tensor(normalisation.std, dtype=delta.dtype).view(-1, 1, 1)


def _row(found: Predicted | None, clean: Predicted) -> dict[str, float]:
    """One frequency's values; NaN where there is no such noise."""
    values = summary(found or clean) | mean("accuracy_drop", clean.correct - (found or clean).correct)
    return values if found else dict.fromkeys(values, math.nan)
