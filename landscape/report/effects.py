"""How a verdict looks on the page: its direction, how sure it is, and its interval as a small picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from landscape.comparison import Verdict, members
from landscape.comparison.natural import Natural, natural
from landscape.comparison.verdicts import SAME
from landscape.figures.comparison.chain import as_expected, by_pair, ordered
from landscape.numbers import PERCENT
from landscape.report.summary import Results

SEEDS, ONE, NONE = "seeds", "one", "none"
"""How sure a verdict is: over several seeds, of one trained network each, or not distinguishable."""
GOOD, BAD = "good", "bad"
"""Directions: flatter, smoother, steadier and better; and the opposite."""

BLOCKS = {
    "features": "Feature maps",
    "ensemble": "Spread of predictions",
    "spectrum": "Loss landscape",
    "flatness": "Loss landscape",
    "evaluation": "Predictions",
}
"""What a kind of result is about, over the columns of the overview."""
NO_BREAK = "\N{NO-BREAK SPACE}"
_WIDTH, _MARGIN = 96, 5


@dataclass(frozen=True)
class Whisker:
    """An interval in pixels of a picture in whose middle stands no change, each on a scale of its own."""

    width: int
    zero: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Effect:
    """One verdict as the page shows it.

    Attributes:
        quantity: What changed.
        verdict: In a word, such as `flatter`.
        certainty: `SEEDS`, `ONE` or `NONE`.
        direction: `GOOD`, `BAD`, or empty where nothing is distinguishable.
        natural: The change in its natural unit.
        over: What its interval is over.
        whisker: The interval as a picture.
        sentence: All of it in words.
    """

    quantity: str
    verdict: str
    certainty: str
    direction: str
    natural: Natural
    over: str
    whisker: Whisker
    sentence: str

    @property
    def short(self) -> str:
        """The change as it stands in a small cell."""
        text = self.natural.change.replace("points", "pt")
        return text if self.natural.times else text.replace(NO_BREAK, " ").replace(" %", PERCENT)


def effect(verdict: Verdict) -> Effect:
    """A verdict as the page shows it."""
    change = verdict.change
    expected = as_expected(verdict)
    return Effect(
        verdict.quantity.name,
        verdict.verdict,
        certainty(verdict),
        "" if expected is None else GOOD if expected else BAD,
        natural(verdict.quantity, change),
        f"{change.count:,} {change.over}",
        _whisker(change.value, change.low, change.high),
        verdict.sentence,
    )


def certainty(verdict: Verdict) -> str:
    """How sure a verdict is: what one seed says, another may not."""
    if verdict.verdict == SAME:
        return NONE
    return SEEDS if verdict.change.over == "seeds" else ONE


def _whisker(value: float, low: float, high: float) -> Whisker:
    known = isfinite(low) and isfinite(high)
    reach = max(abs(each) for each in ((value, low, high) if known else (value,))) or 1.0
    middle = _WIDTH / 2

    def place(each: float) -> float:
        return round(middle + (middle - _MARGIN) * each / reach, 1)

    ends = (place(low), place(high)) if known else (None, None)
    return Whisker(_WIDTH, middle, place(value), *ends)


@dataclass(frozen=True)
class HeatRow:
    """A pair of networks in the overview: its factor, its two names, its chapter, and a cell a column."""

    factor: str
    labels: tuple[str, str]
    chapter: str
    cells: list[Effect | None]


Rows = list[HeatRow]


@dataclass(frozen=True)
class Heat:
    """The overview: factors against quantities.

    Attributes:
        blocks: Headings over several columns, with how many each spans.
        columns: Names of quantities, in the order of the chain of reasons.
        rows: One for each pair of networks.
        earlier: The same of pairs that were measured before, elsewhere.
        certainties: Those that occur.
    """

    blocks: list[tuple[str, int]]
    columns: list[str]
    rows: Rows
    earlier: Rows
    certainties: set[str]


def heat(verdicts: Sequence[Verdict], earlier: Sequence[Verdict] = ()) -> Heat | None:
    """The overview of all verdicts, and what was found earlier of their factors; None without any.

    Args:
        verdicts: What the page is about.
        earlier: Verdicts on other networks of the same kind, such as more seeds.
    """
    if not verdicts:
        return None
    columns = ordered(verdicts)
    kinds = {verdict.quantity.name: verdict.quantity.kind for verdict in verdicts}
    blocks: list[tuple[str, int]] = []
    for name in columns:
        block = BLOCKS.get(kinds[name], "Further")
        if blocks and blocks[-1][0] == block:
            blocks[-1] = (block, blocks[-1][1] + 1)
        else:
            blocks.append((block, 1))
    anchors = chapter_ids(verdicts)
    known = [each for each in earlier if each.pair.factor in anchors and each.quantity.name in columns]
    certainties = {certainty(each) for each in (*verdicts, *known)}
    return Heat(
        blocks, columns, _rows(verdicts, columns, anchors), _rows(known, columns, anchors), certainties
    )


def _rows(verdicts: Sequence[Verdict], columns: Sequence[str], anchors: Mapping[str, str]) -> Rows:
    rows = []
    for (factor, *labels), own in by_pair(verdicts).items() if verdicts else ():
        found = {verdict.quantity.name: effect(verdict) for verdict in own}
        first, second = labels
        rows.append(HeatRow(factor, (first, second), anchors[factor], [found.get(name) for name in columns]))
    return rows


def chapter_ids(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Id of the chapter of each factor, in their order."""
    factors = dict.fromkeys(verdict.pair.factor for verdict in verdicts)
    return {factor: f"factor-{place}" for place, factor in enumerate(factors, 1)}


def places(results: Results) -> Mapping[str, int]:
    """Place among the networks shown, by their names and by those of the seeds that they were merged from."""
    found: dict[str, int] = {}
    for place, (name, kinds) in enumerate(results.items()):
        seeds = {seed["name"] for dataset in kinds.values() for seed in members(dataset)}
        found |= dict.fromkeys((*seeds, name), place)
    return found
