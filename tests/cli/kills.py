"""Kills at random moments over every command that works for long, and what must come of them.

    python -m tests.cli.kills --kills 100 [--seed 0] [--only NAME …]

Each command is run once undisturbed and then, in a folder of its own, killed by SIGKILL again and again at
moments drawn from the time that it takes, and at last run to its end. What it leaves must be the same, bit
for bit: arrays and attributes of results, tensors and records of checkpoints, numbers of JSON files and
tables, files of data; all but the times it took. The networks are tiny, and so are the experiment of
`reproduce`, the family of `demo`, and the archive that `data` fetches from a server on this machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from landscape import checkpoint as checkpoints
from landscape.results import load
from tests.build import checkpoint
from tests.data.server import md5, packed, serving

ROOT = Path(__file__).resolve().parents[2]

# Imports once and computes nothing, so that its children start at once, as new processes do.
ZYGOTE = """
import json, os, sys
import gudhi, scipy.ndimage, torch._dynamo, torch._refs, torch.distributed.fsdp, zarr
import landscape.analyses, landscape.checkpoint, landscape.cli.measuring, landscape.cli.surface
import landscape.data
from landscape.cli import main
from landscape.zoo import build, parse
build(parse("cifar-resnet8:width=4"))

def tiny(network, archive):
    import landscape.data.fetch
    landscape.data.fetch.ARCHIVES["cifar10"] = landscape.data.fetch.Archive(**archive)
    import landscape.cli.reproduce, landscape.report.sections
    from landscape import analyses, family
    from landscape.analyses import reproduction
    from landscape.train import Recipe
    sizes = dict(predictions=16, span=0.2, steps=3, directions=2, batch_size=4, batches=2)
    pictures = dict.fromkeys(("maps", "noise", "corrupted", "density", "masks"), 0)
    pictures |= {"predictions": 4, "passes": 2}
    models = {"gap": "cifar-resnet8:width=4", "gap-blur": "cifar-resnet8:width=4,blur"}
    made = reproduction.Experiment(
        models, Recipe(epochs=2, batch_size=32), images=64, sizes={**sizes, "maps": 4}, pictures=pictures
    )
    reproduction.EXPERIMENTS["small"] = made
    landscape.cli.reproduce.SAMPLES = 8
    landscape.report.sections.FORMATS = ("svg",)
    plan = analyses.plan
    analyses.plan = lambda settings, **given: plan(settings, **{**given, **sizes})
    family.NAMES, family.load = ("gap",), lambda name: landscape.checkpoint.load(network)

if len(sys.argv) > 1:
    tiny(sys.argv[1], json.loads(sys.argv[2]))
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.stdin.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            main(json.loads(line))
        except SystemExit as end:
            os._exit(int(end.code or 0))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

Zygote = Callable[..., int]


