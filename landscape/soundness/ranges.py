"""Whether inputs are the images from 0 to 1 that a normalisation, or bytes, take them for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.mean_loss import MeanLoss
from landscape.network import Network
from landscape.samples import Samples

_FEW = 16
_LOWEST, _HIGHEST = -0.2, 1.5
"""Images from 0 to 1 stay inside, also where interpolation overshoots; a few normalised ones do not."""

NEUTRAL = "the neutral normalisation (--mean 0,0,0 --std 1,1,1)"


def require_images(objective: MeanLoss) -> None:
    """Look at a few samples.

    Raises:
        LandscapeError: If a normalisation applies to inputs that are no images from 0 to 1, or images of
            bytes hold nothing but 0 and 1.
    """
    samples, scale = objective.samples, objective.network.normalisation
    stored, _ = samples.stored(0, min(_FEW, len(samples)))
    if not isinstance(stored, Tensor):
        return
    if stored.dtype == torch.uint8 and stored.dim() == 4 and int(stored.max()) == 1:
        raise LandscapeError(
            f"images of {samples.source} are bytes of 0 and 1, and bytes are divided by 255; give them as "
            "floating-point numbers from 0 to 1"
        )
    if scale is None or scale.neutral:
        return
    if stored.dim() != 4:
        raise LandscapeError(
            f"a normalisation is of images (sample, channel, height, width), and inputs of {samples.source} "
            f"have shape {tuple(stored.shape)}; give {NEUTRAL}"
        )
    if (found := outside(stored)) is not None:
        raise LandscapeError(
            f"images of {samples.source} go from {found[0]:.3g} to {found[1]:.3g}, and would be normalised "
            f"with mean {', '.join(f'{each:.3g}' for each in scale.mean)}, which is for images from 0 to 1; "
            f"give those, or, if these are normalised already, {NEUTRAL}"
        )


def require_unit(samples: Samples, what: str) -> None:
    """Look at a few samples.

    Args:
        samples: Images.
        what: Happens to images in the scale from 0 to 1, in words.

    Raises:
        LandscapeError: If they are not from 0 to 1.
    """
    stored, _ = samples.stored(0, min(_FEW, len(samples)))
    found = outside(stored) if isinstance(stored, Tensor) else None
    if found is not None:
        raise LandscapeError(
            f"{what} in the scale of images from 0 to 1, and those of {samples.source} go from "
            f"{found[0]:.3g} to {found[1]:.3g}; give images before their normalisation, and --mean and --std"
        )


def outside(images: Tensor) -> tuple[float, float] | None:
    """Smallest and largest number of images that are not from 0 to 1; None if they are, or bytes."""
    if not images.is_floating_point():
        return None
    lowest, highest = float(images.min()), float(images.max())
    return (lowest, highest) if lowest < _LOWEST or highest > _HIGHEST else None


def require_one_normalisation(network: Network, samples: Samples) -> None:
    """Refuse the usual normalisation of a data set where the network holds one itself.

    Raises:
        LandscapeError: If nobody said which normalisation applies, and two might.
    """
    if network.normalisation is not None or samples.normalisation is None:
        return
    channels = len(samples.normalisation.mean)
    for name, layer in network.module.named_modules():
        if all(_length(layer, each) == channels for each in ("mean", "std")):
            raise LandscapeError(
                f"{f'layer {name!r}' if name else 'the network'} holds a mean and a standard deviation for "
                f"each channel, and the usual normalisation of {samples.source} would come on top of its; "
                f"say which applies: {NEUTRAL}, or --mean and --std as the network was trained"
            )


def _length(layer: nn.Module, name: str) -> int:
    value: Any = getattr(layer, name, None)
    if isinstance(value, Tensor):
        return value.numel()
    return len(value) if isinstance(value, tuple | list) else 0
