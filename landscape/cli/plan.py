"""`landscape plan`: what a measurement will take on so many workers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import emit, option, table, with_options
from landscape.cli.options import CHECKPOINT, Request, protocol_options, say

if TYPE_CHECKING:
    from landscape.analyses.scaling import Plan

_OPTIONS = (
    option(
        "--of kind",
        "What is to be measured.",
        "surface",
        choices=("surface", "spectrum", "flatness", "trace", "layers"),
    ),
    option("--on numbers", "Numbers of workers, with commas between them.", (1, 8, 64)),
    option(
        "--item-seconds",
        "Time of one item, where it is known, as of another device; then few --samples do.",
        type=click.FloatRange(0, min_open=True),
    ),
    option("--steps", "Points per side of a surface; an odd number.", 21, least=3),
    option("--spectrum-batch", "Samples per mini-batch of a spectrum.", 128, least=1),
    option("--directions", "Random directions of a flatness.", 10, least=2),
    option("--probes", "Probes of a trace, or of that of each layer.", 32, least=2),
)


@click.command(
    "plan",
    cls=Command,
    examples=(
        "landscape plan net.safetensors --samples 256 --steps 51 --on 8,64",
        "landscape plan net.safetensors --samples 8 --item-seconds 20 --on 64",
    ),
)
@CHECKPOINT
@with_options(_OPTIONS)
@protocol_options(samples=1000)
def command(
    request: Request,
    checkpoint: str,
    kind: str,
    numbers: tuple[float, ...],
    item_seconds: float | None,
    **sizes: Any,
) -> None:
    """Predict time, memory and disk of work by many workers.

    A few of its items are measured on this machine; workers are taken to be as fast, each with a device or
    cores of its own.
    """
    from landscape.analyses.scaling import scaling

    if not numbers or any(each < 1 or each != int(each) for each in numbers):
        raise click.UsageError("--on takes whole numbers of workers, 1 or more")
    network = request.network(checkpoint)
    options = {
        "surface": {"steps": sizes["steps"]},
        "spectrum": {"batch_size": sizes["spectrum_batch"]},
        "flatness": {"repeats": sizes["directions"]},
        "trace": {"probes": sizes["probes"]},
        "layers": {"probes": sizes["probes"]},
    }[kind]
    plan = scaling(kind, request.settings().objective(network), item_seconds=item_seconds, **options)
    rows = [{"workers": int(each), "seconds": plan.seconds(int(each))} for each in numbers]
    if request.as_json:
        emit({"command": "plan", "kind": kind, **asdict(plan), "plans": rows})
        return
    say(
        f"{plan.items:,} items of {plan.item_seconds:.3g} s ({_known(plan)}); "
        f"{plan.memory_bytes / 1e9:.2g} GB of memory per worker, {plan.disk_bytes / 1e6:.3g} MB of disk"
    )
    for line in table(
        {
            "workers": [row["workers"] for row in rows],
            "time": [_words(row["seconds"]) for row in rows],
            "hours of workers": [row["workers"] * row["seconds"] / 3600 for row in rows],
        },
        width=18,
    ):
        say(line)


def _known(plan: Plan) -> str:
    if plan.measured < 2:
        return "one measured" if plan.measured else "as given"
    return f"± {100 * plan.spread:.0f} %"


def _words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
