"""Ranks as children of one process that has imported everything, so that a group of them starts at once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]

# It computes nothing itself: autograd does not survive a fork.
ZYGOTE = """
import json, os, socket, sys, traceback
import torch, torch._dynamo, torch._refs, torch.distributed.fsdp, zarr
import landscape.analyses, landscape.cli.hessian, landscape.cli.measuring, landscape.data
from tests.distributed import fsdp_jobs, jobs

print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(job["size"]):
        child = os.fork()
        if child:
            children.append(child)
            continue
        sys.stdin.close()
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{job['folder']}/{rank}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(job["size"]),
                       "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), **job["environment"]}
        status = 70
        try:
            work = getattr(jobs, job["name"], None) or getattr(fsdp_jobs, job["name"])
            torch.save(work(*job["arguments"]), f"{job['folder']}/{rank}.pt")
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(status)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children]), flush=True)
"""


@dataclass(frozen=True)
class Rank:
    """What one rank left behind."""

    status: int
    found: Any
    out: str
    err: str


class Ranks:
    """Starts jobs of `tests.distributed.jobs` and `fsdp_jobs` on some ranks."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(
        self, name: str, folder: Path, *arguments: Any, size: int = 2, **environment: str
    ) -> list[Rank]:
        """Run a job to its end on every rank.

        Args:
            name: Of the job.
            folder: Where they leave what they found.
            *arguments: Of the job, as JSON holds them.
            size: How many ranks.
            **environment: Variables that they see.
        """
        job = {"name": name, "size": size, "folder": str(folder), "arguments": arguments}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job | {"environment": environment}) + "\n")
        self._process.stdin.flush()
        statuses = json.loads(self._process.stdout.readline())
        found = []
        for rank, status in enumerate(statuses):
            place, out, err = (folder / f"{rank}.{end}" for end in ("pt", "out", "err"))
            held = torch.load(place, weights_only=False) if place.exists() else None
            found.append(Rank(status, held, out.read_text(), err.read_text()))
            place.unlink(missing_ok=True)
        return found


@contextmanager
def started() -> Iterator[Ranks]:
    """Ranks to run jobs on, while open."""
    process = subprocess.Popen(
        [sys.executable, "-c", ZYGOTE],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "LANDSCAPE_PATIENCE": "60"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    try:
        yield Ranks(process)
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait()
