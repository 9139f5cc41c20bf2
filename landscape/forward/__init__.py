"""One pass of a network: its parameters handed in, its modes set, and the module left as it was."""

from landscape.forward.passes import Forward

__all__ = ["Forward"]
