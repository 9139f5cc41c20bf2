"""`landscape verdicts`: what each factor changed, from saved results, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from landscape.cli.help import Command
from landscape.cli.measuring import option
from landscape.cli.options import JSON, output, say

if TYPE_CHECKING:
    import xarray as xr

    from landscape.comparison import Verdict

    Results = Mapping[str, Mapping[str, xr.Dataset]]
    Answer = tuple[list[dict[str, Any]], list[str]]


@click.command(
    "verdicts",
    cls=Command,
    own="Judge",
    examples=("landscape verdicts", "landscape verdicts comparison", "landscape verdicts --claims"),
)
@click.argument("places", metavar="RESULT...", nargs=-1, type=click.Path())
@option("--mix", "Also compare results of different protocols.", False)
@option(
    "--conditions",
    "Say under which conditions the landscape changed, from what `compare --conditions` measured.",
    False,
)
@option("--claims", "Say which claims of Park & Kim's papers these results support.", False)
@output("Also draw the chain of reasons, one figure per factor and an overview.", metavar="DIR")
@JSON
def command(
    places: tuple[str, ...], mix: bool, conditions: bool, claims: bool, out: str | None, as_json: bool
) -> None:
    """Say what each factor changed, with intervals.

    RESULT is a folder that `landscape compare` wrote, a bundle (.zip), a folder of results, or a result
    (.zarr); several are taken together, and without any, the measured results of the shipped family.
    Variants are paired with their baselines by their configurations, and networks of one configuration that
    were trained alike are seeds of one another.
    """
    from landscape import family
    from landscape.cli.reading import read
    from landscape.comparison.conditional import alike

    if conditions and claims:
        raise click.UsageError("choose --conditions or --claims")
    results: Results = read(places) if places else family.measured()
    if not places and not conditions:
        results = alike(results)
    if conditions:
        rows, lines = _conditions(results, mix, out)
    elif claims:
        rows, lines = _claims(results, mix)
    else:
        rows, lines = _verdicts(results, mix, out)
    if as_json:
        from landscape.cli.measuring import emit

        what = "conditions" if conditions else "claims" if claims else "verdicts"
        emit({"command": "verdicts", what: rows})
        return
    for line in lines:
        say(line)
    if not lines:
        say("no two of these networks are one factor apart and measured alike", err=True)


def _verdicts(results: Results, mix: bool, out: str | None) -> Answer:
    from landscape.comparison import pooled, verdicts

    found = verdicts(results, mix=mix)
    if out and found:
        draw(found, pooled(results, mix=mix), Path(out))
    return [record(verdict) for verdict in found], [verdict.sentence for verdict in found]


def _conditions(results: Results, mix: bool, out: str | None) -> Answer:
    from landscape.comparison.conditional import conditional
    from landscape.report.sections import Panel

    found = conditional(results, mix=mix)
    if out and found:
        Panel("conditions", found).save(Path(out), {})
    rows = [{"condition": each.condition, **record(each.verdict)} for each in found]
    return rows, [f"{each.condition} (exploratory): {each.verdict.sentence}" for each in found]


def _claims(results: Results, mix: bool) -> Answer:
    from landscape.comparison.claims import findings

    found = findings(results, mix=mix)
    rows = [
        {
            "claim": each.claim.text,
            "source": each.claim.source,
            "quantity": each.claim.quantity,
            "networks": each.where,
            **_judged(each),
        }
        for each in found
    ]
    return rows, [each.sentence for each in found]


def draw(found: Sequence[Verdict], results: Results, folder: Path) -> None:
    """What the page shows of the chain of reasons, and each pair on its own, with captions beside them."""
    from landscape import figures
    from landscape.figures.comparison.chain import by_pair, caption
    from landscape.files import write_text
    from landscape.report.trust import write_reasons

    write_reasons(found, results, folder)
    for (_, baseline, variant), own in by_pair(found).items():
        name = f"chain-{baseline}-{variant}"
        figures.save(figures.chain(own), folder / name)
        write_text(folder / f"{name}.txt", caption(own) + "\n")


def record(verdict: Any) -> dict[str, Any]:
    """A verdict as JSON can hold it."""
    return {
        "factor": verdict.pair.factor,
        "baseline": list(verdict.pair.baseline),
        "variant": list(verdict.pair.variant),
        "quantity": verdict.quantity.name,
        "unit": verdict.quantity.unit,
        **_judged(verdict),
        "needed": verdict.change.needed,
        "moves": list(verdict.moves),
        "sentence": verdict.sentence,
    }


def _judged(verdict: Any) -> dict[str, Any]:
    """The change behind a verdict or a finding, and how it was judged."""
    change = verdict.change
    return {
        "means": [change.baseline, change.variant],
        "change": change.value,
        **{name: getattr(change, name) for name in ("low", "high", "over", "count", "p_value")},
        **{name: getattr(verdict, name) for name in ("adjusted", "family", "verdict")},
    }
