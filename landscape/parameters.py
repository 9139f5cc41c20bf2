"""One small algebra over parameters kept as ``dict[str, Tensor]``."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from landscape.errors import LandscapeError

Parameters = dict[str, Tensor]
"""Tensors by their state-dict names, in the network's own order."""


TRAINABLE = "trainable"
"""Pattern of the parameters that are not frozen (`requires_grad`)."""


def select(parameters: Mapping[str, Tensor], pattern: str) -> Parameters:
    """Those whose names match a pattern.

    Args:
        parameters: Where to choose from.
        pattern: Shell-style patterns joined by commas, such as ``layer1.*`` or ``*conv*``; one that begins
            with ``!`` takes names away again, as in ``*,!*bn*``.

    Raises:
        LandscapeError: If nothing is left; the message lists some names.
    """
    chosen: set[str] = set()
    parts = [part.strip() for part in pattern.split(",") if part.strip()]
    if parts and parts[0].startswith("!"):
        chosen = set(parameters)
    for part in parts:
        matched = set(fnmatch.filter(parameters, part.removeprefix("!")))
        chosen = chosen - matched if part.startswith("!") else chosen | matched
    if not chosen:
        some = ", ".join(list(parameters)[:6])
        raise LandscapeError(f"no parameter matches {pattern!r}; this network's are named {some}, …")
    return {name: value for name, value in parameters.items() if name in chosen}


def chosen(
    parameters: Mapping[str, Tensor], pattern: str | None, frozen: Collection[str] = ()
) -> tuple[str, Parameters]:
    """The free parameters, and what the protocol calls them; of whole numbers there are no derivatives.

    Args:
        parameters: All of a network's.
        pattern: See `select`; None or `trainable` takes those that are not frozen, or all if everything is.
        frozen: Names of those that their owner froze.

    Raises:
        LandscapeError: If there is nothing to move, or nothing matches.
    """
    movable = {name: value for name, value in parameters.items() if value.is_floating_point()}
    if not movable:
        raise LandscapeError("the network has no floating-point parameters to move")
    if pattern not in (None, TRAINABLE):
        return str(pattern), select(movable, str(pattern))
    trainable = {name: value for name, value in movable.items() if name not in frozen}
    return (TRAINABLE, trainable) if 0 < len(trainable) < len(movable) else ("*", movable)


def check_fit(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Compare names and shapes with the network's own.

    Raises:
        LandscapeError: If a name is on one side only, or a shape differs.
    """
    missing = own.keys() ^ given.keys()
    if missing:
        raise LandscapeError(
            f"parameters do not fit the network: {', '.join(sorted(missing)[:5])} on one side only"
        )
    for name, value in own.items():
        if given[name].shape != value.shape:
            raise LandscapeError(
                f"parameters do not fit the network: {name} has shape {tuple(given[name].shape)}, "
                f"expected {tuple(value.shape)}"
            )


def dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Inner product over all tensors, a scalar tensor summed in float64."""
    return torch.stack([(a[name].double() * b[name].double()).sum() for name in a]).sum()


def norm(a: Mapping[str, Tensor]) -> Tensor:
    """Euclidean norm over all tensors, a scalar tensor."""
    return dot(a, a).sqrt()


def shifted(origin: Mapping[str, Tensor], *steps: tuple[float, Mapping[str, Tensor]]) -> Parameters:
    """Origin + Σ coefficient · direction; a tensor that a direction lacks stays where it is.

    Args:
        origin: The parameters to start from.
        steps: Pairs of a coefficient and a direction.
    """
    moved = dict(origin)
    for coefficient, direction in steps:
        for name, value in direction.items():
            moved[name] = torch.add(moved[name], value, alpha=coefficient)
    return moved


def flatten(a: Mapping[str, Tensor]) -> Tensor:
    """One vector of all tensors in order, shape (n,)."""
    return torch.cat([value.reshape(-1) for value in a.values()])


def unflatten(vector: Tensor, like: Mapping[str, Tensor]) -> Parameters:
    """The inverse of `flatten`: views into the vector with the shapes of `like`.

    Raises:
        LandscapeError: If the vector's length is not the number of parameters.
    """
    sizes = [value.numel() for value in like.values()]
    if vector.shape != (sum(sizes),):
        raise LandscapeError(f"a vector of shape ({sum(sizes)},) is needed, got {tuple(vector.shape)}")
    parts = vector.split(sizes)
    return {name: part.view(like[name].shape) for name, part in zip(like, parts, strict=True)}


def filter_norms(weight: Tensor, dim: int = 0, groups: int = 1) -> Tensor:
    """Frobenius norm of each output filter, broadcastable against the weight: shape (out, 1, …).

    A filter is one slice along a dimension: an output channel of a convolution, a row of a dense layer (Li et
    al. 2018, section 4). Which one, `landscape.filters` knows.

    Args:
        weight: Of two dimensions and more, where `dim` is not 0.
        dim: Along which the filters lie: 0, or 1 for transposed convolutions, (in, out / groups, …); the
            shape is then (in, out / groups, 1, …).
        groups: Equal parts of the first dimension with filters of their own; only where `dim` is not 0.
    """
    if dim == 0:
        flat = weight.reshape(len(weight), -1)
        return torch.linalg.vector_norm(flat, dim=1).view(-1, *([1] * (weight.dim() - 1)))
    parts = weight.reshape(groups, -1, *weight.shape[1:])
    others = [i for i in range(1, parts.dim()) if i != dim + 1]
    found = torch.linalg.vector_norm(parts, dim=others, keepdim=True)
    return found.repeat_interleave(parts.shape[1], 1).flatten(0, 1)
