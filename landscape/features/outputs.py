"""How alike the outputs of two networks are: CKA of logits and of probabilities, sample by sample."""

from __future__ import annotations

from torch import Tensor

from landscape.features.similarity import alike, shared_out
from landscape.intervals import Interval, from_error


def output_cka(first: Tensor, second: Tensor, *, batch_size: int = 64) -> tuple[float, Interval]:
    """Linear CKA of two sets of outputs for the same samples, by the mini-batches of `similarity`.

    Args:
        first: Outputs of one network, shape (sample, class).
        second: Those of another one, for the same samples in the same order.
        batch_size: Most samples a mini-batch; the samples are shared out evenly.

    Returns:
        CKA, NaN where outputs do not vary; and its 95 % interval by the jackknife over mini-batches, unknown
        with a single one.

    Raises:
        LandscapeError: With fewer than four samples a mini-batch.
    """
    value, error = alike(first, second, batch_size=batch_size)
    return value, from_error(value, error, len(shared_out(len(first), batch_size)) - 2)
