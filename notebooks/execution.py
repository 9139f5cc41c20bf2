"""Executes a notebook in a kernel of its own, with one thread."""

from __future__ import annotations

import os
import time
from pathlib import Path
from queue import Empty
from typing import Any

import nbclient
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager

ROOT = Path(__file__).resolve().parents[1]


def execute(notebook: Any, folder: Path, *, seconds: int, allow_errors: bool = False) -> None:
    """Fill in the outputs of a notebook.

    Args:
        notebook: As nbformat reads it.
        folder: Where its cells run.
        seconds: Longest time of a cell.
        allow_errors: Go on after a cell that fails.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails, unless errors are allowed.
    """
    client = nbclient.NotebookClient(
        notebook,
        km=AsyncKernelManager(client_factory=_Client),
        timeout=seconds,
        allow_errors=allow_errors,
        resources={"metadata": {"path": str(folder)}},
    )
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    client.execute(cleanup_kc=True, env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"})


class _Shell(AsyncZMQSocketChannel):
    """Looks for replies each second.

    jupyter_client sends past its event loop, which misses what arrives meanwhile: a reply to a cell with
    controls, which exchange messages on the same socket, would be found when the time of the cell is over.
    """

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            try:
                return await super().get_msg(timeout=max(0.0, min(1.0, end - time.monotonic())))
            except Empty:
                if time.monotonic() >= end:
                    raise


class _Client(AsyncKernelClient):
    shell_channel_class = _Shell
