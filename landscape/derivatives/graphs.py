"""Second-derivative products of one micro-batch's share of the loss, and their sum over all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from landscape.memory import spare
from landscape.parameters import Parameters, check_fit
from landscape.precision import differentiable, full_precision, usable
from landscape.threads import mapped, width

Curvature = Literal["hessian", "ggn"]
"""The Hessian, or the generalised Gauss–Newton matrix Jᵀ (∇²ℓ) J with J the Jacobian of the logits."""


_LEAST = 7 * 2**28  # 1.75 GiB, some 1,150 CIFAR images of a ResNet-20


def keepable(device: torch.device) -> int:
    """Bytes that graphs may take between products if nobody says: 1.75 GiB, or more on a large GPU."""
    return spare(device, _LEAST)


@dataclass(frozen=True)
class Share:
    """A micro-batch's share of the mean loss, differentiable.

    Attributes:
        loss: Its share, a scalar.
        logits: The network's outputs, shape (batch, class).
        outer: Logits → the share of the loss.
        leaves: The free parameters that all of it depends on.
    """

    loss: Tensor
    logits: Tensor
    outer: Callable[[Tensor], Tensor]
    leaves: Parameters

    def gradient(self, *, differentiable: bool = False) -> tuple[Tensor, ...]:
        """Gradient of the share with respect to the leaves, in their order."""
        return torch.autograd.grad(
            self.loss, list(self.leaves.values()), create_graph=differentiable, materialize_grads=True
        )


class Graph(Protocol):
    """What has been computed of a matrix once its parameters and samples are fixed."""

    def product(self, vectors: Sequence[Tensor], *, retain: bool) -> tuple[Tensor, ...]:
        """The matrix times a vector given as one tensor a leaf; `retain` keeps the graph for another."""


class HessianGraph:
    """The differentiable gradient (Pearlmutter 1994: H v is the gradient of ⟨∇L, v⟩)."""

    def __init__(self, share: Share) -> None:
        self._leaves = list(share.leaves.values())
        self._gradient = share.gradient(differentiable=True)

    def product(self, vectors: Sequence[Tensor], *, retain: bool) -> tuple[Tensor, ...]:
        """H v, see `Graph.product`."""
        return _pulled_back(self._gradient, self._leaves, vectors, retain)


class GaussNewtonGraph:
    """The Jacobian's graph, and that of its transpose, whose derivative is J v (Schraudolph 2002)."""

    def __init__(self, share: Share) -> None:
        self._leaves = list(share.leaves.values())
        self._logits = share.logits
        self._cotangent = torch.zeros_like(share.logits, requires_grad=True)
        self._transposed = torch.autograd.grad(
            share.logits, self._leaves, self._cotangent, create_graph=True, materialize_grads=True
        )
        outputs = share.logits.detach().requires_grad_()
        (self._slope,) = torch.autograd.grad(share.outer(outputs), outputs, create_graph=True)
        self._outputs = outputs

    def product(self, vectors: Sequence[Tensor], *, retain: bool) -> tuple[Tensor, ...]:
        """Jᵀ (∇²ℓ) J v, see `Graph.product`."""
        (forward,) = _pulled_back(self._transposed, [self._cotangent], vectors, retain=True)
        (curved,) = _pulled_back([self._slope], [self._outputs], [forward], retain)
        return torch.autograd.grad(
            self._logits, self._leaves, curved, retain_graph=retain, materialize_grads=True
        )


GRAPHS: dict[str, Callable[[Share], Graph]] = {"hessian": HessianGraph, "ggn": GaussNewtonGraph}


