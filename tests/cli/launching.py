"""Several commands at once, as a launcher starts them: forked from a process that has imported everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LAUNCHER = """
import json, os, sys
import gudhi, scipy.ndimage, torch._dynamo, torch._refs, torch.distributed.fsdp, zarr
import landscape.analyses, landscape.checkpoint, landscape.cli.hessian, landscape.cli.measuring
import landscape.cli.surface, landscape.data
from landscape.cli import main
from landscape.zoo import build, parse
build(parse("cifar-resnet8:width=4"))
print("ready", flush=True)
for line in sys.stdin:
    arguments, environment, out = json.loads(line)
    child = os.fork()
    if not child:
        sys.stdin.close()
        os.environ.update(environment)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{out}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        try:
            main(arguments)
        except SystemExit as end:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(end.code or 0))
    print(child, flush=True)
"""


class Launched:
    """A command that runs: a forked process whose end is seen in the process table."""

    def __init__(self, process: int, out: Path) -> None:
        self.process, self.out, self.err = process, Path(f"{out}.out"), Path(f"{out}.err")

    def runs(self) -> bool:
        try:
            text = Path(f"/proc/{self.process}/stat").read_text()
        except OSError:
            return False
        return text.rpartition(")")[2].split()[0] not in "ZX"

    def send(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.process, number)

    def ended(self, seconds: float = 120.0) -> None:
        """Wait for its end."""
        until = time.monotonic() + seconds
        while self.runs():
            assert time.monotonic() < until, "it does not end"
            time.sleep(0.01)


Launch = Callable[..., Launched]


@contextmanager
def launching(folder: Path) -> Iterator[Launch]:
    """Starts ``landscape ARGUMENTS`` with more variables in its environment; several may run at once."""
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    count = 0

    def launch(arguments: Sequence[str], **environment: str) -> Launched:
        nonlocal count
        count += 1
        out = folder / f"launched-{count}"
        print(json.dumps([arguments, environment, str(out)]), file=process.stdin, flush=True)
        return Launched(int(process.stdout.readline()), out)

    assert process.stdout.readline() == "ready\n"
    yield launch
    process.stdin.close()
    assert process.wait(30) == 0


def ranks(launch: Launch, arguments: Sequence[str], count: int = 2) -> list[Launched]:
    """The ranks of a launch, as torchrun starts them."""
    return [launch(arguments, RANK=str(k), WORLD_SIZE=str(count), LOCAL_RANK=str(k)) for k in range(count)]
