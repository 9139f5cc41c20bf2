"""The layers of PyTorch that are dropout and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError

_ELEMENTWISE = (nn.Dropout,)
_CHANNELWISE = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_UNSUPPORTED = (nn.AlphaDropout, nn.FeatureAlphaDropout)
_FORWARDS = {kind.forward for kind in _ELEMENTWISE + _CHANNELWISE}


class OrdinaryDropout(nn.Dropout):
    """Dropout for training only, which MC dropout leaves off (as in the MLP head of Park & Kim's code)."""

    mc_dropout = False


def is_dropout(layer: nn.Module) -> bool:
    """Whether a layer is `nn.Dropout` or one of its kind, with PyTorch's own forward."""
    return isinstance(layer, _ELEMENTWISE + _CHANNELWISE) and type(layer).forward in _FORWARDS


def dropout_layers(module: nn.Module, *, training: bool = False) -> dict[str, nn.Module]:
    """Dropout layers by name: all of them when training, else those that MC dropout keeps on.

    Every `nn.Dropout` counts as MC dropout unless it carries the attribute ``mc_dropout = False``. Dropout
    that is no such layer is found by `landscape.dropout.stochastic_parts`.

    Raises:
        LandscapeError: If the module holds a kind of dropout whose masks are not implemented.
    """
    found = {}
    for name, layer in module.named_modules():
        if isinstance(layer, _UNSUPPORTED):
            raise LandscapeError(
                f"layer '{name}' is {type(layer).__name__}, whose masks landscape cannot draw; "
                "use --dropout off, or nn.Dropout in the network"
            )
        active = is_dropout(layer) and layer.p > 0
        if active and (training or getattr(layer, "mc_dropout", True)):
            found[name] = layer
    return found


def mask_shape(layer: nn.Module, output: Tensor) -> torch.Size:
    """The shape of a layer's mask: that of its output, or its channels alone."""
    if isinstance(layer, _CHANNELWISE):
        return torch.Size([*output.shape[:2], *(1 for _ in output.shape[2:])])
    return output.shape
