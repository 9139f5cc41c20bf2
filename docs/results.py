"""Writes docs/results.md and its pictures from what was measured of the shipped family.

    python -m docs.results

Prose stands in docs/results.template.md, numbers come from the measured results that ship with the package:
nothing is trained or measured here.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations
from math import isfinite
from pathlib import Path

import xarray as xr
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import spearmanr

from docs import fair
from landscape import family, figures
from landscape.comparison import Verdict, correlations, effects, pooled, verdicts
from landscape.comparison.changes import Change
from landscape.comparison.claims import (
    ATTENTION,
    OPEN,
    OTHER,
    PAIRED,
    Finding,
    Slope,
    averaging,
    findings,
    sharpness,
)
from landscape.comparison.conditional import Conditioned, alike, conditional, usual
from landscape.comparison.correlations import values
from landscape.comparison.identity import groups, record_of
from landscape.comparison.natural import natural
from landscape.comparison.readings import BY_NAME, centre_nll
from landscape.comparison.verdicts import change_between
from landscape.figures.papers import draw
from landscape.numbers import with_interval, written
from landscape.report.tables import markdown
from landscape.results import attribute

HERE = Path(__file__).parent
PAGE = HERE / "results.md"
TEMPLATE = HERE / "results.template.md"
PICTURES = HERE / "images" / "results"
ATTENDED = HERE / "images" / "attention"
FAIR = HERE / "images" / "fair"
PANELS = ("p2-fig1", "p2-fig2", "p2-fig8", "p2-fig9")
DPI = 150

Results = Mapping[str, Mapping[str, xr.Dataset]]
MARKS = {"agrees": "✓ agrees", "contradicts": "✗ contradicts", "cannot tell": "– cannot tell"}
SECTIONS = ("predictions", "landscape", "feature maps")
_OTHER_BLOCKS = {"error": "predictions", "drop of accuracy": "predictions"}
"""Where quantities belong that no verdict is given on."""


def signed(change: Change) -> str:
    """A change with its interval, where there is one."""
    return with_interval(change.value, change.low, change.high)


def claims(found: list[Finding], section: str) -> str:
    """The claims of a section as a table."""
    rows = []
    for claim in (*PAIRED, *OTHER, *ATTENTION):
        own = [each for each in found if each.claim == claim and section_of(each) == section]
        for index, each in enumerate(own):
            first = (claim.text, claim.source) if index == 0 else ("", "")
            change = each.change
            over = f"{change.count:,} {change.over}" if change.count > 1 else "one network"
            rows.append((*first, each.where, _measured(each), _changed(each), over, MARKS[each.verdict]))
    return markdown(("claim", "source", "networks", "measured", "change [95 %]", "over", "verdict"), rows)


def _measured(each: Finding) -> str:
    """Quantity and means; a change within a network has none."""
    means = natural(each.claim.reading, each.change).means
    return f"{each.claim.quantity}: {means}" if each.change.baseline else each.claim.quantity


def _changed(each: Finding) -> str:
    return natural(each.claim.reading, each.change).both


def conditions(found: list[Conditioned], quantity: str) -> str:
    """Conditions against factors as a table, changes in per cent."""
    table = [each for each in found if each.verdict.quantity.name == quantity]
    columns = list(dict.fromkeys((each.factor, each.dropout) for each in table))
    heads = [f"{factor}, MC dropout" if dropout else factor for factor, dropout in columns]
    rows = []
    for condition in dict.fromkeys(each.condition for each in table):
        own = {(each.factor, each.dropout): each for each in table if each.condition == condition}
        rows.append((condition, *(_cell(own[column]) if column in own else "" for column in columns)))
    return markdown(("condition", *heads), rows)


def _cell(each: Conditioned) -> str:
    change = each.verdict.change
    share = f"{written(100 * change.value / abs(change.baseline), '+.0f')} %"
    if not isfinite(change.low):
        return f"({share})"
    return f"**{share} {each.verdict.verdict}**" if change.distinguishable else share


def means(results: Results) -> str:
    """The mean of every quantity by network, over its seeds."""
    rows = [
        (quantity, *(written(row[name]) if name in row else "" for name in results))
        for quantity, row in values(results).items()
    ]
    return markdown(("quantity", *(f"`{name}`" for name in results)), rows, [False] + [True] * len(results))


def fit(results: Results) -> str:
    """The training NLL of each network, at the centre of its surface, in words."""
    found = {name: centre_nll(kinds["surface"]) for name, kinds in results.items()}
    return ", ".join(f"{written(each.value, '.2f')} of `{name}`" for name, each in found.items() if each)


def tally(found: list[Finding]) -> str:
    """How many findings of each section agree, contradict or are open, as a table."""
    rows = []
    for section in SECTIONS:
        said = [each.verdict for each in found if section_of(each) == section]
        rows.append((section, *(str(said.count(word)) for word in MARKS)))
    return markdown(("comparisons of", *MARKS.values()), rows, [False] + [True] * len(MARKS))


def section_of(each: Finding) -> str:
    """The section of the page that a finding belongs to."""
    if each.claim in ATTENTION:
        return "attention"
    reading = BY_NAME.get(each.claim.quantity)
    block = reading.block if reading else _OTHER_BLOCKS.get(each.claim.quantity, "feature maps")
    return "predictions" if block == "spread of predictions" else block


def share(change: Change) -> str:
    """A change in per cent of the baseline, with its interval."""
    size = 100 / abs(change.baseline)
    values = (change.value * size, change.low * size, change.high * size)
    return "{} % [{}, {}]".format(*(written(value, "+.0f") for value in values))


def spoken(mapped: list[Conditioned], changes: list[Verdict], results: Results) -> dict[str, Callable]:
    """For prose: `say` gives a change in per cent, `amount` in its unit, `under` that under a condition."""

    def find(factor: str, dropout: float, quantity: str) -> Change:
        for each in changes:
            same = (each.pair.factor, each.quantity.name) == (factor, quantity)
            if same and _rate(results[each.pair.variant[0]]) == dropout:
                return each.change
        raise KeyError((factor, dropout, quantity))

    def under(condition: str, factor: str, dropout: float, quantity: str) -> str:
        wanted = (condition, factor, dropout, quantity)
        return next(
            share(each.verdict.change)
            for each in mapped
            if (each.condition, each.factor, each.dropout, each.verdict.quantity.name) == wanted
        )

    return {
        "say": lambda *of: share(find(*of)),
        "amount": lambda *of: signed(find(*of)),
        "under": under,
    }


def rank(dataset: xr.Dataset, first: str, second: str) -> str:
    """A rank correlation with its p-value."""
    pair = dataset.sel(quantity_a=first, quantity_b=second)
    return f"ρ = {written(float(pair.correlation), '+.2f')}, p = {float(pair.p_value):.2f} by permutation"


def within(results: Results, dropout: bool, first: str, second: str) -> str:
    """A rank correlation over single networks with MC dropout, or over those without."""
    own = {name: kinds for name, kinds in results.items() if bool(_rate(kinds)) == dropout}
    table = values(own)
    shared = [name for name in table[first] if name in table[second]]
    rho = spearmanr(*([table[which][name] for name in shared] for which in (first, second))).statistic
    return f"ρ = {written(rho, '+.2f')} over {len(shared)} networks"


def alarms(results: Results, quantity: str) -> str:
    """How often a single-network interval distinguishes one seed of a configuration from another."""
    reading = BY_NAME[quantity]
    apart = []
    for names in groups(results):
        for first, second in combinations(names, 2):
            sides = ([results[name][reading.kind]] for name in (first, second))
            change = change_between(reading, *sides)
            apart.append(change is not None and change.distinguishable)
    return f"{sum(apart)} of {len(apart)}"


def taken_back(found: list[Finding]) -> str:
    """Comparisons whose interval excludes no change, but which are not distinguishable once corrected."""
    lost = [
        f"{each.claim.quantity} of {each.where} ({_changed(each)}, p = {each.adjusted:.2g})"
        for each in found
        if each.change.distinguishable and each.verdict == OPEN
    ]
    return "; ".join(lost) or "none"


def _rate(kinds: Mapping[str, xr.Dataset]) -> float:
    return float(record_of(kinds)["config"].get("dropout") or 0)


def unaltered(results: Results) -> dict[str, Mapping[str, xr.Dataset]]:
    """The family as it was trained, without smoothing inserted afterwards."""
    return {name: kinds for name, kinds in alike(results).items() if not record_of(kinds).get("surgery")}


def seeds(results: Results) -> str:
    """Which networks have how many seeds, in words."""
    counts: dict[int, list[str]] = {}
    for name, kinds in results.items():
        records = [attribute(each, "network") for each in kinds.values()]
        count = max(len(record.get("seeds") or [name]) for record in records)
        counts.setdefault(count, []).append(f"`{name}`")
    words = {1: "one seed", 2: "two seeds", 3: "three seeds"}
    return ", ".join(
        f"{words.get(count, f'{count} seeds')} of {', '.join(names)}"
        for count, names in sorted(counts.items(), reverse=True)
    )


def slope(found: Slope | None) -> str:
    """A slope with its interval and what theory says."""
    if found is None:
        return "not measured"
    value = with_interval(found.value, found.low, found.high, ".2f")
    return (
        f"{value} over {len(found.networks)} networks; theory {written(found.theory, 'g')}: {found.verdict}"
    )


def page(results: Results, attended: Results, tested: Results, correlated: xr.Dataset) -> str:
    """The page's text: of the family, of convolutions against attention, and of the fair test."""
    family_alone = unaltered(results)
    merged = pooled(usual(family_alone))
    found = findings(family_alone)
    mapped = conditional(results)
    first = {name: kinds for name, kinds in family_alone.items() if name.endswith("-seed0")}
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        claims={section: claims(found, section) for section in SECTIONS}
        | {"attention": claims(findings(attended), "attention")},
        attended=means(attended),
        fair=fair.said(tested),
        fit=fit(attended),
        conditions={
            quantity: conditions(mapped, quantity)
            for quantity in ("largest Hessian eigenvalue", "curvature along random directions")
        },
        means=means(merged),
        seeds=seeds(merged),
        tally=tally(found),
        taken_back=taken_back(found),
        averaging=slope(averaging(family_alone)),
        sharpness=slope(sharpness(family_alone)),
        rank=partial(rank, correlated),
        alone=spoken([], verdicts(first), first)["say"],
        averaged=lambda factor, name: signed(next(effects.of_averages(family_alone, factor, name))[1]),
        within=partial(within, usual(family_alone)),
        alarms=partial(alarms, usual(family_alone)),
        **spoken(mapped, verdicts(family_alone), family_alone),
    )


