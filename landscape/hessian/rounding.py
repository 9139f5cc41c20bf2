"""What the rounding of products does to eigenvalues, measured against products in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from landscape.hessian.operators import Operator
from landscape.linalg import Eigenpairs
from landscape.linalg.eigenpairs import bounds
from landscape.objective import Objective

_ALL = 8
_MOST = 32
"""Samples over which products are compared; with fewer, kinks that float64 crosses are missed."""


def rounding_measured(operator: Operator, pairs: Eigenpairs) -> Eigenpairs:
    """The pairs with error bounds that include what float32 does to the products.

    The asymmetry of products says nothing of errors that are themselves symmetric, such as those of rounded
    weights and activations, and these are the larger part. So products are compared with their like in
    float64. Over up to eight samples, the product with each eigenvector is. Over more, one is, over the 32 of
    largest loss, from which most of the curvature comes. Its vector is the sum of all k with random signs:
    its error times √k is, in the mean square, all their errors together.

    Args:
        operator: Whose eigenpairs they are.
        pairs: Found with it.
    """
    objective = operator.objective
    if not operator.exact or objective.dtype is torch.float64 or objective.device.type == "mps":
        return pairs
    try:
        whole = len(objective.samples) <= _ALL
        totals, rounding = (_each_measured if whole else _together_measured)(operator, pairs)
    except (RuntimeError, TypeError):
        return pairs  # the network holds numbers in float32 of its own
    return replace(pairs, error_bounds=bounds(totals, rounding, pairs.gaps))


def _each_measured(operator: Operator, pairs: Eigenpairs) -> tuple[np.ndarray, np.ndarray]:
    """Residuals in float64, and how far each quotient is off."""
    fine, moved, residuals = operator.elsewhere(finer(operator.objective)), [], []
    for value, vector in zip(pairs.eigenvalues, pairs.vectors, strict=True):
        unit = vector.double() / torch.linalg.vector_norm(vector.double())
        image = fine(unit)
        moved.append(abs(float(unit @ image) - float(value)))
        residuals.append(float(torch.linalg.vector_norm(image - float(value) * unit)))
    return np.array(residuals), np.array(moved)


def _together_measured(operator: Operator, pairs: Eigenpairs) -> tuple[np.ndarray, np.ndarray]:
    """Residuals with the rounding added, and that rounding with what the vectors' lengths add."""
    rounding = max(rounding_of(operator, pairs.vectors), pairs.symmetry_defect)
    unit = torch.finfo(operator.objective.dtype).eps * np.abs(pairs.eigenvalues)
    return pairs.residuals + rounding, rounding + unit


def rounding_of(operator: Operator, vectors: Tensor) -> float:
    """How far products with orthonormal vectors, shape (k, n), are off, as far as a few samples tell."""
    part, k = hardest(operator, min(len(operator.objective.samples), _MOST)), len(vectors)
    signs = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], k)).to(vectors)
    return apart(operator, part, signs @ vectors / math.sqrt(k)) * math.sqrt(k)


def apart(operator: Operator, part: Objective, vector: Tensor) -> float:
    """‖A v − fl(A v)‖ of the same matrix over some samples."""
    coarse, fine = operator.elsewhere(part), operator.elsewhere(finer(part))
    return float(torch.linalg.vector_norm(coarse(vector).double() - fine(vector.double())))


def hardest(operator: Operator, count: int) -> Objective:
    """The operator's objective over the samples of largest loss, which every rank computes for itself."""
    chosen = torch.topk(operator.sample_losses(), count).indices.sort().values
    return operator.objective.alone().selected(chosen.cpu().numpy())


def finer(objective: Objective) -> Objective:
    """The same objective in float64, from weights and buffers as they were before they were rounded."""
    module, forward = objective.network.module, objective.forward
    return objective.replace(
        soundness=None,
        dtype="float64",
        parameters=_widened(objective.parameters, dict(module.named_parameters())),
        forward=forward.replace(buffers=_widened(forward.buffers, dict(module.named_buffers()))),
    )


def _widened(rounded: Mapping[str, Tensor], original: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Values in float64: the original ones, where they are still those that were rounded."""
    wide = {}
    for name, value in rounded.items():
        source, before = value, original.get(name)
        if before is not None and before.shape == value.shape:
            before = before.detach().to(value.device)
            source = before if torch.equal(before.to(value.dtype), value) else value
        wide[name] = source.double() if value.is_floating_point() else value
    return wide