class Products:
    """A matrix of the whole objective: the sum over micro-batches, each graph kept if memory allows.

    The first product builds the graphs one after the other. Those that fit in the budget stay for the next
    products, several of which a CPU multiplies at once (`landscape.threads`); the rest is built again for
    each, so that memory does not grow with the number of samples.

    Attributes:
        graph_bytes: Memory of the largest micro-batch's graph; 0 before the first product.
        kept: Graphs kept.
    """

    def __init__(self, batches: Iterable[Any], build: Callable[[Any], Graph], budget: int) -> None:
        """Say what to sum over.

        Args:
            batches: Micro-batches, iterated once a product.
            build: Micro-batch → graph.
            budget: Bytes that kept graphs may take.
        """
        self._batches, self._build, self._budget = batches, build, budget
        self._graphs: list[Graph] = []
        self.graph_bytes = 0

    @property
    def kept(self) -> int:
        """Number of graphs kept."""
        return len(self._graphs)

    def __call__(self, vectors: Sequence[Tensor]) -> list[Tensor]:
        """The matrix times a vector given as one tensor a leaf."""
        total: Sequence[Tensor] = ()
        for part in self.parts(vectors):
            total = [a + b for a, b in zip(total, part, strict=True)] if total else list(part)
        return list(total)

    def parts(self, vectors: Sequence[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """What each micro-batch adds to the product, in their order."""
        rest = self._unkept()
        first = list(islice(rest, 0 if self.kept else 1))  # what stays is built before
        at_once = width(self.kept, vectors[0].device)
        yield from mapped(lambda graph: graph.product(vectors, retain=True), self._graphs, at_once)
        while first:
            yield first.pop().product(vectors, retain=False)
        for graph in rest:
            yield graph.product(vectors, retain=False)
            del graph  # before the next one is built

    def _unkept(self) -> Iterator[Graph]:
        """Graphs that do not stay, each built when it is asked for; those that do are kept on the way."""
        for position, batch in enumerate(self._batches):
            if position < self.kept:
                continue
            graph = self._built(batch)
            if position == self.kept and (self.kept + 1) * self.graph_bytes <= self._budget:
                self._graphs.append(graph)
            else:
                yield graph
            del graph

    def _built(self, batch: Any) -> Graph:
        """The graph of a micro-batch; the first one is measured."""
        if self.graph_bytes:
            return self._build(batch)
        try:
            with _counting() as counted:
                graph = self._build(batch)
            self.graph_bytes = sum(counted.values()) or 1
        except RuntimeError as error:
            if "saved tensor hooks" not in str(error):
                raise
            # torch.func inside the network cannot be measured: no graph is kept.
            self.graph_bytes, graph = sys.maxsize, self._build(batch)
        return graph


class CurvatureMatrix:
    """A second-derivative matrix over the free parameters: vectors to products, both keyed like them.

    Attributes:
        free: The free parameters.
        products: The data part, with what it keeps.
    """

    def __init__(self, products: Products, free: Parameters, weight_decay: float) -> None:
        """The sum of `products` and of the L2 term, `weight_decay` times the identity."""
        self.products, self.free = products, free
        self._weight_decay = weight_decay

    def __call__(self, vector: Mapping[str, Tensor]) -> Parameters:
        """The matrix times a vector.

        Raises:
            LandscapeError: If the vector does not fit the free parameters.
        """
        check_fit(vector, self.free)
        with differentiable():
            along = [usable(vector[name].detach()) for name in self.free]
        with full_precision(along[0].device), differentiable():
            product = self.products(along)
        return {
            name: part.add(value, alpha=self._weight_decay)
            for name, part, value in zip(self.free, product, along, strict=True)
        }


class _counting(torch.autograd.graph.saved_tensors_hooks):
    """Counts the memory of what graphs save: bytes by storage, so that shared ones count once."""

    def __init__(self) -> None:
        self._storages: dict[int, int] = {}
        super().__init__(self._note, lambda tensor: tensor)

    def _note(self, tensor: Tensor) -> Tensor:
        if tensor.layout is not torch.strided:
            return tensor.detach()  # gradients of sparse embeddings have no storage to count
        storage = tensor.untyped_storage()
        self._storages[storage._cdata] = storage.nbytes()  # its address, of whatever device
        return tensor.detach()  # with its history, a node's own output would keep the node alive

    def __enter__(self) -> dict[int, int]:  # type: ignore[override]
        super().__enter__()
        return self._storages


def _pulled_back(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[Tensor], retain: bool
) -> tuple[Tensor, ...]:
    """Vector–Jacobian product of those outputs that depend on anything; zeros where none does."""
    live = [i for i, output in enumerate(outputs) if output.requires_grad]
    if not live:
        # A gradient that does not depend on the parameters (a linear layer alone) has no graph.
        return tuple(torch.zeros_like(each) for each in inputs)
    found = torch.autograd.grad(
        [outputs[i] for i in live],
        inputs,
        [cotangents[i] for i in live],
        retain_graph=retain,
        materialize_grads=True,
    )
    return tuple(each if each.layout is torch.strided else each.to_dense() for each in found)
