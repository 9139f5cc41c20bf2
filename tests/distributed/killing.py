"""The command line as a script for torchrun; in its first life rank 1 is killed at its third product."""

import os
import sys

from tests.distributed.jobs import command, killed_command

if __name__ == "__main__":
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    killed_command(3, *sys.argv[1:]) if first else command(*sys.argv[1:])
