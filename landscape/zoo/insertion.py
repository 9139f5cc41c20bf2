"""A smoothing layer where there was none: what it does to a map, and how it is inserted into a module."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.layout import MapLayout
from landscape.zoo.layers import BoxBlur, Smooth
from landscape.zoo.smoothing import Smoothing

CHILD = "smoothing"
"""Name of the layer where it is put in."""


class InsertedSmooth(Smooth):
    """A smoothing layer without parameters or buffers, for maps of any number of channels in any layout."""

    def __init__(self, place: str, smoothing: Smoothing, layout: MapLayout | None = None) -> None:
        """Say where the map stands in what is smoothed; None is (batch, channel, height, width)."""
        super().__init__(0, replace(smoothing, kernel=(1,)))
        self.place, self.layout = place, layout
        if smoothing.kernel == (1, 1):
            self.blur = BoxBlur()
        elif smoothing.kernel != (1,):
            self.blur = _BinomialBlur(smoothing.kernel)

    def forward(self, z: Tensor) -> Tensor:
        """(batch, channel, h, w) or another layout of it → the same, or one pixel larger for the box."""
        if self.layout is not None and isinstance(z, Tensor):
            maps = self.layout.to_map(z, any_size=True)
            if maps is None:
                raise LandscapeError(
                    f"{self.place!r} gave an output of shape {tuple(z.shape)}, laid out otherwise than "
                    "the one that was watched; put the smoothing in with an example of these images"
                )
            return self.layout.from_map(super().forward(maps), z)
        if not isinstance(z, Tensor) or z.dim() != 4:
            found = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else f"a {type(z).__name__}"
            raise no_map(self.place, found)
        return super().forward(z)


class _BinomialBlur(nn.Module):
    """`Blur` with its kernel made at each call, so that the state dict does not hold it."""

    def __init__(self, kernel: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, z: Tensor) -> Tensor:
        k = torch.tensor(self.kernel, dtype=z.dtype, device=z.device) / sum(self.kernel)
        square = torch.outer(k, k).expand(z.shape[1], 1, -1, -1)
        return F.conv2d(z, square, padding=len(self.kernel) // 2, groups=z.shape[1])

    def extra_repr(self) -> str:
        return f"{self.kernel}"


def _smooth_output(module: nn.Module, _args: Any, output: Any) -> Any:
    """Forward hook; it looks the layer up, so that copies and unpickled modules run their own."""
    return getattr(module, CHILD)(output)


def no_map(place: str, found: str, reason: str = "") -> LandscapeError:
    """The error for a place without a map."""
    return LandscapeError(
        f"{place!r} cannot be smoothed: it outputs {found}, not a map of shape (batch, channel, height, "
        f"width){f' ({reason})' if reason else ''}; choose a place before the head"
    )


def runs_its_children(part: nn.Module) -> bool:
    """Whether a module is an `nn.Sequential` that runs as such."""
    return isinstance(part, nn.Sequential) and type(part).forward is nn.Sequential.forward


def is_smoothed(part: nn.Module) -> bool:
    """Whether a module ends with smoothing already."""
    return CHILD in vars(part) or any(isinstance(child, Smooth) for child in part.children())


def check_open(module: nn.Module, place: str) -> None:
    """Refuse a place that ends with smoothing already, or that cannot be extended."""
    part = module.get_submodule(place)
    if is_smoothed(part):
        raise LandscapeError(f"{place!r} ends with smoothing already; choose another place")
    if isinstance(part, _LISTS) and not runs_its_children(part):
        raise LandscapeError(
            f"{place!r} is a {type(part).__name__}, which runs or lists its children in its own way; choose "
            "the last layer inside it"
        )


_LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def put(module: nn.Module, place: str, smoothing: Smoothing, layout: MapLayout | None) -> None:
    """Insert smoothing behind a place whose output has this layout; None is the usual one."""
    part = module.get_submodule(place)
    layer = InsertedSmooth(place, smoothing, layout)
    layer.train(part.training)
    if runs_its_children(part):
        part.add_module(CHILD if any(True for _ in part.children()) else "0", layer)
        return
    if isinstance(part, _LISTS):
        vars(part)[CHILD] = layer  # as a child, it would be run among the others
    else:
        part.add_module(CHILD, layer)
    part.register_forward_hook(_smooth_output)
