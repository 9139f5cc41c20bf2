"""The PyHessian package (Yao et al. 2020) on the same matrix, for cross-checking."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from landscape import trees
from landscape.errors import LandscapeError
from landscape.hessian.operators import Operator
from landscape.linalg import Eigenpairs, certify
from landscape.parameters import flatten


def pyhessian_eigenpairs(
    operator: Operator, k: int, *, tolerance: float = 1e-3, max_products: int = 0, seed: int = 0
) -> Eigenpairs:
    """Eigenpairs of largest magnitude from PyHessian's deflated power iteration, judged by our residuals.

    PyHessian stops when an eigenvalue changes by less than the tolerance from one step to the next, which
    says nothing about its error where eigenvalues cluster; the residuals, from one product each, do.

    Args:
        operator: A Hessian in raw coordinates, with exact products.
        k: Number of pairs.
        tolerance: PyHessian's relative change, and our relative residual.
        max_products: Products allowed for all pairs together; 0 allows PyHessian's usual 100 a pair.
        seed: Random seed of its start vectors.

    Raises:
        LandscapeError: For another operator, which PyHessian does not know.
    """
    if operator.record() != {"operator": "hessian", "coordinates": "raw", "products": "exact"}:
        raise LandscapeError(
            "PyHessian knows the exact Hessian in raw coordinates only; leave --operator and --coordinates "
            "at their defaults, or use --method lanczos"
        )
    from pyhessian import hessian

    model = _AsModule(operator)
    steps = max(1, (max_products or 100 * k) // k)
    cuda = operator.objective.device.type == "cuda"
    with torch.random.fork_rng(enabled=True), warnings.catch_warnings():
        # It draws start vectors from the global state, and keeps graphs in .grad, of which torch warns.
        torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
        warnings.simplefilter("ignore", UserWarning)
        solver = hessian(model, _first, dataloader=_Positions(operator), cuda=cuda)
        values, vectors = solver.eigenvalues(maxIter=steps, tol=tolerance, top_n=k)
    names = operator.objective.free
    rows = torch.stack([flatten(dict(zip(names, vector, strict=True))) for vector in vectors])
    scale = float(np.abs(values).max())
    return certify(operator, np.array(values), rows, scale, tolerance, used=model.passes)


class _AsModule(nn.Module):
    """The objective as PyHessian wants it: a module whose "outputs" are a micro-batch's mean loss."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self._objective = operator.objective
        self.weights = nn.ParameterList([value.clone() for value in operator.objective.free.values()])
        self._forwards = 0

    @property
    def passes(self) -> int:
        """Passes over all micro-batches so far."""
        return self._forwards // sum(1 for _ in self._objective.batches())

    def forward(self, positions: Tensor) -> Tensor:
        """Mean loss, with its L2 term, of the micro-batch that begins at the first position."""
        self._forwards += 1
        objective, start = self._objective, int(positions[0])
        batch = next(batch for batch in objective.batches() if batch[0] == start)
        leaves = dict(zip(objective.free, self.weights, strict=True))
        share = objective.share(batch, leaves=leaves)
        decay = sum(value.square().sum() for value in self.weights)
        return share.loss * (len(objective.samples) / len(positions)) + 0.5 * objective.weight_decay * decay


class _Positions:
    """A data loader of sample positions, a micro-batch at a time."""

    def __init__(self, operator: Operator) -> None:
        self._objective = operator.objective

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start, _, targets in self._objective.batches():
            positions = torch.arange(start, start + trees.count(targets))
            yield positions, positions


def _first(loss: Tensor, targets: Tensor) -> Tensor:
    return loss
