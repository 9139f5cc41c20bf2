"""The papers' protocols of the mini-batch max-eigenvalue spectrum, as named presets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpectrumProtocol:
    """What a paper measured its spectra with; eigenvalues are those of largest magnitude.

    Attributes:
        description: In words.
        batch_size: Samples a mini-batch.
        k: Eigenvalues a mini-batch.
        augment: Whether the training images are augmented.
        l2: Whether the loss includes the L2 term, with the weight decay of the training.
    """

    description: str
    batch_size: int
    k: int
    augment: bool
    l2: bool


PROTOCOLS = {
    "p1": SpectrumProtocol("Park & Kim (ICML 2022), Fig. 8", 128, 1, augment=False, l2=False),
    "p2": SpectrumProtocol("Park & Kim (ICLR 2022), Fig. 1c", 16, 5, augment=True, l2=True),
}
"""Both on training images, with one fresh dropout mask for each mini-batch."""
