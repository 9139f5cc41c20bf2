"""The papers' tables with rows of measured networks (Park & Kim 2022a, Tables B.1, C.1, C.2 and E.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from landscape.comparison import published
from landscape.comparison.identity import Results
from landscape.comparison.published import ABLATION, Published
from landscape.comparison.roles import Cast, Record, Role, cast, four, has_head, heads, is_plain, renamed
from landscape.comparison.scores import Kinds, Number, Scores, scores, train_nll
from landscape.comparison.smoothed import smoothed_with

NEEDS = ("ensemble", "evaluation")
"""Results that a row can be read from."""
PAPER = "P1"
"""What the paper is called in the heading of its own numbers."""
DEBIASED = "ECE debiased (%)"
PUT_IN = ", put in"
"""Ending of the label of a network that smoothing was put into after training."""

Cell = str | Number | None


@dataclass(frozen=True)
class Table:
    """A table of a paper, of other networks.

    Attributes:
        columns: Headings; the first two are what the row is and which network.
        rows: One cell a column; None for what is not known.
        cast: Which network is which row.
        note: How to read it, in sentences.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    cast: Cast
    note: str


def prob_ablation(results: Results) -> Table:
    """Kinds of Prob, without and with blur, and sizes of the blur (Table B.1).

    A network that smoothing was put into after training has a row where none was trained with it.

    Args:
        results: Network name → name of the result → dataset.
    """
    roles = [
        Role(f"{label}{PUT_IN if put_in else ''}", partial(_smoothed, prob, kernel, put_in), NEEDS)
        for label, (prob, kernel, _) in ABLATION.items()
        for put_in in (False, True)
    ]
    return _table(results, roles, "NLL", published.ablation)


def head_comparison(results: Results) -> Table:
    """Heads, with the likelihood on training images beside that on test images (Table C.1).

    Args:
        results: Network name → name of the result → dataset.
    """
    what = "train NLL → NLL / accuracy / ECE"
    return _table(results, heads(NEEDS), what, published.head_comparison, train=True)


def preactivation(results: Results) -> Table:
    """Networks without and with pre-activation, deterministic and with MC dropout (Table C.2).

    Args:
        results: Network name → name of the result → dataset.
    """
    roles = [
        Role(f"{kind}{suffix}", condition, NEEDS, dropout)
        for kind, dropout in (("deterministic", "off"), ("MC dropout", "on"))
        for suffix, condition in (("", _usual), (", pre-activation", _preactivated))
    ]
    return _table(results, roles, "NLL / accuracy", published.preactivation)


def quality(results: Results) -> Table:
    """Deterministic networks and MC dropout, without and with smoothing (Table E.1).

    Args:
        results: Network name → name of the result → dataset.
    """
    return _table(results, four(NEEDS), "NLL / accuracy / ECE", published.quality)


def trained_first(played: Cast) -> Cast:
    """The cast with what was put in only where no network was trained with it; each is absent but once.

    Args:
        played: Of roles whose labels end in `PUT_IN` where smoothing was put in.
    """
    found = {
        label: network
        for label, network in played.found.items()
        if not (label.endswith(PUT_IN) and label.removesuffix(PUT_IN) in played.found)
    }
    absent = [
        label for label in played.absent if not label.endswith(PUT_IN) and f"{label}{PUT_IN}" not in found
    ]
    return replace(played, found=found, absent=tuple(absent))


def _smoothed(prob: str, kernel: int, put_in: bool, each: Record) -> bool:
    return smoothed_with(prob, kernel, each) and put_in == bool(each.get("surgery"))


def _usual(each: Record) -> bool:
    return is_plain(each) and has_head(each, "usual")


def _preactivated(each: Record) -> bool:
    config = each["config"]
    bare = {**each, "config": {**config, "preactivation": False}}
    return bool(config.get("preactivation")) and _usual(bare)


def _table(
    results: Results,
    roles: Sequence[Role],
    what: str,
    paper: Callable[[Record], Published],
    *,
    train: bool = False,
) -> Table:
    """The rows of the networks there are, with the paper's numbers beside them."""
    named = renamed(results)
    alike = all(role.dropout == "on" for role in roles)
    played = trained_first(cast(named, roles, deterministic=alike))
    facts = paper(next(iter(played.records.values()))) if played.records else Published()
    found = {label: scores(named[network]) for label, network in played.found.items()}
    rows = tuple(
        (label, played.found[label], *_cells(each, named[played.found[label]], train), facts.rows.get(label))
        for label, each in found.items()
        if each is not None
    )
    heading = f"{PAPER}{f' ({facts.network})' if facts.network else ''}: {what}"
    columns = (
        "row",
        "network",
        "N",
        *(("train NLL",) if train else ()),
        "NLL",
        "accuracy (%)",
        "ECE (%)",
        DEBIASED,
    )
    note = _note({label: each for label, each in found.items() if each}, train, "ECE" in what)
    return Table((*columns, heading), rows, played, note)


def _cells(found: Scores, kinds: Kinds, train: bool) -> tuple[Cell, ...]:
    middle: tuple[Cell, ...] = (train_nll(kinds),) if train else ()
    return (str(found.averaged), *middle, found.nll, found.accuracy, found.ece, found.debiased)


def _note(found: Mapping[str, Scores], train: bool, published: bool) -> str:
    errors = ", ".join(dict.fromkeys(each.over for each in found.values()))
    parts = [
        f"Intervals: ± two standard errors over {errors}." if errors else "",
        "N: predictions averaged, of MC dropout under so many masks.",
        "ECE: mean absolute difference between accuracy and confidence over bins of confidence; debiased: "
        "without the part that noise alone gives it, in brackets its 95 % interval.",
        "In the authors' own ECE predictions of confidence exactly 1 fall out of the sums; here they count."
        if published
        else "",
        "Train NLL: on training images, one pass." if train else "",
        _samples(found),
        f"{PAPER}: the numbers that Park & Kim (2022a) published, of other networks, data and training, so "
        "that their order alone compares with ours; with MC dropout N = 50.",
    ]
    return " ".join(filter(None, parts))


def _samples(found: Mapping[str, Scores]) -> str:
    """What was evaluated; by row where not all rows share it, and so do not compare."""
    rows: dict[str, list[str]] = {}
    for label, each in found.items():
        rows.setdefault(each.samples or "samples that are not recorded", []).append(label)
    if len(rows) < 2:
        return f"Evaluated on {next(iter(rows))}." if rows else ""
    listed = "; ".join(f"{samples} ({', '.join(labels)})" for samples, labels in rows.items())
    return f"Rows of different samples do not compare: {listed}."
