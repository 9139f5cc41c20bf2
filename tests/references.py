"""Slow references, right at a glance: plain loops, dense matrices, float64."""

import functools
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from landscape.dropout import dropout_masks
from tests.cases import Case


@dataclass(frozen=True)
class Dense:
    """Total loss of a case, its gradient, shape (n,), and Hessian, shape (n, n), over the free parameters."""

    value: float
    gradient: Tensor
    hessian: Tensor


@functools.cache
def dense_reference(case: Case) -> Dense:
    """Differentiate a plain loop over the samples, then each entry of the gradient in turn."""
    module, (inputs, targets) = case.module(), case.data()
    weight_decay = case.options.get("weight_decay", 0.0)
    parameters = {name: p.detach().requires_grad_() for name, p in module.named_parameters()}
    nll = 0.0
    for i, (image, target) in enumerate(zip(inputs, targets, strict=True)):
        with _masks(case, module, sample=i):
            logits = torch.func.functional_call(module, parameters, (image[None],))[0]
        nll = nll - F.log_softmax(logits, 0)[target]
    squares = sum(value.square().sum() for value in parameters.values())
    total = nll / len(targets) + 0.5 * weight_decay * squares
    free = [parameters[name] for name in case.objective().free]

    def derivative(scalar: Tensor) -> Tensor:
        parts = torch.autograd.grad(scalar, free, create_graph=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in parts])

    gradient = derivative(total)
    rows = [derivative(entry) if entry.requires_grad else torch.zeros(len(gradient)) for entry in gradient]
    return Dense(float(total.detach()), gradient.detach(), torch.stack(rows).detach())


def softmax_curvature(logits: Tensor) -> Tensor:
    """Second derivative of cross-entropy with respect to one sample's logits, diag(p) − p pᵀ."""
    p = torch.softmax(logits, 0)
    return torch.diag(p) - torch.outer(p, p)


@functools.cache
def dense_gauss_newton(case: Case, outer: Callable[[Tensor], Tensor] = softmax_curvature) -> Tensor:
    """Mean of Jᵀ (∇²ℓ) J over the samples, plus weight decay, shape (n, n), over the free parameters.

    J has a row for each logit, differentiated one by one; `outer` gives ∇²ℓ at one sample's logits.
    """
    module, (inputs, targets) = case.module(), case.data()
    parameters = {name: p.detach().requires_grad_() for name, p in module.named_parameters()}
    free = [parameters[name] for name in case.objective().free]
    total = case.options.get("weight_decay", 0.0) * torch.eye(sum(p.numel() for p in free)).double()
    for i, image in enumerate(inputs):
        with _masks(case, module, sample=i):
            logits = torch.func.functional_call(module, parameters, (image[None],))[0]
        rows = []
        for logit in logits:
            parts = torch.autograd.grad(logit, free, retain_graph=True, materialize_grads=True)
            rows.append(torch.cat([part.flatten() for part in parts]))
        jacobian = torch.stack(rows)
        total += jacobian.T @ outer(logits.detach()) @ jacobian / len(targets)
    return total


def _masks(case: Case, module: nn.Module, sample: int):
    if case.options.get("dropout", "off") == "off":
        return nullcontext()
    return dropout_masks(module, seed=case.options.get("seed", 0), start=sample)


def flat(parameters: Mapping[str, Tensor]) -> Tensor:
    """One vector of all tensors in order, in float64."""
    return torch.cat([value.detach().double().contiguous().flatten() for value in parameters.values()])


class LiveMemory(TorchDispatchMode):
    """While open, follows the memory that operations allocate; afterwards says what of it is still alive."""

    def __init__(self) -> None:
        super().__init__()
        self._new: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {storage._cdata for storage in _storages((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            if storage._cdata not in given:  # otherwise a view
                self._new[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        return result

    def bytes(self) -> int:
        return sum(size for reference, size in self._new.values() if not reference.expired())


def _storages(tree) -> list:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def symmetric(eigenvalues, seed: int = 0) -> Tensor:
    """A dense symmetric matrix with these eigenvalues and random eigenvectors."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.as_tensor(np.asarray(eigenvalues, dtype=np.float64))
    gaussian = torch.randn(len(values), len(values), generator=generator, dtype=torch.float64)
    rotation = torch.linalg.qr(gaussian).Q
    matrix = rotation @ torch.diag(values) @ rotation.T
    return (matrix + matrix.T) / 2


def wanted(values: np.ndarray, k: int, which: str) -> np.ndarray:
    """The k most wanted of all eigenvalues, the most wanted first."""
    key = {"largest": lambda v: -v, "smallest": lambda v: v, "magnitude": lambda v: -abs(v)}[which]
    return np.array(sorted(map(float, values), key=key)[:k])


def filter_normalised(direction: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Li et al. 2018, section 4, filter by filter."""
    scaled = {}
    for name in direction:
        scaled[name] = torch.zeros_like(direction[name])
        if direction[name].dim() < 2:
            continue
        for i in range(len(direction[name])):
            length = float(sum(v**2 for v in direction[name][i].flatten().tolist())) ** 0.5
            target = float(sum(v**2 for v in weights[name][i].flatten().tolist())) ** 0.5
            if length > 0:
                scaled[name][i] = direction[name][i] / length * target
    return scaled
