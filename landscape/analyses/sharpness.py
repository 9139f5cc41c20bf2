"""Recipe of local sharpness: every measure of one protocol, its audit, and the generalisation gap."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import xarray as xr

from landscape import sharpness as room
from landscape.analyses.stamping import stamped
from landscape.errors import ArgumentError
from landscape.intervals import from_error
from landscape.objective import Objective
from landscape.results import Check
from landscape.results.checks import ROUNDING
from landscape.sharpness import Audit, Found, LearningCoefficient, Noise, Protocol, Sizes
from landscape.work import Item, Progress, Runner, in_memory, silent

_AUDIT = {"probes": 3, "products": 6, "directions": 6, "steps": 3}
"""An audit takes at most so many: ratios come from shared random numbers and need few."""
_KNOWN = 0.2
_AGREED, _ACCEPTED, _MIXED = 0.25, 0.5, 1.1


def sharpness(
    objective: Objective,
    *,
    audit_samples: int = 32,
    factor: float = 2.0,
    opposite: Objective | None = None,
    progress: Progress = silent,
    run: Runner | None = None,
    **sizes: Any,
) -> xr.Dataset:
    """Every measure of local sharpness, see `landscape.sharpness`, and how far each moves by itself.

    The audit measures each once more after changes of the weights that leave the function as it is
    (`landscape.sharpness.transformed`), from the same random numbers, over fewer samples and probes.

    Args:
        objective: The loss.
        audit_samples: Samples of the audit, the first ones; 0 leaves it out.
        factor: α of its rescalings.
        opposite: The same network's loss on the other split, for the generalisation gap.
        progress: Shows the items.
        run: Runs them; in memory by default.
        **sizes: Fields of `landscape.sharpness.Sizes`.

    Returns:
        Dimension `measure`: `value`, `value_standard_error`, the ends `value_low` and `value_high` of its
        95 % interval, `units`, `words`, and `passes`, `gradients` and `products` of single samples, its cost.
        Dimensions `measure`, `change`: `ratio`, the measure of the changed network over that of the network
        itself, and `ratio_standard_error`. `gap`, the NLL on test images less that on training images, and
        `accuracy_gap`, the other way round, with errors and intervals; NaN where there is no other split.
        Attributes in JSON: `reasons` (of measures without a number), `changes`, `basin`, `llc`.

    Raises:
        LandscapeError: On a number out of range, or an objective that is not a function.

    Examples:
        >>> import torch
        >>> import landscape as ls
        >>> network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> samples = (torch.linspace(-1, 1, 240).reshape(60, 4), torch.arange(60) % 3)
        >>> objective = ls.Objective(network, samples)
        >>> found = ls.analyses.sharpness(objective, noise_batch=10, audit_samples=20, steps=2, probes=2)
        >>> round(float(found.ratio.sel(measure="adaptive_worst_sharpness", change="permute")), 4)
        1.0
    """
    chosen = Sizes(**sizes)
    if audit_samples < 0 or not (factor >= 1 and math.isfinite(factor)):
        raise ArgumentError(
            f"an audit takes 0 samples or more and a factor from 1 on, got {audit_samples} and {factor}"
        )
    run = run or in_memory(progress)
    noise = Noise(objective.seed)
    protocol = Protocol(objective, chosen, noise, run)
    held: list[Audit] = []

    def measure() -> xr.Dataset:
        found = room.measured(protocol)
        dataset = _table(found, chosen).assign(_gaps(objective, opposite, run))
        attributes: dict[str, Any] = {
            "reasons": {name: each.reason for name, each in found.items() if each.reason},
            "basin": [[radius, *each] for radius, each in (protocol.basin or {}).items()],
            "llc": _health(protocol.llc),
        }
        if audit_samples:
            part = objective.subset(0, min(audit_samples, len(objective.samples)))
            fewer = {name: min(most, getattr(chosen, name)) for name, most in _AUDIT.items()}
            held.append(room.audited(part, replace(chosen, **fewer), noise=noise, run=run, factor=factor))
            dataset = dataset.assign(_ratios(held[0]))
            attributes["changes"] = _changes(held[0])
        return dataset.assign_attrs({name: json.dumps(value) for name, value in attributes.items()})

    def judge(dataset: xr.Dataset) -> list[Check]:
        checks = [_known(dataset), *(_same(each, audit) for audit in held for each in [objective])]
        return checks + ([_sampled(protocol.llc)] if protocol.llc else [])

    counts = {
        name: max(1, len(objective.samples) // size)
        for name, size in (("mini-batches", chosen.mini_batch), ("groups of samples", chosen.noise_batch))
    }
    options = {"audit_samples": audit_samples, "factor": factor, **counts, **asdict(chosen)}
    options |= {"seed": objective.seed, "opposite": opposite.samples.describe() if opposite else None}
    return stamped("sharpness", objective, options, measure, judge, strict=True)


def _table(found: dict[str, Found], sizes: Sizes) -> xr.Dataset:
    """The measures as a dataset."""
    about = {each.name: each for each in room.measures(sizes)}
    columns = {
        "value": [each.value for each in found.values()],
        "value_standard_error": [each.error for each in found.values()],
        "value_low": [each.low for each in found.values()],
        "value_high": [each.high for each in found.values()],
    }
    columns |= {
        name: [float(getattr(each, name)) for each in found.values()]
        for name in ("passes", "gradients", "products")
    }
    words = {name: [getattr(about[each], name) for each in found] for name in ("units", "words")}
    return xr.Dataset(
        {name: ("measure", np.array(values, float)) for name, values in columns.items()}
        | {name: ("measure", np.array(values, dtype=object)) for name, values in words.items()},
        coords={"measure": np.array(list(found), dtype=object)},
    )


def _ratios(audit: Audit) -> dict[str, Any]:
    """The ratios of an audit, with what it cost."""
    names = list(audit.own)
    pairs = np.array([[audit.ratio(name, change) for change in audit.changes] for name in names])
    dims = ("measure", "change")
    passes, gradients, products = map(float, audit.cost)
    return {
        "ratio": (dims, pairs[..., 0], {"long_name": "the measure for the same function, over itself"}),
        "ratio_standard_error": (dims, pairs[..., 1]),
        "change": ("change", np.array(list(audit.changes), dtype=object)),
        "audit_passes": ((), passes),
        "audit_gradients": ((), gradients),
        "audit_products": ((), products),
    }


def _changes(audit: Audit) -> dict[str, Any]:
    return {
        name: {"difference": each.difference, "where": list(each.where), "reason": each.reason}
        if each.objective
        else {"difference": None, "where": [], "reason": each.reason}
        for name, each in audit.changes.items()
    }


def _gaps(objective: Objective, opposite: Objective | None, run: Runner) -> dict[str, Any]:
    """Test less training NLL, and training less test accuracy, with errors over independent samples."""
    names = ("gap", "accuracy_gap")
    ends = ("", "_standard_error", "_low", "_high")
    if opposite is None:
        return {f"{name}{end}": ((), math.nan) for name in names for end in ends}

    def compute(index: int) -> Item:
        sides = [each.sample_losses() for each in (objective, opposite)]
        hits = [np.full(0, np.nan) if each[1] is None else each[1].double().numpy() for each in sides]
        return {"a": sides[0][0].numpy(), "b": sides[1][0].numpy(), "hits a": hits[0], "hits b": hits[1]}

    (item,) = run(1, compute, "generalisation gap")
    sign = -1.0 if objective.samples.split == "test" else 1.0
    found: dict[str, Any] = {}
    for name, own, other, way in (("gap", "a", "b", sign), ("accuracy_gap", "hits a", "hits b", -sign)):
        sides = [item[own], item[other]]
        if min(map(len, sides)) < 2:
            found |= {f"{name}{end}": ((), math.nan) for end in ends}
            continue
        value = way * float(sides[1].mean() - sides[0].mean())
        error = math.hypot(*(float(each.std(ddof=1)) / math.sqrt(len(each)) for each in sides))
        interval = from_error(value, error)
        numbers = (value, error, interval.low, interval.high)
        units = {"units": "nats" if name == "gap" else "1"}
        found |= {f"{name}{end}": ((), number, units) for end, number in zip(ends, numbers, strict=True)}
    return found


def _health(llc: LearningCoefficient | None) -> dict[str, Any]:
    """The report of the sampler as JSON can hold it."""
    if llc is None:
        return {}
    return {
        "chains": llc.chains.tolist(),
        **{
            name: float(getattr(llc, name))
            for name in ("r_hat", "acceptance", "step_size", "temperature", "baseline_error")
        },
        "sweep": [[float(each) for each in row] for row in llc.sweep],
    }


def _known(dataset: xr.Dataset) -> Check:
    """Whether every measure that has an error is known to a fifth of itself."""
    values, errors = np.abs(dataset.value.values), dataset.value_standard_error.values
    rough = dataset.measure.values[np.isfinite(errors) & (errors > _KNOWN * values)]
    if not len(rough):
        return Check("errors", True, "Every standard error is at most a fifth of its measure.")
    names = ", ".join(map(str, rough))
    text = f"Standard errors of more than a fifth of their measure: {names}. Take more probes or samples."
    return Check("errors", False, text)


def _same(objective: Objective, audit: Audit) -> Check:
    """Whether the changed networks have the loss of the network itself, as it is measured."""
    found = {name: each for name, each in audit.changes.items() if each.objective is not None}
    if not found:
        return Check("same function", True, "No change of the audit applies to this network.")
    samples = len(next(iter(found.values())).objective.samples)  # type: ignore[union-attr]
    own = objective.subset(0, samples).value().nll
    apart = {name: abs(each.objective.value().nll - own) for name, each in found.items()}  # type: ignore[union-attr]
    worst = max(each.difference for each in found.values())
    text = (
        f"Outputs of the networks of the audit differ by at most {worst:.1e} of the largest in float64, and "
        f"their NLL by {max(apart.values()):.1e}."
    )
    bad = [name for name, value in apart.items() if not value <= 10 * ROUNDING * abs(own) + 1e-6]
    if not bad:
        return Check("same function", True, text)
    return Check(
        "same function",
        False,
        f"{text} That of {', '.join(bad)} differs: rounding counts; take --dtype float64.",
    )


def _sampled(llc: LearningCoefficient) -> Check:
    """Whether the chains of the learning coefficient agree, and steps were short enough."""
    own = llc.found
    apart = [
        factor
        for factor, value, error in llc.sweep[1:]
        if factor < 1
        and not abs(value - own.value) <= _AGREED * abs(own.value) + 2 * math.hypot(error, own.error)
    ]
    text = (
        f"λ̂ {own.value:.4g} ± {own.error:.2g} over {len(llc.chains)} chains, R̂ {llc.r_hat:.3f}, acceptance "
        f"{llc.acceptance:.2f}, at steps of {llc.step_size:.2g}"
    )
    wrong = [
        words
        for bad, words in (
            (not own.value > 0, "the weights are no minimum"),
            (not llc.r_hat <= _MIXED, "chains have not mixed: take more chain steps"),
            (not llc.acceptance >= _ACCEPTED, "steps are too long: take a smaller chain step"),
            (bool(apart), "shorter steps give another number: take more of them"),
        )
        if bad
    ]
    return Check("llc", not wrong, f"{text}." if not wrong else f"{text}; {'; '.join(wrong)}.")
