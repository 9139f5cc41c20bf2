"""How far confidence and accuracy are apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from landscape.debiasing import debiased
from landscape.errors import ArgumentError


@dataclass(frozen=True)
class Reliability:
    """Predictions sorted into confidence bins of equal width; several sets at once along leading dimensions.

    Bins are closed below; the last one is closed on both sides. Reliabilities of disjoint samples add up.

    Attributes:
        count: Predictions in each bin, shape (…, bin).
        confidence: Sum of their confidences, shape (…, bin).
        hits: How many of them are right, shape (…, bin).
        squares: Σ (hit − confidence)² over all predictions, shape (…).
        unknown: Predictions whose confidence is NaN and which are in no bin, shape (…).
    """

    count: Tensor
    confidence: Tensor
    hits: Tensor
    squares: Tensor
    unknown: Tensor

    def __add__(self, other: Reliability) -> Reliability:
        names = ("count", "confidence", "hits", "squares", "unknown")
        return Reliability(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def gaps(self) -> Tensor:
        """Σ (hit − confidence) in each bin, shape (…, bin)."""
        return self.hits - self.confidence

    def error(self) -> Tensor:
        """Expected calibration error, shape (…); NaN where a confidence is."""
        return self.gaps.abs().sum(-1) / self._total()

    def debiased_error(self) -> tuple[np.ndarray, ...]:
        """Expected calibration error without its bias, with its 95 % interval; NaN where a confidence is."""
        count, confidence, hits = (
            values.double().where((self.unknown == 0)[..., None], math.nan).cpu().numpy()
            for values in (self.count, self.confidence, self.hits)
        )
        filled = np.maximum(count, 1)
        return debiased(count, confidence / filled, hits / filled)

    def signed_error(self) -> Tensor:
        """Σ over bins of share · (mean confidence − accuracy), shape (…): positive means overconfident.

        The sign is that of Park & Kim's tables. The bins cancel: it is mean confidence minus accuracy.
        """
        return -self.gaps.sum(-1) / self._total()

    def error_standard_error(self) -> Tensor:
        """Standard error over samples of `error`, shape (…); NaN for a single sample.

        By the delta method: with the sign of each bin's gap held, the error is a mean over samples of
        sign · (hit − confidence). Bins whose gap is within its noise make it a little too large.
        """
        return self._standard_error(self.error())

    def signed_error_standard_error(self) -> Tensor:
        """Standard error over samples of `signed_error`, shape (…); NaN for a single sample."""
        return self._standard_error(self.signed_error())

    def _standard_error(self, mean: Tensor) -> Tensor:
        total = self._total()
        # The squares of the signed gaps are those of the gaps.
        spread = (self.squares / total - mean.square()).clamp(min=0)
        return (spread / (total - 1)).sqrt().where(total > 1, math.nan)

    def _total(self) -> Tensor:
        total = self.count.sum(-1)
        return total.where((self.unknown == 0) & (total > 0), math.nan)


def reliability(confidence: Tensor, hit: Tensor, *, bins: int = 10) -> Reliability:
    """Sort predictions into confidence bins.

    Args:
        confidence: Probability of the predicted class, float64, shape (…, sample).
        hit: Whether the prediction is right, shape (…, sample).
        bins: How many; the paper's is 10.

    Raises:
        LandscapeError: If `bins` is less than 1.
    """
    if bins < 1:
        raise ArgumentError(f"the calibration error needs at least 1 bin, got {bins}")
    known = ~confidence.isnan()
    hits = hit.to(confidence.dtype)

    def summed(values: Tensor) -> Tensor:
        table = values.new_zeros(*values.shape[:-1], bins)
        return table.scatter_add_(-1, places(confidence, bins=bins), values.where(known, 0))

    return Reliability(
        count=summed(torch.ones_like(confidence)),
        confidence=summed(confidence),
        hits=summed(hits),
        squares=(hits - confidence).square().where(known, 0).sum(-1),
        unknown=(~known).sum(-1),
    )


def places(confidence: Tensor, *, bins: int = 10) -> Tensor:
    """The bin, 0 … bins − 1, of each confidence; same shape."""
    edges = torch.linspace(0, 1, bins + 1, dtype=confidence.dtype, device=confidence.device)
    return torch.bucketize(confidence.contiguous(), edges[1:-1], right=True).clamp(max=bins - 1)


def combined(parts: list[Reliability]) -> Reliability:
    """Reliability of all samples from those of disjoint parts."""
    return reduce(Reliability.__add__, parts)


def calibration_error(confidence: Tensor, hit: Tensor, *, bins: int = 10) -> float:
    """Expected calibration error: Σ over bins of share · |accuracy − mean confidence| (Guo et al. 2017).

    Bins have equal width and are closed below; the last one is closed on both sides.

    Args:
        confidence: Probability of the predicted class, float64, shape (sample,).
        hit: Whether the prediction is right, shape (sample,).
        bins: How many; the paper's is 10.

    Returns:
        From 0 to 1; NaN if a confidence is.

    Raises:
        LandscapeError: If `bins` is less than 1.
    """
    return float(reliability(confidence, hit, bins=bins).error())
