"""How far the rounding of products moves an eigenvalue, measured in float64 on some of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from landscape.hessian.operators import Operator
from landscape.linalg import Eigenpairs
from landscape.linalg.eigenpairs import bounds
from landscape.objective import Objective
from landscape.variants import in_precision, trusted

_ALL, _FEW, _SHARE = 8, 2, 64


def rounding_measured(operator: Operator, pairs: Eigenpairs, *, vectors: int | None = None) -> Eigenpairs:
    """The pairs with error bounds that include what float32 does to the products.

    The asymmetry of products says nothing of errors that are themselves symmetric, such as those of rounded
    weights and activations, and these are the larger part. So products with the eigenvectors are compared
    with their like in float64: over all of up to eight samples, over one sample in 64, two at least, of
    more. Of a part of the samples, the relative error counts, as a share of the eigenvalue.

    Args:
        operator: Whose eigenpairs they are.
        pairs: Found with it.
        vectors: How many of the first eigenvectors to measure; the others take the largest relative error of
            those. None takes all.
    """
    objective = operator.objective
    if vectors == 0 or objective.dtype is torch.float64 or objective.device.type == "mps":
        return pairs
    if not operator.exact:
        return pairs
    try:
        return _measured(operator, pairs, vectors)
    except (RuntimeError, TypeError):
        return pairs  # the network holds numbers in float32 of its own


def _measured(operator: Operator, pairs: Eigenpairs, vectors: int | None) -> Eigenpairs:
    objective = operator.objective
    samples = len(objective.samples)
    count = samples if samples <= _ALL else min(max(samples // _SHARE, _FEW), _ALL)
    part = objective.subset(0, count)
    coarse, fine = operator.elsewhere(part), operator.elsewhere(finer(part))
    chosen = pairs.vectors[:vectors]
    shares, moved, residuals = [], [], []
    for value, vector in zip(pairs.eigenvalues, chosen, strict=False):
        unit = vector.double() / torch.linalg.vector_norm(vector.double())
        image = fine(unit)
        error = float(torch.linalg.vector_norm(coarse(vector).double() - image))
        shares.append(error / max(float(torch.linalg.vector_norm(image)), np.finfo(float).tiny))
        moved.append(abs(float(unit @ image) - float(value)))
        residuals.append(float(torch.linalg.vector_norm(image - float(value) * unit)))
    rest = len(pairs.eigenvalues) - len(shares)
    relative = np.array(shares + [max(shares)] * rest)
    rounding = np.maximum(relative * np.abs(pairs.eigenvalues), pairs.symmetry_defect)
    totals = pairs.residuals + rounding
    rounding = rounding + torch.finfo(objective.dtype).eps * np.abs(pairs.eigenvalues)
    if count == samples and not rest:
        rounding, totals = np.array(moved), np.array(residuals)
    return replace(pairs, error_bounds=bounds(totals, rounding, pairs.gaps))


def finer(objective: Objective) -> Objective:
    """The same objective in float64, from weights and buffers as they were before they were rounded."""
    other = in_precision(trusted(objective), torch.float64)
    module = objective.network.module
    other.parameters = _widened(objective.parameters, dict(module.named_parameters()))
    other.free = {name: other.parameters[name] for name in objective.free}
    other.forward.buffers = _widened(objective.forward.buffers, dict(module.named_buffers()))
    return other


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
