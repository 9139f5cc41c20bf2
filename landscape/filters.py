"""What each parameter does, decided from the layer that owns it, and where the filters of a weight lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.parametrizations import _WeightNorm
from torch.nn.utils.parametrize import ParametrizationList

from landscape.errors import LandscapeError
from landscape.parameters import Parameters, filter_norms

Kind = Literal["filters", "gain", "bias", "position"]
"""Only `filters` get a direction unless more is asked for."""

_WEIGHTED = (
    _ConvNd | nn.Linear | nn.Bilinear | nn.Embedding | nn.EmbeddingBag,
    nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention,
)
_NORMS = _NormBase | nn.LayerNorm | nn.GroupNorm | nn.RMSNorm
_WEIGHT = re.compile(r"weight(_[ih][hr]\w*)?|\w+_proj_weight")
_BIAS = re.compile(r"(^|_)bias(es)?(_|$)")
_POSITION = re.compile(r"(^|_)(pos_?(emb|enc)|position|rel_pos|tokens?$)")


@dataclass(frozen=True, eq=False)
class Role:
    """What one parameter does.

    Attributes:
        kind: A weight made of `filters`; a `gain` or a `bias` of channels; a `position` embedding or a token.
        dim: Along which its output filters lie.
        groups: Of a transposed convolution, whose filters are slices of a group and an output channel.
        mask: Of a pruned weight: 0 where an entry is not part of the network.
        gain: Name of weight normalisation's g where this is its v, in w = g·v/‖v‖.
        known: Whether the layer says so; otherwise the shape.
        disputed: Whether another layer that shares the parameter says something else.
    """

    kind: Kind = "filters"
    dim: int = 0
    groups: int = 1
    mask: Tensor | None = None
    gain: str | None = None
    known: bool = True
    disputed: bool = False

    def masked(self, value: Tensor) -> Tensor:
        """A tensor shaped like the parameter with zeros where it is pruned."""
        if self.mask is None:
            return value
        mask = self.mask.to(value)
        return value * (mask if mask.dim() == value.dim() else mask.unsqueeze(-1))  # pairs of reals

    def lengths(self, value: Tensor, *, whole: bool = False) -> Tensor:
        """Norm of each filter, or of the whole tensor, broadcastable against it.

        Args:
            value: Shaped like the parameter.
            whole: Whether to take the tensor as one; what is not made of filters always is.
        """
        if whole or self.kind != "filters":
            return torch.linalg.vector_norm(value)
        return filter_norms(value, self.dim, self.groups)

    def scale(self, name: str, weights: Mapping[str, Tensor], *, whole: bool = False) -> Tensor:
        """How far each entry has to move for its filter to move by its own norm, broadcastable.

        That is the filter's norm, after pruning. For weight normalisation's v it is the norm of the filter of
        w = g·v/‖v‖ times the change of v that moves w by 1, ‖v‖/|g|: whatever the length of v, w turns by as
        much as a plain weight would.

        Args:
            name: Of the parameter.
            weights: Every parameter of the network.
            whole: Whether the tensor is taken as one filter.

        Raises:
            LandscapeError: If g is not among the weights.
        """
        value = self.masked(weights[name])
        if self.gain is None:
            found = self.lengths(value, whole=whole)
        else:
            if self.gain not in weights:
                raise LandscapeError(
                    f"the norms of {name} need {self.gain} too; give every parameter of the network"
                )
            gain = weights[self.gain]
            size = _norm_except(value, gain)
            weight = value * torch.where(size > 0, gain / size, torch.zeros_like(size))
            back = torch.where(gain != 0, size / gain.abs(), torch.zeros_like(size))
            found = self.lengths(weight, whole=whole) * back
        return found if self.mask is None else self.masked(found.expand_as(value))


def roles(module: nn.Module) -> dict[str, Role]:
    """The role of each parameter, keyed and ordered like `named_parameters`.

    A parameter that layers share has the role that the first known one gives it; where another gives it a
    different one, it is `disputed`.

    Examples:
        >>> import torch
        >>> from landscape.filters import roles
        >>> list(roles(torch.nn.Linear(2, 3)))
        ['weight', 'bias']
    """
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    parametrized = {
        id(chain): (layer, attribute)
        for layer in module.modules()
        if isinstance(chains := getattr(layer, "parametrizations", None), nn.ModuleDict)
        for attribute, chain in chains.items()
    }
    found: dict[str, Role] = {}
    for layer in module.modules():
        for attribute, parameter in layer.named_parameters(recurse=False, remove_duplicate=False):
            name = names[id(parameter)]
            role = _of_slot(layer, attribute, parameter, parametrized, names)
            found[name] = _settled(found[name], role) if name in found else role
    return found


def role_of(name: str, value: Tensor, given: Mapping[str, Role]) -> Role:
    """The given role; without one, what has two dimensions and more is made of filters along the first."""
    return given.get(name) or Role("filters" if value.dim() > 1 else "bias", known=False)


def with_filters(tensors: Mapping[str, Tensor], given: Mapping[str, Role]) -> Parameters:
    """Those that are made of filters."""
    return {name: v for name, v in tensors.items() if role_of(name, v, given).kind == "filters"}


def assumptions(given: Mapping[str, Role], names: Iterable[str]) -> dict[str, list[str]]:
    """What a result should say: filters that no layer vouches for, and those that layers dispute.

    Returns:
        Names under `assumed_filters` and `disputed_filters`; empty lists are left out.
    """
    told = {name: given[name] for name in names if name in given}
    lists = {
        "assumed_filters": [n for n, role in told.items() if role.kind == "filters" and not role.known],
        "disputed_filters": [n for n, role in told.items() if role.disputed],
    }
    return {word: found for word, found in lists.items() if found}


def _of_slot(
    layer: nn.Module,
    attribute: str,
    parameter: Tensor,
    parametrized: Mapping[int, tuple[nn.Module, str]],
    names: Mapping[int, str],
) -> Role:
    """The role by one of the layers that hold a parameter, behind hooks and parametrizations."""
    if id(layer) not in parametrized or not isinstance(layer, ParametrizationList):
        return _of_hooked(layer, attribute, parameter, names)
    owner, weight = parametrized[id(layer)]
    if isinstance(layer[0], _WeightNorm):
        if attribute == "original0":
            return Role("gain")
        return replace(_of_owner(owner, weight, parameter), gain=names[id(layer.original0)])
    if attribute == "original":
        masks = (_mask(step, "", parameter) for step in layer)
        mask = next((mask for mask in masks if mask is not None), None)
        return replace(_of_owner(owner, weight, parameter), mask=mask)
    return _of_owner(layer, attribute, parameter)  # one of several: what it does is not known


def _of_hooked(layer: nn.Module, attribute: str, parameter: Tensor, names: Mapping[int, str]) -> Role:
    """The role in a layer whose hooks may prune or normalise the weight, under PyTorch's names."""
    own = dict(layer.named_parameters(recurse=False, remove_duplicate=False))
    stem = attribute.removesuffix("_orig")
    if any(f"{stem}{end}" in dict(layer.named_buffers(recurse=False)) for end in ("_mask", "_u")):
        attribute = stem  # pruned, or behind spectral norm
    mask, stem = _mask(layer, attribute, parameter), attribute[:-2]
    gain = own.get(f"{stem}_g")
    v = own.get(f"{stem}_v", own.get(f"{stem}_v_orig"))
    if gain is not None and v is not None and _gains(gain, v):
        if parameter is gain:
            return Role("gain")
        if parameter is v:
            return replace(_of_owner(layer, stem, parameter), mask=mask, gain=names[id(gain)])
    return replace(_of_owner(layer, attribute, parameter), mask=mask)


