"""The first lines of the page: what was found, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from landscape.comparison import Verdict
from landscape.comparison.changes import PRIMARY
from landscape.comparison.natural import natural
from landscape.comparison.verdicts import SAME
from landscape.numbers import PERCENT
from landscape.report.effects import ONE, SEEDS, certainty

_LANDSCAPE = (
    "largest Hessian eigenvalue",
    "curvature along random directions",
    "rise of the NLL at radius 0.2",
)
_FEATURES = ("high frequencies", "spatial variance")
_PREDICTIONS = ("NLL", "accuracy", "calibration error")
_VERBS = {
    "flatter": ("flattens the loss landscape", "flatten the loss landscape"),
    "sharper": ("sharpens it", "sharpen it"),
    "smoother": ("smooths the feature maps", "smooth the feature maps"),
    "rougher": ("roughens them", "roughen them"),
    "better": ("improves the {}", "improve the {}"),
    "worse": ("worsens the {}", "worsen the {}"),
}
"""Of one factor, and of several; what stands first in a sentence is said in full."""
_FULL = {
    "sharpens it": "sharpens the loss landscape",
    "sharpen it": "sharpen the loss landscape",
    "roughens them": "roughens the feature maps",
    "roughen them": "roughen the feature maps",
}
_WORDS = {
    SEEDS: "Over several seeds",
    "mixed": "In part over several seeds",
    ONE: "One seed only",
    "": "Nothing is distinguishable",
}


@dataclass(frozen=True)
class Headline:
    """What the page says first.

    Attributes:
        finding: What was found.
        level: `SEEDS`, `ONE`, `mixed`, or empty where nothing is distinguishable.
        label: The level in a few words.
        sureness: How sure it is, in sentences.
    """

    finding: str
    level: str
    label: str
    sureness: str


def headline(verdicts: Sequence[Verdict], said: Mapping[str, str]) -> Headline:
    """The finding in a sentence or two, and what it rests on.

    Args:
        verdicts: Of `landscape.comparison`; without any, networks are described and not compared.
        said: Sentences by section, from `landscape.report.sentences`.
    """
    if not verdicts:
        finding = next((said[key] for key in ("evaluation", "spectrum", "contours") if key in said), "")
        return Headline(finding.strip(), "", "", said.get("seed", ""))
    parts = [_about(verdicts, names) for names in (_LANDSCAPE, _FEATURES, _PREDICTIONS)]
    unchanged = [text for changed, text in (parts[0], parts[2]) if not changed]  # said whatever they are
    finding = " ".join(filter(None, [*(text for changed, text in parts if changed), *unchanged]))
    finding = finding or _other(verdicts)
    level = _level(verdicts)
    return Headline(finding, level, _WORDS[level], _sureness(verdicts, level))


def _about(verdicts: Sequence[Verdict], names: Sequence[str]) -> tuple[bool, str]:
    """Whether the first of these quantities that has verdicts changed, and a sentence on it, if any."""
    for name in names:
        own = [verdict for verdict in verdicts if verdict.quantity.name == name]
        if own:
            return any(verdict.verdict != SAME for verdict in own), _sentence(own, name)
    return False, ""


def _sentence(verdicts: Sequence[Verdict], quantity: str) -> str:
    """As in `Blur flattens the loss landscape (largest Hessian eigenvalue −58 %); ReLU6 sharpens it`."""
    reading = verdicts[0].quantity
    clauses: list[str] = []
    for word in (reading.lower, reading.higher):
        own = [verdict for verdict in verdicts if verdict.verdict == word]
        if own:
            who, several = _who(own, verdicts)
            verb = _VERBS[word][several].format(quantity)
            verb = verb if clauses else _FULL.get(verb, verb)
            named = "" if clauses or quantity in verb else f"{quantity} "
            clauses.append(f"{who} {verb} ({named}{_range(own)})")
    same = [verdict for verdict in verdicts if verdict.verdict == SAME]
    if not clauses:
        return f"No change of the {quantity} is distinguishable from none."
    if same and quantity not in _FEATURES:  # what the papers are about is said whatever came out
        who, several = _who(same, verdicts)
        which = "no other change of it" if several else f"with {who} no change"
        clauses.append(f"{which} is distinguishable")
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _who(own: Sequence[Verdict], every: Sequence[Verdict]) -> tuple[str, bool]:
    """The factors, with the network where only some pairs of a factor are meant, and whether several."""
    names = []
    for factor in dict.fromkeys(verdict.pair.factor for verdict in own):
        variants = [verdict.pair.labels[1] for verdict in own if verdict.pair.factor == factor]
        whole = len(variants) == sum(verdict.pair.factor == factor for verdict in every)
        names.append(factor if whole else f"{factor} in {_join(variants)}")
    return _join(names), len(names) > 1


def _range(verdicts: Sequence[Verdict]) -> str:
    """The change with its interval, or the smallest and the largest of several."""
    if len(verdicts) == 1:
        return natural(verdicts[0].quantity, verdicts[0].change).both
    ordered = sorted(verdicts, key=_size)
    ends = [natural(each.quantity, each.change) for each in (ordered[0], ordered[-1])]
    if ends[0].unit == ends[1].unit:
        return f"{ends[0].times}{ends[0].value} to {ends[1].value}{ends[1].unit}"
    return f"{ends[0].change} to {ends[1].change}"


def _size(verdict: Verdict) -> float:
    relative = natural(verdict.quantity, verdict.change).unit == PERCENT
    return abs(verdict.change.value / verdict.change.baseline if relative else verdict.change.value)


def _other(verdicts: Sequence[Verdict]) -> str:
    """Where neither curvature nor predictions were compared."""
    found = [verdict for verdict in verdicts if verdict.verdict != SAME]
    if not found:
        return "No change is distinguishable from none."
    clauses = [
        f"{verdict.pair.factor}: {verdict.verdict} "
        f"({verdict.quantity.name} {natural(verdict.quantity, verdict.change).both})"
        for verdict in found[:3]
    ]
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}."


def _level(verdicts: Sequence[Verdict]) -> str:
    levels = {certainty(verdict) for verdict in verdicts} & {SEEDS, ONE}
    return "mixed" if len(levels) > 1 else next(iter(levels), "")


def _sureness(verdicts: Sequence[Verdict], level: str) -> str:
    """Of how many seeds, over what intervals are, and for how many comparisons they are corrected."""
    over = [verdict for verdict in verdicts if verdict.change.over == "seeds"]
    counts = sorted({verdict.change.count for verdict in over})
    parts = []
    if over:
        seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        share = "" if len(over) == len(verdicts) else f"{len(over)} of {len(verdicts)} "
        parts.append(f"{share}{'intervals' if share else 'Intervals'} are 95 %, over {seeds} seeds a side.")
    if len(over) < len(verdicts):
        items = dict.fromkeys(v.change.over for v in verdicts if v.change.over != "seeds")
        who = "The others rest" if over else "All of it rests"
        parts.append(
            f"{who} on one trained network each, with 95 % intervals over {_join(list(items))}: "
            "the same networks trained from another seed may differ."
        )
    primary = sum(verdict.family == PRIMARY for verdict in verdicts)
    if primary > 1:
        parts.append(f"Verdicts are corrected for their number ({primary} primary ones by Holm's procedure).")
    return " ".join(parts)


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
