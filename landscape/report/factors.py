"""One chapter a factor: what it changed, in sentences, with a folded table of every change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from landscape.comparison import Pair, Verdict
from landscape.report.effects import BAD, GOOD, NONE, ONE, Effect, chapter_ids, places
from landscape.report.summary import Results
from landscape.report.trust import Group, groups

_MOST = 4
"""Changes that a sentence names; the table has them all."""


@dataclass(frozen=True)
class PairPart:
    """What a factor did to one pair of networks.

    Attributes:
        group: The pair in words and the lines of its table.
        sentences: What changed for the better, for the worse, and what is not distinguishable.
        sides: Places of baseline and variant among the networks of the page; None where they are not shown.
        one_seed: Whether something distinguishable rests on one trained network each.
    """

    group: Group
    sentences: list[tuple[str, str]]
    sides: tuple[int, int] | None
    one_seed: bool


@dataclass(frozen=True)
class Factor:
    """One chapter: its id, its heading, and its pairs."""

    name: str
    title: str
    pairs: list[PairPart]


def factors(verdicts: Sequence[Verdict], results: Results) -> list[Factor]:
    """Chapters by factor, in the order of the verdicts.

    Args:
        verdicts: Of `landscape.comparison`.
        results: What the page shows, seeds merged.
    """
    found = [
        (pair, _part(group, _sides(pair, results)))
        for group, pair in zip(groups(verdicts), dict.fromkeys(each.pair for each in verdicts), strict=True)
    ]
    return [
        Factor(name, factor[0].upper() + factor[1:], [part for pair, part in found if pair.factor == factor])
        for factor, name in chapter_ids(verdicts).items()
        if factor
    ]


def _sides(pair: Pair, results: Results) -> tuple[int, int] | None:
    known = places(results)
    sides = (pair.baseline, pair.variant)
    first, second = ({known[name] for name in side if name in known} for side in sides)
    if len(first) != 1 or len(second) != 1 or first == second:
        return None
    return first.pop(), second.pop()


def _part(group: Group, sides: tuple[int, int] | None) -> PairPart:
    effects = [line.effect for line in group.lines]
    said = [
        (kind, text)
        for kind, text in (
            (GOOD, _changed(effects, GOOD)),
            (BAD, _changed(effects, BAD)),
            (NONE, _unchanged(effects)),
        )
        if text
    ]
    return PairPart(group, said, sides, any(each.certainty == ONE for each in effects))


def _changed(effects: Sequence[Effect], direction: str) -> str:
    """As in `Flatter: largest Hessian eigenvalue −58 % [−66, −50]. Better: NLL −0.03 nats […]`."""
    words: dict[str, list[str]] = {}
    for each in effects:
        if each.direction == direction:
            words.setdefault(each.verdict, []).append(f"{each.quantity} {each.natural.both}")
    return " ".join(f"{word[0].upper()}{word[1:]}: {'; '.join(found)}." for word, found in words.items())


def _unchanged(effects: Sequence[Effect]) -> str:
    names = [each.quantity for each in effects if each.certainty == NONE]
    if len(names) > _MOST:
        return f"Not distinguishable: {', '.join(names[: _MOST - 1])} and {len(names) - _MOST + 1} others."
    return f"Not distinguishable: {', '.join(names)}." if names else ""
