"""Tables and pictures of the fair test (docs/protocol.md) for docs/results.py."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from landscape import figures
from landscape.comparison.flattening import (
    AGREES,
    CONTRADICTS,
    MEASURES,
    SEEDS,
    STEPS,
    Step,
    network,
    seeds_of,
    steps,
)
from landscape.comparison.readings import BY_NAME, mean_nll
from landscape.comparison.way import ARMS, CAUSES, FITTED, along, chain
from landscape.numbers import written
from landscape.report.tables import markdown

Results = Mapping[str, Mapping[str, xr.Dataset]]
CURVES = Path(__file__).parent / "fair-training.csv"
"""Training NLL and accuracy of every network after every epoch, from the checkpoints' own records."""
MARKS = {AGREES: "✓ agrees", CONTRADICTS: "✗ contradicts"}


def said(results: Results) -> dict[str, str]:
    """What the template says of the fair test."""
    found = steps(results)
    return {
        "state": state(results),
        "headline": headline(results, found),
        "steps": table(found),
        "fits": fits(results),
        "links": links(results),
        "power": power(found),
    }


def state(results: Results) -> str:
    """How much of it there is."""
    counts = {ARMS[arm]: len(seeds_of(results, arm)) for arm in ARMS}
    if min(counts.values()) >= SEEDS:
        return f"{SEEDS} seeds of each arm were measured."
    words = ", ".join(f"{count} of {arm}" for arm, count in counts.items())
    found = f"It is not complete yet: of {SEEDS} seeds per arm, {words} have been measured."
    return f"{found} No verdict is given before that, whatever an interval of two seeds may suggest."


def headline(results: Results, found: Sequence[Step]) -> str:
    """The primary answer, and whether the test is at the papers' fit."""
    parts = []
    for each in (step for step in found if step.measure == MEASURES[0]):
        seeds = each.verdict if len(each.seeds) >= SEEDS else "no verdict yet"
        parts.append(
            f"**{each.step}: the largest eigenvalue changes by {share(each)}** ({_counted(each)}, {seeds})."
        )
    missed = [ARMS[arm] for arm in ARMS if max(_nll(results, arm), default=math.nan) > FITTED]
    if missed:
        parts.append(
            f"**The test is not at the papers' fit** where it involves {' and '.join(missed)}, whose "
            f"training NLL stays over {FITTED}: read that step at equal training NLL."
        )
    return " ".join(parts)


def power(found: Sequence[Step]) -> str:
    """The smallest changes of the primary measure that so many seeds would find four times in five."""
    able = [each for each in found if each.measure == MEASURES[0] and math.isfinite(each.detectable)]
    if not able:
        return "One seed has no interval: ticks stand for networks, and nothing is significant."
    words = (
        f"{each.step}, {written(100 * math.expm1(-each.detectable), '+.0f')} % or "
        f"{written(100 * math.expm1(each.detectable), '+.0f')} %"
        for each in able
    )
    text = "With so many seeds and this spread, four of five experiments would find a change of"
    return f"{text} {'; '.join(words)}."


def table(found: Sequence[Step]) -> str:
    """Every measure, both steps beside each other."""
    names = dict.fromkeys(each.measure.name for each in found)
    rows = []
    for name in names:
        row = [name]
        for step in STEPS:
            each = next((e for e in found if (e.step, e.measure.name) == (step, name)), None)
            row += [share(each), _verdict(each)] if each else ["not yet measured", ""]
        rows.append(row)
    heads = [head for step in STEPS for head in (f"{step}, change [95 %]", "verdict")]
    return markdown(("measure", *heads), rows)


def _verdict(each: Step) -> str:
    """A mark, once all seeds are there."""
    return _counted(each) if len(each.seeds) < SEEDS else MARKS.get(each.verdict, each.verdict)


def _counted(each: Step) -> str:
    return "one seed" if len(each.seeds) == 1 else f"{len(each.seeds)} seeds"


def share(each: Step) -> str:
    """A change in per cent, of a share in points, with its interval where seeds give one."""
    change = each.change
    ends = [change.value, change.low, change.high]
    scaled = [100 * (math.expm1(end) if each.measure.logged else end) for end in ends]
    unit = " %" if each.measure.logged else " points"
    first, *interval = (written(end, "+.0f") if abs(end) < 1000 else written(end, "+.2g") for end in scaled)
    return f"{first}{unit} [{', '.join(interval)}]" if math.isfinite(change.low) else f"{first}{unit}"


def fits(results: Results) -> str:
    """How well each arm fits its training images, and what it predicts on others: the mean over seeds."""
    rows = []
    for arm in ARMS:
        own = [results[network(arm, seed)] for seed in seeds_of(results, arm)]
        accuracy = [BY_NAME["accuracy"].read(kinds["evaluation"]).mean for kinds in own]
        nll = [mean_nll(kinds["evaluation"]).mean for kinds in own]
        averaged = [float(kinds["ensemble"]["nll"][-1]) for kinds in own]
        train = _nll(results, arm)
        numbers = (sum(each) / len(each) for each in (train, accuracy, nll, averaged))
        listed = ", ".join(written(value, ".2g") for value in train)
        first, *rest = numbers
        rows.append(
            (ARMS[arm], f"{written(first, '.2g')} ({listed})", *(written(each, ".3g") for each in rest))
        )
    heads = ("arm", "training NLL (each seed)", "test accuracy", "test NLL", "test NLL, mean of passes")
    return markdown(heads, rows)


def _nll(results: Results, arm: str) -> list[float]:
    return [mean_nll(results[network(arm, seed)]["evaluation-train"]).mean for seed in seeds_of(results, arm)]


def links(results: Results) -> str:
    """Rank correlations of changes of feature maps, and of the fit, with those of the largest eigenvalue."""
    words = {"arms": "from arm to arm, at equal epochs", "epochs": "from one kept epoch to the next"}
    found = {(each.cause, each.across): each for each in chain(results)}
    rows = []
    for cause in CAUSES:
        row = [cause]
        for across in words:
            each = found.get((cause, across))
            if each is None:
                row.append("")
                continue
            seeds = ", ".join(written(value, "+.2f") for value in each.by_seed)
            known = math.isfinite(each.low)
            ends = f" [{written(each.low, '+.2f')}, {written(each.high, '+.2f')}]" if known else ""
            row.append(
                f"{written(each.value, '+.2f')}{ends}" + (f" ({seeds})" if len(each.by_seed) > 1 else "")
            )
        rows.append(row)
    return markdown(("goes with the largest eigenvalue", *words.values()), rows)


def pictures(results: Results) -> dict[str, Figure]:
    """The figures of the fair test by name."""
    return {
        "steps": figures.flattening(steps(results)),
        "way": figures.flattening_way(along(results)),
        "training": figures.training_curves(curves()),
    }


def curves() -> dict[str, list[tuple[int, float]]]:
    """Epoch and training NLL of every network."""
    found: dict[str, list[tuple[int, float]]] = {}
    with CURVES.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["network"], []).append((int(row["epoch"]), float(row["loss"])))
    return found
