"""`landscape compare`: several networks, one protocol, one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.joining import rank
from landscape.cli.measuring import option
from landscape.cli.options import Request, output, protocol_options, say
from landscape.results.kinds import KINDS

if TYPE_CHECKING:
    from landscape.comparison.identity import Results


@click.command(
    "compare",
    cls=Command,
    examples=(
        "landscape compare a.safetensors b.safetensors --out comparison",
        "landscape compare a.safetensors b.safetensors --with trace --conditions",
    ),
)
@click.argument("checkpoints", metavar="CKPT[@SPEC]...", nargs=-1, required=True, type=click.Path())
@option("--predictions", "Test images for the predictions; 0 takes all.", 0, least=0)
@option("--maps", "Test images for the feature maps.", 256, least=1)
@option("--spectrum-batch", "Samples per mini-batch of the Hessian spectrum.", 128, least=1)
@option("--spectrum-batches", "Mini-batches of the spectrum; 0 takes all that --samples give.", 0, least=0)
@option("--span", "Half the side of the surface, in norms of the filters.", 0.5)
@option("--steps", "Points per side of the surface; an odd number.", 21, least=3)
@option("--directions", "Random directions that the flatness is measured along.", 10, least=2)
@option("--draws", "Passes under fresh dropout masks for the feature maps' model variance.", 4, least=2)
@option(
    "--with kinds",
    "Also measure this kind of result, such as lesion or trace; may be repeated.",
    choices=[name for name, kind in KINDS.items() if not kind.needs],
    metavar="KIND",
    multiple=True,
)
@option(
    "--conditions",
    "Also measure spectrum and flatness under other conditions, for `landscape verdicts --conditions`.",
    False,
)
@option(
    "--what-if surgeries",
    "Also measure each network with inserted smoothing and the same weights, as in blur or relu6@layer3.",
    metavar="SPEC",
    multiple=True,
)
@output("Folder of datasets, figures and page.", "landscape-out/comparison", metavar="DIR")
@protocol_options(samples=1000, dropout="fixed", split="train")
def command(
    request: Request,
    checkpoints: Sequence[str],
    out: str,
    surgeries: Sequence[str],
    conditions: bool,
    kinds: Sequence[str],
    **sizes: Any,
) -> None:
    """Measure networks under one protocol and draw them together.

    Surface and Hessian spectrum use --split (the training images, as in the papers); predictions and feature
    maps use the test images. A comparison that was stopped goes on where it was.
    """
    from landscape import analyses
    from landscape.zoo import operated

    given = [request.network(path) for path in checkpoints]
    networks = [each for one in given for each in (one, *(operated(one, spec) for spec in surgeries))]
    settings = request.settings()
    sizes |= {"batch_size": sizes.pop("spectrum_batch"), "batches": sizes.pop("spectrum_batches")}
    measurements = analyses.plan(settings, **sizes)
    there = {measurement.kind for measurement in measurements}
    measurements += analyses.further(settings, [kind for kind in kinds if kind not in there])
    if conditions:
        measurements += analyses.conditions(
            settings, batch_size=sizes["batch_size"], directions=sizes["directions"]
        )
    run(request, [(networks, measurements)], Path(out), "compare")


def run(
    request: Request,
    work: Sequence[tuple[Sequence, Sequence]],
    folder: Path,
    name: str,
    before: "Results | None" = None,
) -> None:
    """Measure, draw, write the page and say where it is; shared with ``landscape demo`` and ``reproduce``.

    Args:
        request: The protocol and how to answer.
        work: Networks with the measurements of each, one after the other.
        folder: Where to.
        name: Of the command.
        before: What was measured before of more seeds of these networks, for rows of their own on the page.
    """
    import shlex
    import time

    from landscape.analyses import network_record
    from landscape.cli.measuring import emit
    from landscape.cli.verdicts import record
    from landscape.comparison import pooled, verdicts
    from landscape.report import summarise, write_report
    from landscape.results import condition

    started = time.monotonic()
    results = _measured(request, work, folder)
    if not rank().answers:  # the first rank draws
        return
    found = verdicts(results)
    request.say("drawing")
    given = click.get_current_context().find_root().obj
    asked = shlex.join(["landscape", *given]) if given else None
    # The page shows the usual results; those under other conditions have a map of their own.
    usual = {
        network: {name: dataset for name, dataset in kinds.items() if not condition(dataset)}
        for network, kinds in results.items()
    }
    earlier = verdicts(before) if before else ()
    page = write_report(usual, folder, command=asked, verdicts=found, earlier=earlier)
    if request.as_json:
        emit(
            {
                "command": name,
                "checkpoints": [network_record(network) for network in work[0][0]],
                "result": str(folder),
                "page": str(page),
                "summary": summarise(pooled(usual)),
                "verdicts": [record(verdict) for verdict in found],
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        return
    for verdict in found:
        say(verdict.sentence)
    say(f"page: {page.resolve()}")


def _measured(request: Request, work: Sequence[tuple[Sequence, Sequence]], folder: Path) -> dict:
    """Results by network and kind."""
    import warnings

    from landscape import analyses

    results: dict = {}
    for networks, measurements in work:
        with warnings.catch_warnings():
            # One protocol for all: not every network has the dropout that it speaks of.
            warnings.filterwarnings("ignore", message="Dropout is")
            measured = analyses.compare(
                networks,
                measurements,
                folder,
                progress=request.progress,
                say=request.say,
                join=request.joining,
            )
        for network, kinds in measured.items():
            results.setdefault(network, {}).update(kinds)
    return results