@contextmanager
def commands(network: str = "") -> Iterator[Zygote]:
    """Calls the command line in a child process, which may be killed; gives its exit status.

    Args:
        network: A tiny one, in the place of the family and of an experiment's sizes.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", ZYGOTE, *([network, json.dumps(ARCHIVE)] if network else [])],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "no_proxy": "127.0.0.1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout

    def call(arguments: Sequence[str], *, kill_when: Callable[[float], bool] | None = None) -> int:
        print(json.dumps(arguments), file=process.stdin, flush=True)
        child, started = int(process.stdout.readline()), time.monotonic()
        if kill_when:
            # Until it is waited for, a child that has ended keeps its number, so nobody else is hit; but its
            # parent waits at once, so the moment is looked for in the process table as well.
            while not kill_when(time.monotonic() - started) and _runs(child):
                time.sleep(0.0005)
            if _runs(child):
                os.kill(child, signal.SIGKILL)
        return int(process.stdout.readline())

    assert process.stdout.readline() == "ready\n"
    yield call
    process.stdin.close()
    assert process.wait(30) == 0


def _runs(child: int) -> bool:
    return Path(f"/proc/{child}").exists()


PIXELS = {name: np.random.default_rng(k).bytes(10**6) for k, name in enumerate(("train.bin", "test.bin"))}
CONTENT = packed({f"small-set/{name}": content for name, content in PIXELS.items()})
ARCHIVE: dict[str, Any] = {
    "url": "http://127.0.0.1:9/nowhere",
    "md5": md5(CONTENT),
    "folder": "small-set",
    "files": {name: hashlib.sha256(content).hexdigest() for name, content in PIXELS.items()},
}
"""What `data` fetches in the place of CIFAR-10."""

FEW = ("--samples", "16", "--batch-size", "8", "--quiet")
LEAST = ("--maps", "4", "--spectrum-batch", "8", "--directions", "2", "--draws", "2", "--predictions", "16")
COMMANDS: dict[str, tuple[str, ...]] = {
    "surface": ("surface", "A", *FEW, "--steps", "5", "--span", "0.2"),
    "tolerance": (
        *("surface", "A", "--samples", "250", "--batch-size", "50", "--quiet"),
        *("--steps", "3", "--span", "0.2", "--tolerance", "0.3"),
    ),
    "masks": ("surface", "A", *FEW, "--steps", "3", "--dropout", "fresh", "--masks", "2"),
    "flatness": ("surface", "A", *FEW, "--line", "--steps", "5", "--flatness", "3"),
    "curvature": ("surface", "A", *FEW, "--line", "--steps", "3", "--span", "0.1", "--curvature"),
    "trajectory": ("trajectory", "A", "B", "C", *FEW, "--surface", "--steps", "3"),
    "eigenvalues": ("hessian", "A", *FEW, "--top-k", "2", "--tolerance", "0.01"),
    "spectrum": (
        *("hessian", "A", *FEW, "--top-k", "1", "--max-products", "8"),
        *("--spectrum", "--spectrum-batch", "4", "--trace", "4", "--density", "2", "--density-steps", "4"),
    ),
    "evaluate": (
        *("evaluate", "A", "--samples", "32", "--quiet", "--dropout", "fresh", "--ensemble", "4"),
        *("--attack", "--attack-steps", "2", "--epsilons", "1,2"),
    ),
    "sharpness": (
        *("sharpness", "A", "--samples", "16", "--few", "8", "--quiet", "--probes", "2", "--products", "2"),
        *("--directions", "2", "--mini-batch", "8", "--steps", "1", "--noise-batch", "4"),
        *("--audit-samples", "4", "--llc", "--chains", "2", "--chain-steps", "8", "--chain-batch", "4"),
    ),
    "connect": (
        *("connect", "A", "B", "--samples", "16", "--quiet", "--points", "3", "--align"),
        *("--curve", "bezier", "--curve-steps", "10", "--plane", "3"),
    ),
    "features": ("features", "A", "--samples", "8", "--quiet", "--similarity", "--lesion", "--aliasing"),
    "train": (
        *("train", "--model", "cifar-resnet8:width=4", "--data", "demo", "--samples", "128", "--quiet"),
        *("--epochs", "4", "--batch-size", "32", "--keep-every", "2"),
    ),
    "compare": ("compare", "A", "B", *FEW, "--steps", "3", "--span", "0.2", *LEAST),
    "demo": ("demo", "--quiet"),
    "reproduce": ("reproduce", "--data", "demo", "--seeds", "1", "--quiet"),
    "data": ("data", "cifar10", "OUT", "--url", "URL", "--quiet"),
}
"""Arguments of each, A, B and C for networks; where the output goes is added, unless OUT says it."""

_ENDS = {"train": "net.safetensors", **dict.fromkeys(("compare", "demo", "reproduce", "data"), "")}


def _command(name: str, known: dict[str, str], folder: Path) -> list[str]:
    """The arguments of a command whose output goes to a folder."""
    out = str(folder / _ENDS.get(name, "r.zarr"))
    arguments = [{**known, "OUT": out}.get(each, each) for each in COMMANDS[name]]
    return arguments if "OUT" in COMMANDS[name] else [*arguments, "--out", out]


def prepared(folder: Path) -> dict[str, str]:
    """The tiny networks, by their letter."""
    spec = "cifar-resnet8:width=4,dropout=0.2"
    return {
        letter: str(checkpoint(folder / f"{letter}.safetensors", spec, seed=k))
        for k, letter in enumerate("ABC")
    }


def state(folder: Path) -> dict[str, Any]:
    """Everything that a command left, by its path: numbers exactly, pictures and pages by their names."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        name = "/".join(parts)
        if any(part.startswith(".") for part in parts) or any(part.endswith(".zarr") for part in parts[:-1]):
            continue
        if path.suffix == ".zarr":
            dataset = load(path)
            arrays = {
                key: _exact(value.values, value.dims, value.attrs) for key, value in dataset.variables.items()
            }
            found[name] = arrays, _timeless({key: _decoded(value) for key, value in dataset.attrs.items()})
        elif path.suffix == ".safetensors":
            contents = checkpoints.read(path)
            tensors = {key: _exact(value.numpy()) for key, value in contents.tensors.items()}
            found[name] = tensors, _timeless(contents.record)
        elif path.suffix == ".json":
            found[name] = _timeless(json.loads(path.read_text(encoding="utf-8")))
        elif path.is_file():
            found[name] = path.read_bytes() if path.suffix in (".csv", ".bin") else None
    return found


