"""Time and memory of curvature work, measured on one micro-batch before it begins."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from landscape.allocation import memory_kept
from landscape.derivatives.graphs import Curvature, keepable
from landscape.errors import LandscapeError
from landscape.hessian.differences import GRADIENTS, precise
from landscape.hessian.operators import Operator, prepared
from landscape.objective import Objective
from landscape.threads import AT_ONCE, width

_HARDLY = 0.9
_CANDIDATES = {"cpu": (32, 64, 128), "cuda": (128, 256, 512, 1024)}


@dataclass(frozen=True)
class Forecast:
    """What products with a curvature matrix will take.

    Attributes:
        graph_bytes: Memory of one micro-batch's graph.
        kept_bytes: Memory that the graphs kept between products will take.
        vector_bytes: Memory of one vector over the free parameters.
        build_seconds: Time that the first product takes beyond the next ones, for the graphs that stay.
        product_seconds: Time of one product over all samples.
        whole_bytes: Memory of the graphs of all samples.
        whole_seconds: Time of one product if all of those stayed.
        at_once: Kept graphs that a product goes through at the same time.
    """

    graph_bytes: int
    kept_bytes: int
    vector_bytes: int
    build_seconds: float
    product_seconds: float
    whole_bytes: int = 0
    whole_seconds: float = 0.0
    at_once: int = 1

    def seconds(self, products: int) -> float:
        """Time of that many products, the first of which builds the graphs."""
        return self.build_seconds + products * self.product_seconds

    def bytes(self, vectors: int) -> int:
        """Memory while that many vectors are held: kept graphs, those being built and read, vectors."""
        return self.kept_bytes + (1 + self.at_once) * self.graph_bytes + vectors * self.vector_bytes

    def all_kept(self, vectors: int) -> int | None:
        """Memory with which the graphs of all samples would stay; None where that would hardly be faster."""
        if self.whole_seconds > _HARDLY * self.product_seconds:
            return None
        return self.bytes(vectors) - self.kept_bytes + self.whole_bytes + AT_ONCE * self.graph_bytes


@memory_kept()
def forecast(operator: Operator, *, keep: int | None = None) -> Forecast:
    """Measure one micro-batch and scale it to all.

    Args:
        operator: Whose products will be needed.
        keep: Bytes that graphs may take between products, as in `Objective.curvature`.
    """
    objective = operator.objective
    size = min(objective.micro_batch, len(objective.samples))
    micro_batches = -(-objective.evaluated // size)
    vector_bytes = operator.size * objective.dtype.itemsize
    if not operator.exact:
        part, _ = precise(objective.subset(0, size))
        seconds = _seconds(lambda: part.gradient(), part.device)
        return Forecast(0, 0, vector_bytes, 0.0, GRADIENTS * micro_batches * seconds)
    fresh, again, graph = _timed(objective, operator.kind, size)
    keep = keepable(objective.device) if keep is None else keep
    kept = min(micro_batches, keep // max(graph, 1))
    return Forecast(
        graph_bytes=graph,
        kept_bytes=kept * graph,
        vector_bytes=vector_bytes,
        build_seconds=kept * max(fresh - again, 0.0),
        product_seconds=kept * again + (micro_batches - kept) * fresh,
        whole_bytes=micro_batches * graph,
        whole_seconds=micro_batches * again,
        at_once=width(kept, objective.device),
    )


@memory_kept()
def tuned(objective: Objective, *, kind: Curvature = "hessian") -> Objective:
    """The objective with the micro-batch that a short measurement finds the fastest for products.

    With few samples, where measuring would cost more than it saves, and for a network that cannot be
    differentiated twice, the objective stays as it is.

    Args:
        objective: Whose micro-batch to choose.
        kind: The matrix whose products will be needed.
    """
    sizes = _CANDIDATES.get(objective.device.type, ())
    objective, exact = prepared(objective, kind)
    if not exact or len(objective.samples) < 4 * max(sizes, default=0):
        return objective
    speeds = {size: _timed(objective, kind, size)[0] / size for size in sizes}
    return objective.replace(micro_batch=min(speeds, key=lambda size: speeds[size]))


def fitted(operator: Operator, *, vectors: int, limit: int) -> int:
    """Bytes that kept graphs may take, so that everything stays under a limit.

    Args:
        operator: Whose products will be needed.
        vectors: Vectors held at the same time.
        limit: Bytes allowed in all.

    Raises:
        LandscapeError: If not even one graph and the vectors fit.
    """
    cost = forecast(operator, keep=0)
    free = limit - cost.bytes(vectors)
    if free < 0:
        graph, held = 2 * cost.graph_bytes, vectors * cost.vector_bytes
        smaller = f"a smaller --batch-size than {operator.objective.micro_batch}, " if graph > held else ""
        raise LandscapeError(
            f"{limit / 1e9:.3g} GB are too little: {vectors} vectors take {held / 1e9:.3g} GB and the graph "
            f"of a micro-batch {graph / 1e9:.3g} GB; allow more --max-memory, or choose {smaller}fewer "
            "eigenvalues or --params"
        )
    several = width(sys.maxsize, operator.like.device) - 1  # more are read at once, if that many are kept
    return max(free - several * cost.graph_bytes, min(free, cost.graph_bytes))


def _timed(objective: Objective, kind: Curvature, size: int) -> tuple[float, float, int]:
    """Seconds of a first and of a repeated product over one micro-batch, and the bytes of its graph."""
    part = objective.subset(0, size).replace(micro_batch=size)
    part.curvature(kind=kind, keep=0)(part.free)  # warms up
    matrix = part.curvature(kind=kind, keep=sys.maxsize)
    first, again = (_seconds(lambda: matrix(part.free), part.device) for _ in range(2))
    return first, again, matrix.products.graph_bytes


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    started = now()
    work()
    return now() - started
