"""Dropout masks as a function of (seed, draw, place, sample), without any global random state.

A mask does not depend on the micro-batch in which its sample is evaluated, so results do not change with the
micro-batch size, and any single draw can be computed again on its own (a resumed run, a point of a surface).
"""

from landscape.dropout.masking import dropout_masks
from landscape.dropout.masks import OrdinaryDropout, Stochastic, dropout_layers, keep_mask
from landscape.dropout.search import stochastic_parts

__all__ = [
    "OrdinaryDropout",
    "Stochastic",
    "dropout_layers",
    "dropout_masks",
    "keep_mask",
    "stochastic_parts",
]