def _exact(values: np.ndarray, *more: Any) -> tuple:
    content = values.tolist() if values.dtype == object else values.tobytes()
    return values.dtype.str, values.shape, content, *more


def _decoded(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _timeless(value: Any) -> Any:
    """Without how long anything took, when it was, and where it was written."""
    if isinstance(value, dict):
        left_out = ("seconds", "created", "path", "sha256", "result", "page", "digests", "manifest")
        return {key: _timeless(each) for key, each in value.items() if key not in left_out}
    if isinstance(value, list):
        return [_timeless(each) for each in value]
    return re.sub(r"\d+(\.\d+)? s\b", "s", value) if isinstance(value, str) else value


def killed(
    call: Zygote, name: str, known: dict[str, str], folder: Path, kills: int, rng: np.random.Generator
) -> list[str]:
    """Kill a command so often, let it end, and name the files that differ from an undisturbed run's."""
    whole, often = folder / "whole", folder / "often"
    started = time.monotonic()
    assert call(_command(name, known, whole)) == 0, name
    duration, count = time.monotonic() - started, 0
    command = _command(name, known, often)
    expected, different = state(whole), set()
    while count <= kills:
        moment = rng.uniform(0, duration) if count < kills else np.inf
        status = call(command, kill_when=lambda elapsed, end=moment: elapsed > end)
        assert status in (0, -signal.SIGKILL), (name, status)
        count += status != 0 or count == kills
        if status == 0:  # it may end before its moment: then once more from the beginning
            found = state(often)
            different |= {path for path in {*found, *expected} if found.get(path) != expected.get(path)}
            if count < kills:
                shutil.rmtree(often)
    return sorted(different)


def main() -> None:
    """Kill, compare, and print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(COMMANDS), choices=list(COMMANDS))
    chosen = parser.parse_args()
    rng, different = np.random.default_rng(chosen.seed), []
    shares = np.diff(np.linspace(0, chosen.kills, len(chosen.only) + 1).round().astype(int))
    with tempfile.TemporaryDirectory() as scratch:
        known = prepared(Path(scratch))
        with serving(CONTENT, pause=0.02) as (url, _), commands(known["A"]) as call:
            known["URL"] = url
            for name, share in zip(chosen.only, shares, strict=True):
                found = killed(call, name, known, Path(scratch) / name, int(share), rng)
                left = [path.name for path in (Path(scratch) / name / "often").rglob(".*")]
                print(
                    f"{name}: {share} kills, {'DIFFERENT: ' + ', '.join(found) if found else 'identical'}"
                    f"{', left: ' + ', '.join(left) if left else ''}",
                    flush=True,
                )
                different += found
    print(f"{chosen.kills} kills over {len(chosen.only)} commands, {len(different)} files differ")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