def _gains(gain: Tensor, v: Tensor) -> bool:
    """Whether one tensor has a number for each slice of the other, as weight normalisation's g."""
    long = [(ours, theirs) for ours, theirs in zip(gain.shape, v.shape, strict=False) if ours > 1]
    return gain.dim() in (0, v.dim()) and len(long) < 2 and all(ours == theirs for ours, theirs in long)


def _mask(layer: nn.Module, stem: str, parameter: Tensor) -> Tensor | None:
    """Zeros and ones that a layer multiplies a parameter with: its buffer `…_mask`, or `mask`."""
    buffers = dict(layer.named_buffers(recurse=False))
    found = buffers.get(f"{stem}_mask", buffers.get("mask"))
    if found is None or found.shape != parameter.shape or bool(((found != 0) & (found != 1)).any()):
        return None
    return found


def _of_owner(owner: nn.Module, attribute: str, parameter: Tensor) -> Role:
    if isinstance(owner, _NORMS) and attribute in ("weight", "bias"):
        return Role("bias" if attribute == "bias" else "gain")
    weighted = any(isinstance(owner, types) for types in _WEIGHTED)
    if weighted and parameter.dim() > 1 and _WEIGHT.fullmatch(attribute):
        if isinstance(owner, _ConvTransposeNd):  # (in, out / groups, …)
            return Role(dim=1, groups=owner.groups)
        return Role()
    kind = _by_shape(attribute, parameter.shape)
    return Role(kind, known=weighted and kind == "bias")


def _by_shape(attribute: str, shape: torch.Size) -> Kind:
    """What a parameter of an unknown layer is taken for."""
    if _BIAS.search(attribute):
        return "bias"
    # A matrix of one row or one column is a matrix; (C, 1, 1) or (1, C, 1, 1) multiplies channels.
    if len(shape) != 2 and sum(size > 1 for size in shape) < 2:
        return "gain"
    # A first dimension of 1 before two others is broadcast over samples: something that is added to them.
    if _POSITION.search(attribute) or (len(shape) > 2 and shape[0] == 1):
        return "position"
    return "filters"


def _settled(first: Role, other: Role) -> Role:
    if not (first.known and other.known):
        return first if first.known else other if other.known else first
    same = (first.kind, first.dim, first.groups) == (other.kind, other.dim, other.groups)
    return first if same else replace(first, disputed=True)


def _norm_except(value: Tensor, gain: Tensor) -> Tensor:
    """Norms of the slices of v that the entries of g belong to, shaped like g."""
    dims = [i for i in range(value.dim()) if not gain.dim() or gain.shape[i] == 1]
    return torch.linalg.vector_norm(value, dim=dims, keepdim=gain.dim() > 0)
