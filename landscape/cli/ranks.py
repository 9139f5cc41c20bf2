"""Commands over several processes that torchrun has started: rank 0 speaks and writes, the others compute."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from landscape.cli.joining import rank

if TYPE_CHECKING:
    from landscape.cli.options import Request


def _shares_samples() -> bool:
    """Whether this process is one of several that torchrun has started."""
    return "TORCHELASTIC_RUN_ID" in os.environ and rank().joins


@contextmanager
def together(request: Request) -> Iterator[tuple[Request, Callable[[Any], Any]]]:
    """The request as this process is to answer it, and how an objective is shared out.

    Alone, both stay what they are. As one rank of several, each takes a GPU of its own where there are any.

    Args:
        request: As the user made it.
    """
    if not _shares_samples():
        yield request, lambda objective: objective
        return
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # or a lost rank fills the screen of the others
    import torch

    from landscape.distributed import joined, sharded

    group = joined()
    if request.device == "cuda" and torch.cuda.is_available():
        request = replace(request, device=f"cuda:{int(os.environ.get('LOCAL_RANK', '0'))}")
    if not group.leads:
        request = replace(request, quiet=True, follows=True)
    try:
        yield request, lambda objective: sharded(objective, group)
    except Exception as error:
        group.watch.report(error)
        raise
    group.leave()
