"""How alike the features of two layers are: centred kernel alignment, mini-batch by mini-batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.features.capture import OddLayer, capture, check_count
from landscape.features.predictions import settled
from landscape.features.survey import survey
from landscape.forward import Forward
from landscape.objective import Objective
from landscape.work import Progress, silent

FEWEST = 4
"""Samples without which the unbiased estimate does not exist."""


def similarity(
    first: Objective,
    second: Objective | None = None,
    *,
    layers: str | Sequence[str] | None = None,
    second_layers: str | Sequence[str] | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
) -> xr.Dataset:
    """Linear CKA between the layers of one network or of two (Nguyen, Raghu & Kornblith 2021, eq. 2 and 3).

    CKA(X, Y) = Σ HSIC₁(K, L) / √(Σ HSIC₁(K, K) · Σ HSIC₁(L, L)) with K = X Xᵀ and L = Y Yᵀ, the sums over
    mini-batches. HSIC₁ is the unbiased estimate of Song et al. 2012, so that the sums' expectations do not
    depend on the size of the mini-batch. CKA is 1 for features that agree up to a rotation, a shift and a
    scale; the estimate may be negative for unrelated ones.

    Only one mini-batch of features is held at a time; Gram matrices are float64. Dropout that is `fresh` uses
    draw 0; with BatchNorm in `batch` mode statistics are those of each mini-batch.

    Args:
        first: Network and samples.
        second: Another network over the same samples; None compares the first one's layers with each other.
        layers: Names or patterns of submodules; by default those that `find_layers` finds.
        second_layers: Those of the second network; by default `layers`.
        batch_size: Most samples a mini-batch; the samples are shared out evenly.
        progress: Shows how far it is.

    Returns:
        Dimensions `layer_a` and `layer_b` (coordinates: names of submodules, in the order of execution):
        `cka` and `cka_standard_error`, the jackknife over mini-batches, NaN with a single one. Features that
        do not vary have CKA NaN. Attributes `network_a`, `network_b`, `batch_size`, `batches` and `warnings`,
        sentences on layers that are left out.

    Raises:
        LandscapeError: If the samples differ or are fewer than four a mini-batch, or a layer outputs no map
            or runs more than once a pass.
    """
    if second is not None:
        _require_same_samples(first, second)
    edges = shared_out(len(first.samples), batch_size)
    sides = [_Side(first, layers)]
    if second is not None:
        sides.append(_Side(second, layers if second_layers is None else second_layers))
    terms = _all_terms(sides, edges, progress)
    cka, error = _jackknifed([np.stack(part) for part in zip(*terms, strict=True)])
    other = second or first
    return xr.Dataset(
        {
            "cka": (("layer_a", "layer_b"), cka, {"long_name": "CKA", "units": "1"}),
            "cka_standard_error": (
                ("layer_a", "layer_b"),
                error,
                {"long_name": "standard error, jackknife over mini-batches", "units": "1"},
            ),
        },
        coords={
            "layer_a": np.array(sides[0].names, dtype=object),
            "layer_b": np.array(sides[-1].names, dtype=object),
        },
        attrs={
            "network_a": first.network.name,
            "network_b": other.network.name,
            "batch_size": batch_size,
            "batches": len(terms),
            "warnings": [text for side in sides for text in side.chosen.warnings()],
            "left_out": sum(len(side.chosen.left_out) for side in sides),
        },
    )


def alike(first: Tensor, second: Tensor, *, batch_size: int = 64) -> tuple[float, float]:
    """Linear CKA of two sets of features of the same samples, such as outputs, as in `similarity`.

    Args:
        first: Shape (sample, …).
        second: Shape (sample, …).
        batch_size: Most samples a mini-batch.

    Returns:
        CKA, and its standard error, the jackknife over mini-batches; NaN with a single one.
    """
    edges = shared_out(len(first), batch_size)
    terms = [
        _hsic([centred_gram(each[start:stop].flatten(1)).reshape(1, -1) for each in (first, second)])
        for start, stop in pairwise(edges)
    ]
    cka, error = _jackknifed([np.stack(part) for part in zip(*terms, strict=True)])
    return float(cka[0, 0]), float(error[0, 0])


def _all_terms(
    sides: list[_Side], edges: list[int], progress: Progress
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Terms of every mini-batch, anew for every layer that turns out not to give one map of each sample."""

    def work(side: int = 0) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        if side < len(sides):
            return sides[side].chosen.measured(lambda: work(side + 1))
        return [
            _hsic([each.grams(start, stop) for each in sides])
            for start, stop in progress(list(pairwise(edges)), "similarity", len(edges) - 1)
        ]

    return work()


