"""One objective over several processes: each holds a share of the samples, or of the parameters, too."""

from landscape.distributed.fsdp import FullySharded
from landscape.distributed.group import Group, joined
from landscape.distributed.leading import led
from landscape.distributed.shards import Sharded, sharded

__all__ = ["FullySharded", "Group", "Sharded", "joined", "led", "sharded"]
