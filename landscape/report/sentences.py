"""What came out, in a plain sentence a section, computed from the numbers; no causes, no unearned ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.stats import t as student_t

from landscape.comparison.quantities import APE
from landscape.report.numbers import PERCENT, Estimate, number, percent
from landscape.report.summary import Results, Row, summarise
from landscape.report.telling import Telling
from landscape.results import attribute


def sentences(
    results: Results, rows: Sequence[Row] | None = None, telling: Telling | None = None
) -> dict[str, str]:
    """Sentences by section: `evaluation`, each figure drawn from the results, and `seed`.

    Two networks are told apart as the verdicts tell them, see `landscape.report.telling`. Numbers without a
    standard error are stated, not ranked.

    Args:
        results: Network name → kind → dataset.
        rows: Rows of `summarise`, if at hand.
        telling: Which differences can be told; by default from these results alone.
    """
    rows = summarise(results) if rows is None else rows
    telling = telling or Telling(results, results)
    surface = _surface(rows, telling)
    found = {
        "evaluation": _evaluation(rows, telling),
        "contours": surface,
        "surface3d": _extremes(rows),
        "spectrum": _spectrum(rows, telling),
        "fourier": _fourier(rows),
        "high_frequency": _high_frequency(rows, telling),
        "variance": _variance(rows, telling),
        "seed": _seeds(rows) or _seed(results),
    }
    return {section: text for section, text in found.items() if text}


def compare(
    estimates: Sequence[Estimate],
    what: str,
    *,
    lowest: bool = True,
    unit: str = "",
    telling: Telling | None = None,
    quantity: str = "",
) -> str:
    """One sentence that names the first network, those not distinguishable from it, and the last.

    Args:
        estimates: The same quantity of several networks.
        what: What it is, as in `mean NLL`.
        lowest: Whether the lowest value is named first, else the highest.
        unit: Printed after each number, as in `PERCENT`.
        telling: Which differences can be told.
        quantity: What it is to `telling`.
    """
    if not estimates:
        return ""
    order = sorted(estimates, key=lambda e: e.value, reverse=not lowest)
    first, last = order[0], order[-1]
    if len(order) == 1:
        return f"{first.name}: {what} {first.text}{unit}."
    if any(e.standard_error is None for e in order):
        return f"{_sentence(what)}: {_list(estimates, unit)}; without standard errors, so not ranked."
    apart = (telling or Telling()).apart(first, order[1:], quantity)
    close = [other.name for other, told in zip(order[1:], apart, strict=True) if not told]
    if len(close) == len(order) - 1:
        return (
            f"{_sentence(what)} is not distinguishable between the networks ({_list(estimates, unit)}): "
            f"no difference from {first.name} is beyond its 95 % interval, corrected for how many there are."
        )
    text = f"{first.name} has the {'lowest' if lowest else 'highest'} {what} ({first.text}{unit})"
    if close:
        text += f", not distinguishable from {_join(close)}"
    return f"{text}; {last.name} has the {'highest' if lowest else 'lowest'} ({last.text}{unit})."


def _estimates(rows: Sequence[Row], key: str, factor: float = 1.0) -> list[Estimate]:
    found = []
    for row in rows:
        if key in row:
            error = row.get(f"{key}_standard_error")
            found.append(Estimate(row["name"], factor * row[key], None if error is None else factor * error))
    return found


def _list(estimates: Sequence[Estimate], unit: str = "") -> str:
    """Each network with its number; of many, the lowest and the highest (the table has them all)."""
    if len(estimates) > 4:
        low, high = min(estimates, key=lambda e: e.value), max(estimates, key=lambda e: e.value)
        return f"from {low.name} {low.text}{unit} to {high.name} {high.text}{unit}"
    return ", ".join(f"{e.name} {e.text}{unit}" for e in estimates)


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _evaluation(rows: Sequence[Row], telling: Telling) -> str:
    parts = [
        compare(_estimates(rows, "nll"), "mean NLL", telling=telling, quantity="NLL"),
        compare(
            _estimates(rows, "accuracy", 100),
            "accuracy",
            lowest=False,
            unit=PERCENT,
            telling=telling,
            quantity="accuracy",
        ),
    ]
    return " ".join(part for part in parts if part)


def _surface(rows: Sequence[Row], telling: Telling) -> str:
    """The rise to the border, ranked only where all borders are equally far and all their cells finite."""
    borders = {row["name"]: row["border"] for row in rows if "border" in row}
    if not borders:
        return ""
    rises = [Estimate(name, b["rise"], b.get("standard_error")) for name, b in borders.items()]
    radii = {b["radius"] for b in borders.values()}
    scope = "The interval covers the samples only; other directions were not measured."
    if any("surface_of" in row for row in rows):
        scope += " The surfaces are those of one seed each."
    if len(radii) > 1:
        return f"Mean rise of the NLL to the border: {_list(rises)}; borders differ, so not ranked. {scope}"
    what = f"mean rise of the NLL from the trained weights to the border of the grid (±{radii.pop():g})"
    broken = [name for name, b in borders.items() if b["not_finite"]]
    if broken:
        return (
            f"{_sentence(what)}: {_list(rises)}; not ranked, because {_join(broken)} has border cells that "
            f"are not finite or not computed and are left out of the mean. {scope}"
        )
    return f"{compare(rises, what, telling=telling)} {scope}"


def _extremes(rows: Sequence[Row]) -> str:
    parts = []
    for row in rows:
        if "minimum" in row:
            low, high = row["minimum"], row["maximum"]
            place = f"({number(low['x'], 2)}, {number(low['y'], 2)})"
            parts.append(f"{row['name']} from {number(low['nll'])} at {place} to {number(high['nll'])}")
    return f"NLL on the grid: {'; '.join(parts)}." if parts else ""


def _spectrum(rows: Sequence[Row], telling: Telling) -> str:
    ape = compare(_estimates(rows, "ape"), APE.name, telling=telling, quantity=APE.name)
    shares = [f"{row['name']} {percent(row['nep'])}{PERCENT}" for row in rows if "nep" in row]
    return f"{ape} Share of negative eigenvalues (NEP): {', '.join(shares)}." if shares else ape


def _high_frequency(rows: Sequence[Row], telling: Telling) -> str:
    what = "high-frequency Δ log amplitude of the last block"
    return compare(_estimates(rows, "high_frequency"), what, telling=telling)


def _fourier(rows: Sequence[Row]) -> str:
    values = _estimates(rows, "high_frequency")
    if not values:
        return ""
    low, high = min(values, key=lambda e: e.value), max(values, key=lambda e: e.value)
    what = "The last block ends at Δ log amplitude"
    if len(values) == 1:
        return f"{what} {low.text} at its highest frequency."
    return f"{what} {low.text} ({low.name}) to {high.text} ({high.name}) at its highest frequency."


def _variance(rows: Sequence[Row], telling: Telling) -> str:
    text = compare(
        _estimates(rows, "last_spatial_variance"), "spatial variance of the last layer", telling=telling
    )
    ratios = [
        f"{number(row['smoothing_ratio'], 2)} in {row['name']}" for row in rows if "smoothing_ratio" in row
    ]
    if ratios:
        text += (
            f" A smoothing layer multiplies the spatial variance by {', '.join(ratios)} (geometric means)."
        )
    return text.strip()


def _seeds(rows: Sequence[Row]) -> str:
    """Said once of networks of several seeds."""
    counts = {row["name"]: row.get("seeds", 1) for row in rows}
    if max(counts.values()) < 2:
        return ""
    several = {name: count for name, count in counts.items() if count > 1}
    fewest, most = min(several.values()), max(several.values())
    count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    covered = 100 * (1 - 2 * float(student_t.sf(2, fewest - 1)))
    alone = [name for name, seeds in counts.items() if seeds < 2]
    text = (
        f"Numbers are means over {count} networks trained with different seeds, and ± is two standard errors "
        f"over these, not over samples or mini-batches: with {fewest} that covers about {covered:.0f} %. "
        "Surfaces and other pictures are those of the first seed."
    )
    return text + (f" Of one seed, with ± over samples or mini-batches: {_join(alone)}." if alone else "")


def _seed(results: Results) -> str:
    """Said once: with one seed nothing is known about others."""
    seeds: set[Any] = {
        attribute(dataset, "protocol").get("seed") for kinds in results.values() for dataset in kinds.values()
    } - {None}
    if len(seeds) != 1:
        return ""
    return (
        f"All results use one seed ({seeds.pop()}) and one trained network per name: intervals cover samples "
        "or mini-batches, not the spread over seeds, directions or training runs."
    )