def centred_gram(features: Tensor) -> Tensor:
    """X Xᵀ, U-centred: the inner product of two of these is n(n − 3)·HSIC₁ (Song et al. 2012, eq. 5).

    Zero on the diagonal, and every row sums to zero; that form has none of the cancellation of the one
    with three terms.

    Args:
        features: Shape (sample, feature), at least four samples.

    Returns:
        float64, shape (sample, sample).
    """
    x = features.double()
    x = x - x.mean(0)  # changes nothing but rounding: what a shift adds is centred away
    gram = (x @ x.T).fill_diagonal_(0)
    count = len(gram)
    rows = gram.sum(1) / (count - 2)
    whole = gram.sum() / ((count - 1) * (count - 2))
    return (gram - rows[:, None] - rows + whole).fill_diagonal_(0)


class _Side:
    """One network, its layers, and their Gram matrices of a mini-batch."""

    def __init__(self, objective: Objective, layers: str | Sequence[str] | None) -> None:
        self._objective = objective
        self._forward: Forward | None = None
        self.chosen = survey(objective, layers)
        self.names: list[str] = []

    def grams(self, start: int, stop: int) -> Tensor:
        """Shape (layer, sample²), on the CPU, of the samples start … stop − 1."""
        objective, chosen = self._objective, self.chosen
        if self._forward is None:
            self._forward = settled(objective)
        collected = _Collected(stop - start)
        with (
            capture(objective.network.module, chosen.layers, collected.receive, layouts=chosen.layouts),
            torch.no_grad(),
        ):
            for offset, inputs, _ in objective.subset(start, stop).batches():
                self._forward(objective.parameters, start + offset, inputs, 0)
        for name in chosen.layers:
            check_count(name, collected.count(name), stop - start)
        self.names = [name for name in collected.grams if name in chosen.layers]
        return torch.stack([collected.grams[name].flatten() for name in self.names])


class _Collected:
    """Gram matrices of one mini-batch, each as soon as its layer's features are complete."""

    def __init__(self, samples: int) -> None:
        self.grams: dict[str, Tensor] = {}
        self._samples = samples
        self._parts: dict[str, list[Tensor]] = {}

    def receive(self, name: str, maps: Tensor) -> None:
        if name in self.grams:
            raise OddLayer(name, "runs more than once in a forward pass")
        parts = self._parts.setdefault(name, [])
        parts.append(maps.detach().flatten(1).to(torch.float64, copy=True))
        if sum(map(len, parts)) >= self._samples:
            self.grams[name] = centred_gram(torch.cat(self._parts.pop(name))).cpu()

    def count(self, name: str) -> int:
        """Samples that a layer has given."""
        return self._samples if name in self.grams else sum(map(len, self._parts.get(name, [])))


def shared_out(samples: int, batch_size: int) -> list[int]:
    """Where the mini-batches begin and end; their sizes differ by one at most."""
    count = -(-samples // batch_size) if batch_size >= 1 else 0
    if not count or samples // count < FEWEST:
        raise LandscapeError(
            f"the unbiased CKA needs at least {FEWEST} samples a mini-batch; got {samples} samples in "
            f"mini-batches of {batch_size}"
        )
    return [samples * i // count for i in range(count + 1)]


def _hsic(grams: list[Tensor]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HSIC₁ of each pair of layers, and of each layer with itself, of both sides."""
    a, b = grams[0], grams[-1]
    samples = math.isqrt(a.shape[1])
    scale = samples * (samples - 3)
    return tuple((value / scale).numpy() for value in (a @ b.T, a.square().sum(1), b.square().sum(1)))  # type: ignore[return-value]


def _jackknifed(terms: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """CKA over all mini-batches, and its standard error from leaving out each in turn."""
    cka = _ratio(*(part.sum(0) for part in terms))
    count = len(terms[0])
    if count < 2:
        return cka, np.full_like(cka, math.nan)
    without = np.stack([_ratio(*(part.sum(0) - part[i] for part in terms)) for i in range(count)])
    return cka, np.sqrt((count - 1) / count * np.square(without - without.mean(0)).sum(0))


def _ratio(cross: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return cross / np.sqrt(np.outer(a, b))


def _require_same_samples(first: Objective, second: Objective) -> None:
    if first.samples is second.samples:
        return
    a, b = first.samples.describe(), second.samples.describe()
    for key, what in (
        ("samples", "number of samples"),
        ("content_sha256", "images or targets"),
        ("augmentation", "augmentation"),
    ):
        if a[key] != b[key]:
            raise LandscapeError(
                f"{first.network.name} and {second.network.name} are compared sample by sample, but their "
                f"{what} differ ({a[key]} and {b[key]}); build both objectives on the same samples"
            )
