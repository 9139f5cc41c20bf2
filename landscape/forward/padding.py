"""The padding rows of embeddings, which are no parameters: PyTorch gives them a gradient of zero."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Padding:
    """Puts padding rows back to what they are in the network, wherever its parameters are moved to.

    So values do not move along them either, and gradients are those of the values.
    """

    def __init__(self, module: nn.Module) -> None:
        """Look at the embeddings of a network."""
        self._rows: dict[str, tuple[int, Tensor]] = {}
        names = {id(value): name for name, value in module.named_parameters()}
        for layer in module.modules():
            name = names.get(id(getattr(layer, "weight", None)), "")
            if isinstance(layer, nn.Embedding) and layer.padding_idx is not None and name:
                row = layer.padding_idx % layer.num_embeddings
                self._rows[name] = row, layer.weight.detach()[row].clone()

    def __call__(self, theta: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The parameters with these rows as they were; differentiable."""
        rows = {name: found for name, found in self._rows.items() if name in theta}
        if not rows:
            return theta
        return {**theta, **{name: _with_row(theta[name], *found) for name, found in rows.items()}}


def _with_row(weight: Tensor, row: int, value: Tensor) -> Tensor:
    index = torch.tensor([row], device=weight.device)
    return weight.index_copy(0, index, value.to(weight)[None])
