"""One objective over several processes: each holds a share of the samples, and sums are exact."""

from landscape.distributed.group import Group, joined
from landscape.distributed.leading import led
from landscape.distributed.shards import Sharded, sharded

__all__ = ["Group", "Sharded", "joined", "led", "sharded"]
