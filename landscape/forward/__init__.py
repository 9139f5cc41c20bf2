"""One pass of a network: its parameters handed in, its modes set, and the module left as it was."""

from landscape.forward.passes import BATCH_NORM_MODES, BatchNormMode, Forward

__all__ = ["BATCH_NORM_MODES", "BatchNormMode", "Forward"]
