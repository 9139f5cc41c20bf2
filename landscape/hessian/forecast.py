"""Time and memory of curvature work, measured on one micro-batch before it begins."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import torch

from landscape.errors import LandscapeError
from landscape.hessian.operators import Operator
from landscape.objective import KEPT_BYTES, Objective

_CANDIDATES = {"cpu": (32, 64, 128), "cuda": (128, 256, 512, 1024)}


@dataclass(frozen=True)
class Forecast:
    """What products with a curvature matrix will take.

    Attributes:
        graph_bytes: Memory of one micro-batch's graph.
        kept_bytes: Memory that the graphs kept between products will take.
        vector_bytes: Memory of one vector over the free parameters.
        build_seconds: Time to build one micro-batch's graph.
        product_seconds: Time of one product over all samples.
    """

    graph_bytes: int
    kept_bytes: int
    vector_bytes: int
    build_seconds: float
    product_seconds: float

    def seconds(self, products: int) -> float:
        """Time of that many products, the first of which builds the graphs."""
        return self.build_seconds + products * self.product_seconds

    def bytes(self, vectors: int) -> int:
        """Memory while that many vectors are held: kept graphs, one more being built and read, vectors."""
        return self.kept_bytes + 2 * self.graph_bytes + vectors * self.vector_bytes


def forecast(operator: Operator, *, keep: int = KEPT_BYTES) -> Forecast:
    """Measure one micro-batch and scale it to all.

    Args:
        operator: Whose products will be needed.
        keep: Bytes that graphs may take between products.
    """
    objective = operator.objective
    size = min(objective.micro_batch, len(objective.samples))
    micro_batches = -(-len(objective.samples) // size)
    fresh, again, graph = _timed(objective, operator.kind, size)
    kept = min(micro_batches, keep // max(graph, 1)) if operator.exact else 0
    passes = 1 if operator.exact else 2  # a central difference takes two gradients
    return Forecast(
        graph_bytes=graph,
        kept_bytes=kept * graph,
        vector_bytes=operator.size * objective.dtype.itemsize,
        build_seconds=kept * (fresh - again),
        product_seconds=passes * (kept * again + (micro_batches - kept) * fresh),
    )


def tuned(objective: Objective, *, kind: str = "hessian") -> Objective:
    """The objective with the micro-batch that a short measurement finds the fastest for products.

    Where one of the usual size holds all samples, or the network cannot be differentiated twice, nothing is
    measured and the objective stays as it is.
    """
    objective_type = objective.device.type
    sizes = [size for size in _CANDIDATES.get(objective_type, ()) if size < len(objective.samples)]
    if not sizes or len(objective.samples) <= objective.micro_batch:
        return objective
    speeds = {size: _timed(objective, kind, size)[0] / size for size in sizes}
    best = copy.copy(objective)
    best.micro_batch = min(speeds, key=lambda size: speeds[size])
    return best


def fitted(objective: Objective, operator: Operator, *, vectors: int, limit: int) -> int:
    """Bytes that kept graphs may take, so that everything stays under a limit.

    Args:
        objective: Network, samples and protocol.
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
        smaller = f"a smaller --batch-size than {objective.micro_batch}, " if graph > held else ""
        raise LandscapeError(
            f"{limit / 1e9:.2f} GB are too little: {vectors} vectors take {held / 1e9:.2f} GB and the graph "
            f"of a micro-batch {graph / 1e9:.2f} GB; allow more --max-memory, or choose {smaller}fewer "
            "eigenvalues or --params"
        )
    return free


def _timed(objective: Objective, kind: str, size: int) -> tuple[float, float, int]:
    """Seconds of a first and of a repeated product over one micro-batch, and the bytes of its graph."""
    part = objective.subset(0, size)
    part.micro_batch = size
    matrix = part.curvature(kind=kind)  # type: ignore[arg-type]
    part.curvature(kind=kind, keep=0)(part.free)  # type: ignore[arg-type]  # warm up
    times = []
    for _ in range(2):
        _wait(part.device)
        started = time.perf_counter()
        matrix(part.free)
        _wait(part.device)
        times.append(time.perf_counter() - started)
    return times[0], times[1], matrix.products.graph_bytes


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
