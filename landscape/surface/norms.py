"""Scales for directions: what one unit of an axis means for each tensor of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.filters import Role, role_of
from landscape.parameters import Parameters

Norm = Literal["filter", "layer", "weight", "none", "paper"]
NORMS: tuple[Norm, ...] = ("filter", "layer", "weight", "none", "paper")

UNITS: dict[Norm, str] = {
    "filter": "filter norms",
    "layer": "layer norms",
    "weight": "weight magnitudes",
    "none": "standard deviations",  # of the Gaussian, the same for every weight
    "paper": "norms across filters",
}
"""What a Gaussian direction under each norm is measured in."""

PAPER_ZEROED = ("pos_embed", "relative_position")
"""Parts of names that P2's scripts give no direction, next to biases and BatchNorm."""


def normalised(
    direction: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    norm: Norm = "filter",
    *,
    include_1d: bool = False,
    roles: Mapping[str, Role] | None = None,
) -> Parameters:
    """A direction d on the scale of the weights w.

    - `filter`: each output filter d_i ← d_i/‖d_i‖ · ‖w_i‖ (Li et al. 2018, section 4).
    - `layer`: each tensor d ← d/‖d‖ · ‖w‖.
    - `weight`: each entry d ← d·w, so that it moves in proportion to |w|; as in loss-landscape, whose
      `net_plotter.normalize_direction` reads `direction.mul_(weights)`. The sign of w does not matter to a
      Gaussian, which is symmetric.
    - `none`: untouched, tensors with fewer than two dimensions included.
    - `paper`: Park & Kim's `ops/loss_landscapes.py`: d ← ‖w‖/(‖d‖ + 1e-7) · d with norms over dimension 0,
      *across* output filters; what has fewer than two dimensions, and position embeddings, is zero. The
      stored filters of blurs move too, see `landscape.surface.moved`.

    What a filter is and which tensors have them, `landscape.filters.roles` says. With `filter`, `layer` and
    `weight`, the others (biases, BatchNorm and other gains, position embeddings) get zeros, or with
    `include_1d` the scale of one filter (`weight`: of each entry). There loss-landscape does something else:
    without `--xignore biasbn` it replaces such a direction by the weights themselves. What is zero in the
    direction stays zero, and what is pruned is zero in all but the paper's.

    Args:
        direction: Tensors to scale.
        weights: Tensors of at least the same names, of the same shapes; with weight normalisation every
            parameter.
        norm: One of `NORMS`.
        include_1d: Whether biases and BatchNorm move too.
        roles: What the parameters do; left out, all with two dimensions and more have filters along the
            first.

    Returns:
        Tensors keyed and shaped like `direction`.

    Raises:
        LandscapeError: On an unknown norm, `include_1d` with `paper`, or weights that do not fit.
    """
    check_norm(norm, include_1d)
    require_same_shapes(direction, weights, what="the direction", of="the weights", subset=True)
    scaled = {}
    for name, value in direction.items():
        if norm == "paper":
            scaled[name] = _paper(name, value, weights[name])
        else:
            role = role_of(name, weights[name], roles or {})
            scaled[name] = _scaled(name, role.masked(value), weights, norm, role, include_1d)
    return scaled


def check_norm(norm: str, include_1d: bool) -> None:
    """Whether there is such a norm.

    Raises:
        LandscapeError: If not, or if it is the paper's with `include_1d`.
    """
    if norm not in NORMS:
        raise ArgumentError(f"the norm of the directions is {norm!r}; choose one of {', '.join(NORMS)}")
    if norm == "paper" and include_1d:
        raise LandscapeError(
            "the paper's norm gives biases and BatchNorm no direction; leave include_1d out, or choose "
            "another norm"
        )


def require_same_shapes(
    given: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, what: str, of: str, subset: bool = False
) -> None:
    """Compare names and shapes.

    Args:
        given: To be checked.
        expected: What they should be.
        what: Whose `given` are, for the message.
        of: Whose `expected` are.
        subset: Whether `given` may lack some.

    Raises:
        LandscapeError: Naming the first tensor that does not fit.
    """
    for name, value in given.items():
        if name not in expected:
            raise LandscapeError(
                f"{what} has a tensor {name!r} that {of} lack; both must come from networks of the same "
                "shape, and from the same choice of parameters"
            )
        if value.shape != expected[name].shape:
            raise LandscapeError(
                f"{name!r} has shape {tuple(value.shape)} in {what}, {tuple(expected[name].shape)} in {of}; "
                "both must come from networks of the same shape"
            )
    missing = next((name for name in expected if name not in given), None)
    if missing is not None and not subset:
        raise LandscapeError(
            f"{what} lacks the tensor {missing!r} of {of}; both must come from networks of the same shape, "
            "and from the same choice of parameters"
        )


def _scaled(
    name: str, value: Tensor, weights: Mapping[str, Tensor], norm: Norm, role: Role, include_1d: bool
) -> Tensor:
    if norm == "none":
        return value
    if role.kind != "filters" and not include_1d:
        return torch.zeros_like(value)
    if norm == "weight":
        return value * weights[name]
    length = role.lengths(value, whole=norm == "layer")
    wanted = role.scale(name, weights, whole=norm == "layer")
    return value * torch.where(length > 0, wanted / length, torch.zeros_like(length))


def _paper(name: str, value: Tensor, weight: Tensor) -> Tensor:
    if value.dim() < 2 or any(part in name for part in PAPER_ZEROED):
        return torch.zeros_like(value)
    across = torch.linalg.vector_norm(value, dim=0, keepdim=True)
    return torch.linalg.vector_norm(weight, dim=0, keepdim=True) / (across + 1e-7) * value
