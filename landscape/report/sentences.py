"""What came out, in a plain sentence a section, computed from the numbers; no causes, no unearned ranking."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student_t

from landscape.comparison.readings import APE, READINGS
from landscape.numbers import PERCENT, number, percent, plus_minus
from landscape.report.differences import Differences
from landscape.report.summary import Results, Row, summarise
from landscape.results import attribute
from landscape.results.estimate import Estimate

Estimates = Mapping[str, Estimate]
"""One number of several networks, by name."""


def sentences(
    results: Results, rows: Sequence[Row] | None = None, differences: Differences | None = None
) -> dict[str, str]:
    """Sentences by section: `evaluation`, each figure drawn from the results, and `seed`.

    Two networks are distinguishable where the verdicts say so, see `landscape.report.differences`. Numbers
    without a standard error are stated, not ranked.

    Args:
        results: Network name → kind → dataset.
        rows: Rows of `summarise`, if at hand.
        differences: Which networks are distinguishable; by default from these results alone.
    """
    rows = summarise(results) if rows is None else rows
    differences = differences or Differences(results, results)

    def ranked(key: str, what: str) -> str:
        return _ranked(rows, key, what, differences)

    found = {
        "evaluation": f"{ranked('nll', 'mean NLL')} {ranked('accuracy', 'accuracy')}".strip(),
        "contours": _surface(rows, differences),
        "surface3d": _extremes(rows),
        "spectrum": ranked("ape", APE) + _negative(rows),
        "fourier": _fourier(rows),
        "high_frequency": ranked("high_frequency", "high-frequency Δ log amplitude of the last block"),
        "variance": (
            ranked("last_spatial_variance", "spatial variance of the last layer") + _smoothed(rows)
        ).strip(),
        "seed": _seeds(rows) or _seed(results),
    }
    return {section: text for section, text in found.items() if text}


def compare(
    estimates: Estimates,
    what: str,
    *,
    lowest: bool = True,
    unit: str = "",
    differences: Differences | None = None,
    quantity: str = "",
) -> str:
    """One sentence that names the first network, those not distinguishable from it, and the last.

    Args:
        estimates: The same quantity of several networks.
        what: What it is, as in `mean NLL`.
        lowest: Whether the lowest value is named first, else the highest.
        unit: Printed after each number, as in `PERCENT`.
        differences: Which networks are distinguishable.
        quantity: Name of the reading, as `differences` takes it.
    """
    if not estimates:
        return ""
    order = sorted(estimates, key=lambda name: estimates[name].value, reverse=not lowest)
    first, last = order[0], order[-1]
    texts = {name: f"{_text(estimate)}{unit}" for name, estimate in estimates.items()}
    if len(order) == 1:
        return f"{first}: {what} {texts[first]}."
    if not all(estimate.known for estimate in estimates.values()):
        return f"{_sentence(what)}: {_list(estimates, unit)}; without standard errors, so not ranked."
    apart = (differences or Differences()).distinguishable(first, estimates, quantity)
    close = [name for name in order[1:] if not apart[name]]
    if len(close) == len(order) - 1:
        return (
            f"{_sentence(what)} is not distinguishable between the networks ({_list(estimates, unit)}): "
            f"no difference from {first} is beyond its 95 % interval, corrected for how many there are."
        )
    text = f"{first} has the {'lowest' if lowest else 'highest'} {what} ({texts[first]})"
    if close:
        text += f", not distinguishable from {_join(close)}"
    return f"{text}; {last} has the {'highest' if lowest else 'lowest'} ({texts[last]})."


def _estimates(rows: Sequence[Row], key: str, factor: float = 1.0) -> dict[str, Estimate]:
    return {
        row["name"]: Estimate(row[key], row.get(f"{key}_standard_error", np.nan)).times(factor)
        for row in rows
        if key in row
    }


def _text(estimate: Estimate) -> str:
    """`0.312 ± 0.010`, the interval being two standard errors."""
    return plus_minus(estimate.value, estimate.error)


def _list(estimates: Estimates, unit: str = "") -> str:
    """Each network with its number; of many, the lowest and the highest (the table has them all)."""
    texts = {name: f"{name} {_text(estimate)}{unit}" for name, estimate in estimates.items()}
    if len(texts) > 4:
        low, high = (pick(estimates, key=lambda name: estimates[name].value) for pick in (min, max))
        return f"from {texts[low]} to {texts[high]}"
    return ", ".join(texts.values())


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _ranked(rows: Sequence[Row], key: str, what: str, differences: Differences) -> str:
    """One reading of all networks; where no verdicts are given on it, by the errors at hand."""
    (reading,) = (each for each in READINGS if each.key == key)
    factor, unit = (100, PERCENT) if reading.percent else (1, "")
    return compare(
        _estimates(rows, key, factor),
        what,
        lowest=reading.lower != "worse",
        unit=unit,
        differences=differences,
        quantity=reading.name if reading.compared or reading.name == APE else "",
    )


def _surface(rows: Sequence[Row], differences: Differences) -> str:
    """The rise to the border, ranked only where all borders are equally far and all their cells finite."""
    borders = {row["name"]: row["border"] for row in rows if "border" in row}
    if not borders:
        return ""
    rises = {name: Estimate(b["rise"], b.get("standard_error", np.nan)) for name, b in borders.items()}
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
    return f"{compare(rises, what, differences=differences)} {scope}"


def _extremes(rows: Sequence[Row]) -> str:
    parts = []
    for row in rows:
        if "minimum" in row:
            low, high = row["minimum"], row["maximum"]
            place = f"({number(low['x'], 2)}, {number(low['y'], 2)})"
            parts.append(f"{row['name']} from {number(low['nll'])} at {place} to {number(high['nll'])}")
    return f"NLL on the grid: {'; '.join(parts)}." if parts else ""


def _negative(rows: Sequence[Row]) -> str:
    shares = [f"{row['name']} {percent(row['nep'])}{PERCENT}" for row in rows if "nep" in row]
    return f" Share of negative eigenvalues (NEP): {', '.join(shares)}." if shares else ""


def _fourier(rows: Sequence[Row]) -> str:
    values = _estimates(rows, "high_frequency")
    if not values:
        return ""
    low, high = (pick(values, key=lambda name: values[name].value) for pick in (min, max))
    ends = [f"{number(math.exp(values[name].value), 2)} ({name})" for name in dict.fromkeys((low, high))]
    logs = " to ".join(_text(values[name]) for name in dict.fromkeys((low, high)))
    return (
        f"At its highest frequency, the last block has {' to '.join(ends)} times the amplitude that it has "
        f"at frequency zero (Δ log amplitude {logs})."
    )


def _smoothed(rows: Sequence[Row]) -> str:
    ratios = [
        f"{number(row['smoothing_ratio'], 2)} in {row['name']}" for row in rows if "smoothing_ratio" in row
    ]
    listed = ", ".join(ratios)
    return (
        f" A smoothing layer multiplies the spatial variance by {listed} (geometric means)." if ratios else ""
    )


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
