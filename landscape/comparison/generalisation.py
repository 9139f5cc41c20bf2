"""Measures of sharpness against the generalisation gap, and what `landscape sharpness` answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from landscape.comparison.correlations import LEAST
from landscape.comparison.identity import stable, trained
from landscape.intervals import Interval, from_error
from landscape.numbers import number, written
from landscape.results import attribute
from landscape.results.invariance import CHANGES, factor, furthest, known

SCOPES = ("overall", "within")
"""Over all networks, and over those of one recipe, whose differences between recipes are taken away."""


def rank_correlations(results: Mapping[str, xr.Dataset], *, gap: str = "gap") -> xr.Dataset:
    """Spearman's rank correlation of each measure with the generalisation gap.

    Within groups of one training recipe ranks are taken in each group, as shares of its size, and centred.
    Intervals are Bonett and Wright's (2000) of Fisher's z, with one network fewer for each further group.
    Networks are few and related to one another: this describes them and proves no cause.

    Args:
        results: Of kind sharpness by network name.
        gap: Which, `gap` (NLL) or `accuracy_gap`.

    Returns:
        Dimensions `measure`, `scope` (`overall`, `within`): `correlation`, `low`, `high`, `p_value` (of no
        correlation), `networks`; NaN with fewer than four networks, or where one of both never changes.
    """
    names = list(dict.fromkeys(str(each) for found in results.values() for each in found["measure"].values))
    groups = {name: _recipe(found) for name, found in results.items()}
    shape = (len(names), len(SCOPES))
    columns = {key: np.full(shape, math.nan) for key in ("correlation", "low", "high", "p_value")}
    count = np.zeros(shape, int)
    for row, measure in enumerate(names):
        pairs = {
            name: (_value(found, measure), float(found[gap]))
            for name, found in results.items()
            if gap in found
        }
        usable = {name: pair for name, pair in pairs.items() if np.isfinite(pair).all()}
        whole = {"": list(usable.values())}
        parts: dict[str, list[tuple[float, float]]] = {}
        for name, pair in usable.items():
            if groups[name]:
                parts.setdefault(groups[name], []).append(pair)
        for column, split in enumerate((whole, parts)):
            value, found, size = _spearman([each for each in split.values() if len(each) > 1])
            numbers = (value, found.low, found.high, found.p_value)
            for key, each in zip(columns, numbers, strict=True):
                columns[key][row, column] = each
            count[row, column] = size
    dims = ("measure", "scope")
    return xr.Dataset(
        {key: (dims, values) for key, values in columns.items()} | {"networks": (dims, count)},
        coords={"measure": np.array(names, dtype=object), "scope": np.array(SCOPES, dtype=object)},
    )


def answer(results: Mapping[str, xr.Dataset]) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """What `landscape sharpness` says: JSON of each network, JSON of all, and lines for people.

    Args:
        results: Of kind sharpness by network name.
    """
    each = [_record(found) for found in results.values()]
    lines = [line for name, found in results.items() for line in _lines(name, found)]
    table = rank_correlations(results)
    rows = [
        {
            "measure": str(measure),
            **{
                str(scope): {
                    "correlation": float(at["correlation"]),
                    "interval": [float(at["low"]), float(at["high"])],
                    "p_value": float(at["p_value"]),
                    "networks": int(at["networks"]),
                }
                for scope in table["scope"].values
                for at in [table.sel(measure=measure, scope=scope)]
            },
        }
        for measure in table["measure"].values
    ]
    if len(results) < LEAST:
        lines.append(f"rank correlations with the generalisation gap take at least {LEAST} networks")
        return each, {"correlations": []}, lines
    return each, {"correlations": rows}, lines + _correlated(table, results)


def _record(found: xr.Dataset) -> dict[str, Any]:
    """The measures of one network as JSON."""
    reasons, changes = _stored(found, "reasons", {}), _stored(found, "changes", {})
    measures = []
    for name in found["measure"].values.astype(str):
        at = found.sel(measure=name)
        ends = [float(at["value_low"]), float(at["value_high"])]
        row = {
            "name": name,
            "value": float(at["value"]),
            "interval": ends if np.isfinite(ends).all() else None,
            "standard_error": float(at["value_standard_error"]),
            "units": str(at["units"].item()),
            "audit": _audit(at),
            "moves": None if not known(found, name) else furthest(found, name) is not None,
            "cost": {key: float(at[key]) for key in ("passes", "gradients", "products") if key in at},
        }
        measures.append(row | ({"reason": reasons[name]} if name in reasons else {}))
    gaps = {
        name: {
            "value": float(found[name]),
            "interval": [float(found[f"{name}_low"]), float(found[f"{name}_high"])],
        }
        for name in ("gap", "accuracy_gap")
    }
    extra = {name: value for name in ("basin", "llc") if (value := _stored(found, name, None))}
    return {"measures": measures, **gaps, "changes": changes, **extra}


def _audit(at: xr.Dataset) -> dict[str, float | None]:
    """Ratios by change; None where one does not apply."""
    if "ratio" not in at:
        return {}
    ratios = zip(at["change"].values, at["ratio"].values, strict=True)
    return {str(name): float(ratio) if np.isfinite(ratio) else None for name, ratio in ratios}


def _lines(name: str, found: xr.Dataset) -> list[str]:
    """The table of one network for people."""
    gap = float(found["gap"])
    head = f"{name}: generalisation gap {number(gap)} nats" if math.isfinite(gap) else f"{name}:"
    lines, reasons = [head], _stored(found, "reasons", {})
    for measure in found["measure"].values.astype(str):
        at = found.sel(measure=measure)
        words = str(at["words"].item()) if "words" in at else measure
        lines.append(
            f"  {words:<38}{_number(at):<40}{reasons.get(measure) or _mark(found, measure)}".rstrip()
        )
    for change, record in _stored(found, "changes", {}).items():
        if record.get("reason"):
            lines.append(f"  {CHANGES.get(change, change)}: does not apply, {record['reason']}")
    return lines


def _number(at: xr.Dataset) -> str:
    value, low, high = (float(at[name]) for name in ("value", "value_low", "value_high"))
    if not math.isfinite(value):
        return "–"
    ends = f" [{number(low)}, {number(high)}]" if math.isfinite(low) and math.isfinite(high) else ""
    return f"{number(value)}{ends} {at['units'].item()}".rstrip()


def _mark(found: xr.Dataset, measure: str) -> str:
    """What the audit says of a measure, in words."""
    if not known(found, measure):
        return ""
    moved = furthest(found, measure)
    if moved is None:
        return "does not move"
    return f"{factor(moved[1])} for the same function ({CHANGES.get(moved[0], moved[0])})"


def _correlated(table: xr.Dataset, results: Mapping[str, xr.Dataset]) -> list[str]:
    """Rank correlations for people."""
    lines = ["rank correlation with the generalisation gap, overall and within recipes:"]
    words = {
        str(name): str(label)
        for found in results.values()
        if "words" in found
        for name, label in zip(found["measure"].values, found["words"].values, strict=True)
    }
    for measure in table["measure"].values.astype(str):
        at = table.sel(measure=measure)
        cells = [
            "–"
            if not np.isfinite(value)
            else f"{written(value, '+.2f')} [{written(low, '+.2f')}, {written(high, '+.2f')}] (n = {count})"
            for value, low, high, count in zip(
                *(at[key].values for key in ("correlation", "low", "high", "networks")), strict=True
            )
        ]
        lines.append(f"  {words.get(measure, measure):<38}{cells[0]:<34}{cells[1]}".rstrip())
    return lines


def _spearman(groups: Sequence[Sequence[tuple[float, float]]]) -> tuple[float, Interval, int]:
    """Correlation of ranks within groups, its interval, and how many networks it is of."""
    nothing = Interval(math.nan, math.nan, math.nan)
    size = sum(map(len, groups))
    free = size - len(groups) + 1
    if free < LEAST:
        return math.nan, nothing, size
    ranks = [
        np.stack(
            [
                (stats.rankdata(column) - (len(group) + 1) / 2) / len(group)
                for column in zip(*group, strict=True)
            ]
        )
        for group in groups
    ]
    first, second = np.concatenate(ranks, axis=1)
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    if not scale:
        return math.nan, nothing, size
    value = float(np.clip(first @ second / scale, -1, 1))
    if abs(value) > 1 - 1e-12:
        return value, Interval(value, value, 2 / math.factorial(min(free, 20))), size
    error = math.sqrt((1 + value**2 / 2) / (free - 3))
    found = from_error(math.atanh(value), error)
    return value, Interval(math.tanh(found.low), math.tanh(found.high), found.p_value), size


def _recipe(found: xr.Dataset) -> str:
    """The same for networks trained alike but for the seed; empty where the training is not known."""
    training = trained(attribute(found, "network"))
    return stable(training) if training.get("recipe") else ""


def _value(found: xr.Dataset, measure: str) -> float:
    return float(found["value"].sel(measure=measure)) if measure in found["measure"].values else math.nan


def _stored(found: xr.Dataset, name: str, default: Any) -> Any:
    """An attribute in JSON; the default where it is absent, as of several seeds, or of another type."""
    try:
        value = json.loads(found.attrs[name])
    except (KeyError, TypeError, ValueError):
        return default
    return value if default is None or isinstance(value, type(default)) else default
