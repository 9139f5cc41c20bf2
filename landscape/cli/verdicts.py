"""`landscape verdicts`: what each factor changed, from saved results, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from landscape.comparison import Verdict


@click.command("verdicts")
@click.argument("places", metavar="RESULT...", nargs=-1, required=True, type=click.Path())
@click.option("--mix", is_flag=True, help="Compare results of different protocols, too.")
@click.option(
    "--out", metavar="DIR", help="Also draw the chain of reasons, one figure a factor and an overview."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to stdout.")
def command(places: tuple[str, ...], mix: bool, out: str | None, as_json: bool) -> None:
    """What each factor changed, with intervals: flatter, sharper, or not distinguishable.

    RESULT is a folder that `landscape compare` wrote, a bundle (.zip), a folder of results, or a result
    (.zarr); several are taken together. Variants are paired with their baselines by their configurations,
    and networks of one configuration that were trained alike are seeds of one another.
    """
    from landscape.cli.answer import emit
    from landscape.cli.reading import read
    from landscape.comparison import pooled, verdicts

    results = read(places)
    found = verdicts(results, mix=mix)
    if out and found:
        draw(found, pooled(results, mix=mix), Path(out))
    if as_json:
        emit({"command": "verdicts", "verdicts": [record(verdict) for verdict in found]})
        return
    for verdict in found:
        click.echo(verdict.sentence)
    if not found:
        click.echo("no two of these networks are one factor apart and measured alike", err=True)


def draw(found: Sequence[Verdict], results: dict[str, dict[str, Any]], folder: Path) -> None:
    """What the page shows of the chain of reasons, and each pair on its own, with captions beside them."""
    from landscape import figures
    from landscape.figures.chain import by_pair, caption
    from landscape.files import write_text
    from landscape.report.verdicts import write_reasons

    write_reasons(found, results, folder)
    for (_, baseline, variant), own in by_pair(found).items():
        name = f"chain-{baseline}-{variant}"
        figures.save(figures.chain(own), folder / name)
        write_text(folder / f"{name}.txt", caption(own) + "\n")


def record(verdict: Any) -> dict[str, Any]:
    """A verdict as JSON can hold it."""
    change = verdict.change
    return {
        "factor": verdict.pair.factor,
        "baseline": list(verdict.pair.baseline),
        "variant": list(verdict.pair.variant),
        "quantity": verdict.quantity.name,
        "unit": verdict.quantity.unit,
        "means": [change.baseline, change.variant],
        "change": change.value,
        "low": change.low,
        "high": change.high,
        "over": change.over,
        "count": change.count,
        "needed": change.needed,
        "verdict": verdict.verdict,
        "sentence": verdict.sentence,
    }