def correlated_links(results: Results) -> xr.Dataset:
    """Rank correlations of the usual networks, by permutation, which takes a while."""
    return correlations(pooled(usual(unaltered(results))))


def panels(attended: Results) -> dict[str, Figure]:
    """What the second paper draws of a ResNet and a vision transformer, of these networks, by name."""
    found = {}
    for name in PANELS:
        for part in draw(name, attended):
            found[f"{name}{part.letter}"] = part.content
    alone = {
        kind: {name: kinds[kind] for name, kinds in attended.items()} for kind in ("similarity", "lesion")
    }
    return found | {kind: getattr(figures, kind)(datasets) for kind, datasets in alone.items()}


def pictures(results: Results, correlated: xr.Dataset) -> dict[str, Figure]:
    """The pictures of the family by name."""
    changes = verdicts(usual(unaltered(results)))
    return {
        "overview": figures.overview(changes),
        "chain": figures.chain(changes),
        "conditions": figures.conditions(conditional(results)),
        "correlations": figures.correlations(correlated, width=figures.TWO_COLUMN * 0.8),
    }


def main() -> None:
    """Write page and pictures."""
    results, attended, tested = (family.measured(which) for which in ("family", "attention", "fair"))
    correlated = correlated_links(results)
    PAGE.write_text(page(results, attended, tested, correlated), encoding="utf-8")
    drawings = {
        PICTURES: pictures(results, correlated),
        ATTENDED: panels(attended),
        FAIR: fair.pictures(tested),
    }
    for folder, drawn in drawings.items():
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in drawn.items():
            stream = io.BytesIO()
            figure.savefig(stream, format="png", dpi=DPI)
            Image.open(stream).convert("RGB").save(folder / f"{name}.webp", quality=80, method=6)
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    sys.exit(main())
