"""The map of networks over a grid: local and global measures of every cell (Yang et al. 2021)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from landscape import hessian
from landscape.analyses import checks
from landscape.analyses.grids import Layout, layout
from landscape.analyses.stamping import stamped
from landscape.errors import ArgumentError, LandscapeError
from landscape.features.outputs import output_cka
from landscape.hessian import Operator
from landscape.intervals import UNKNOWN, Interval, of_mean, of_pairs, of_share, student
from landscape.network import Network
from landscape.objective import Objective
from landscape.parameters import norm, shifted
from landscape.results import Check
from landscape.results.checks import finite
from landscape.results.phases import CELL, MEASURES
from landscape.surface.connectivity import Way, mode_connectivity, profile, straight
from landscape.work import Item, Progress, Runner, in_memory, silent

LOCAL = ("train_nll", "train_acc", "test_nll", "test_acc", "lmax", "trace")
GLOBAL = ("mc_train_nll", "mc_train_err", "cka_logits", "cka_softmax", "dist")


def phase(
    objectives: Sequence[Objective],
    *,
    test: Sequence[Objective],
    x: str = "",
    y: str = "",
    probes: int = 16,
    tolerance: float = 1e-2,
    points: int = 9,
    way: Callable[..., Way] = straight,
    progress: Progress = silent,
    run: Runner | None = None,
) -> xr.Dataset:
    """Local and global measures of networks over a grid of two fields of their training records.

    Of each network: loss and accuracy on both sets, the largest eigenvalue and the trace of the Hessian of
    the training loss. Of each pair of seeds of a cell: mode connectivity along a way between them, CKA of
    their logits and softmax outputs, and the ℓ2 distance of their parameters (Yang et al. 2021, section 2). A
    cell has the mean over its networks or over its pairs.

    Intervals are 95 %: over seeds where a cell has three or more (of pairs by the jackknife over seeds), over
    two seeds Student's of the measures of single networks; else that of the one measurement, over samples,
    probes or mini-batches, where it has one. Eigenvalue and distance of one network or pair have none.

    Args:
        objectives: One of each network over the training samples, under one protocol; the checkpoints carry
            configuration and training record.
        test: One of each network over the test samples, in the same order.
        x: Field that goes across, such as `width`; left out, the two fields that differ are found.
        y: Field that goes upward, such as `batch_size`.
        probes: Random probes of each trace.
        tolerance: Residual at which an eigenvalue counts as converged, as a share of it.
        points: Points between the ends of each way.
        way: From the parameters of two networks to the way between them; the straight line by default.
        progress: Shows networks and pairs.
        run: Runs them; in memory by default.

    Returns:
        Dimension `cell`: the two fields, every measure by its name in the tables of Yang et al. with the ends
        `…_low` and `…_high`, `networks` and `pairs`. Dimension `network`: `network_cell`, `network_name` and
        `network_…`; dimension `pair`: `pair_cell`, `pair_a`, `pair_b`, `pair_t` and `pair_…`. Accuracies and
        errors are in per cent.

    Raises:
        LandscapeError: If the networks are over no grid of two fields or have no classes.
    """
    if len(objectives) != len(test) or not objectives:
        raise ArgumentError(
            f"got {len(objectives)} networks over training samples and {len(test)} over test ones"
        )
    found = layout([each.network for each in objectives], x, y)
    options: dict[str, Any] = {"x": found.x, "y": found.y, "probes": probes, "tolerance": tolerance}
    options |= {"points": points, "way": way.__name__, "seed": objectives[0].seed}
    options |= {"test": test[0].samples.describe()}
    options |= {"networks": [_record(each) for each in objectives]}
    execute = run or in_memory(progress)

    def measure() -> xr.Dataset:
        def local(index: int) -> Item:
            return _local(objectives[index].replace(), test[index].replace(), probes, tolerance)

        pairs = [(place, *pair) for place, cell in enumerate(found.cells) for pair in cell.pairs()]

        def apart(index: int) -> Item:
            _, first, second = pairs[index]
            return _apart(objectives[first].replace(), objectives[second].replace(), points, way)

        networks = execute(len(objectives), local, "networks")
        return _dataset(found, objectives, networks, pairs, execute(len(pairs), apart, "pairs"))

    dataset = stamped(
        "phase", objectives[0], options, measure, lambda each: _checks(each, found), strict=True
    )
    return dataset.assign_attrs(network=json.dumps(_together([each.network for each in objectives])))


def _record(objective: Objective) -> dict[str, Any]:
    return {"name": objective.network.name, "sha256": objective.network.sha256}


def _together(networks: Sequence[Network]) -> dict[str, Any]:
    """What the result says of all its networks: the folder they lie in, and their architecture if one."""
    folders = {each.path.absolute().parent for each in networks if each.path}
    kinds = {each.architecture for each in networks}
    place = folders.pop() if len(folders) == 1 else None
    common = {"architecture": kinds.pop() if len(kinds) == 1 else None, "sha256": None, "parameters": None}
    return {"name": place.name if place else "grid", "path": str(place) if place else None, **common}


def _local(train: Objective, test: Objective, probes: int, tolerance: float) -> Item:
    """The measures of one network, each with the ends of its own interval."""
    found: dict[str, float] = {}
    for prefix, objective in (("train", train), ("test", test)):
        losses, correct = objective.sample_losses()
        if correct is None:
            raise LandscapeError(
                f"{objective.network.name} is measured by its accuracy, and task {objective.task.describe()} "
                "has no classes"
            )
        values = losses.numpy()
        found |= _with(f"{prefix}_nll", float(values.mean()), of_mean(values))
        right = correct.numpy().astype(float)
        low, high = of_share(right, 1)
        found |= _with(f"{prefix}_acc", 100 * float(right.mean()), Interval(100 * low, 100 * high, np.nan))
    operator = Operator(train)
    top = hessian.top_eigenvalues(operator, k=1, which="largest", tolerance=tolerance, seed=train.seed)
    found |= _with("lmax", float(top.eigenvalue[0]), UNKNOWN)
    found["converged"] = float(top.converged[0])
    trace = hessian.trace(operator, probes=probes, seed=train.seed)
    ends = Interval(float(trace.trace_low), float(trace.trace_high), np.nan)
    return {
        name: np.array(value) for name, value in (found | _with("trace", float(trace.trace), ends)).items()
    }


def _apart(first: Objective, second: Objective, points: int, way: Callable[..., Way]) -> Item:
    """The measures of one pair of networks."""
    theta, other = first.parameters, second.parameters
    along = profile(first, way(theta, other), points)
    found: dict[str, float] = {}
    for name, values in (("mc_train_nll", along.losses), ("mc_train_err", along.wrong)):
        one = mode_connectivity(along.t, values)
        found |= _with(name, one.value, one.interval) | {f"{name}_t": one.t}
    logits = [
        torch.cat([outputs.cpu() for outputs, _ in each.outputs()]).double() for each in (first, second)
    ]
    for name, outputs in (("cka_logits", logits), ("cka_softmax", [each.softmax(1) for each in logits])):
        value, ends = output_cka(*outputs)
        found |= _with(name, value, ends)
    found |= _with("dist", float(norm(shifted(theta, (-1.0, other)))), UNKNOWN)
    return {name: np.array(value) for name, value in found.items()}


def _with(name: str, value: float, ends: Interval) -> dict[str, float]:
    return {name: value, f"{name}_low": ends.low, f"{name}_high": ends.high}


def _dataset(
    found: Layout,
    objectives: Sequence[Objective],
    networks: Sequence[Item],
    pairs: Sequence[tuple[int, int, int]],
    apart: Sequence[Item],
) -> xr.Dataset:
    """Cells, and what they are the means of."""
    variables: dict[str, Any] = {
        name: (CELL, _values([getattr(cell, which) for cell in found.cells]))
        for name, which in ((found.x, "x"), (found.y, "y"))
    }
    for name in LOCAL:
        own = [[networks[index] for index in cell.members] for cell in found.cells]
        variables |= _column(name, [_over_seeds(name, each) for each in own])
    for name in GLOBAL:
        rows = []
        for place in range(len(found.cells)):
            inside = [index for index, pair in enumerate(pairs) if pair[0] == place]
            rows.append(_over_pairs(name, [apart[i] for i in inside], [pairs[i][1:] for i in inside]))
        variables |= _column(name, rows)
    counts = {
        "networks": [len(c.members) for c in found.cells],
        "pairs": [len(c.pairs()) for c in found.cells],
    }
    variables |= {name: (CELL, np.array(each)) for name, each in counts.items()}
    names = np.array([each.network.name for each in objectives], dtype=object)
    places = {index: place for place, cell in enumerate(found.cells) for index in cell.members}
    variables |= {
        "network_name": ("network", names),
        "network_cell": ("network", np.array([places[index] for index in range(len(names))])),
        "converged": ("network", np.array([bool(item["converged"]) for item in networks])),
    }
    variables |= _each("network", LOCAL, networks)
    if pairs:
        members = {"pair_cell": 0, "pair_a": 1, "pair_b": 2}
        variables |= {name: ("pair", np.array([p[at] for p in pairs])) for name, at in members.items()}
        variables |= _each("pair", (*GLOBAL, "mc_train_nll_t", "mc_train_err_t"), apart)
    return xr.Dataset(variables)


def _values(values: Sequence[Any]) -> np.ndarray:
    """Numbers as numbers, and anything else as words."""
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)
    return np.array(values, dtype=float) if numbers else np.array(list(map(str, values)), dtype=object)


def _each(dimension: str, names: Sequence[str], items: Sequence[Item]) -> dict[str, Any]:
    return {f"{dimension}_{name}": (dimension, np.array([float(i[name]) for i in items])) for name in names}


def _column(name: str, rows: Sequence[tuple[float, float, float]]) -> dict[str, Any]:
    measure = MEASURES[name]
    about = {"long_name": measure.label} | ({"units": measure.unit} if measure.unit else {})
    value, low, high = (np.array(each, dtype=float) for each in zip(*rows, strict=True))
    return {name: (CELL, value, about), f"{name}_low": (CELL, low), f"{name}_high": (CELL, high)}


def _over_seeds(name: str, items: Sequence[Mapping[str, np.ndarray]]) -> tuple[float, float, float]:
    """Mean over the networks of a cell and its ends: over seeds, of a single one its own."""
    if len(items) == 1:
        return _own(name, items[0])
    mean, _, low, high = student(np.array([float(item[name]) for item in items]))
    return float(mean), float(low), float(high)


def _over_pairs(
    name: str, items: Sequence[Mapping[str, np.ndarray]], members: Sequence[tuple[int, int]]
) -> tuple[float, float, float]:
    """Mean over the pairs of a cell and its ends: by the jackknife over seeds, of a single pair its own."""
    if not items:
        return (np.nan,) * 3
    if len(items) == 1:
        return _own(name, items[0])
    values = np.array([float(item[name]) for item in items])
    ends = of_pairs(values, members)
    return float(values.mean()), ends.low, ends.high


def _own(name: str, item: Mapping[str, np.ndarray]) -> tuple[float, float, float]:
    return float(item[name]), float(item[f"{name}_low"]), float(item[f"{name}_high"])


def _checks(dataset: xr.Dataset, found: Layout) -> list[Check]:
    loose = [
        str(n) for n, ok in zip(dataset.network_name.values, dataset.converged.values, strict=True) if not ok
    ]
    count = dataset.sizes["network"]
    alone = int((dataset.networks.values < 2).sum())
    sides = [len(set(map(repr, dataset[field].values.tolist()))) for field in (found.x, found.y)]
    holes = sides[0] * sides[1] - dataset.sizes[CELL]
    few = min(dataset.networks.values.tolist())
    return [
        finite("measures of networks", np.stack([dataset[f"network_{name}"].values for name in LOCAL])),
        checks.judged(
            "converged",
            not loose,
            f"λmax converged for {count - len(loose)} of {count} networks.",
            f"Not for {', '.join(loose[:4])}: give a larger --tolerance, or read them with care.",
        ),
        checks.judged(
            "seeds",
            not alone,
            f"Networks per cell: {few} at least; pairs compared: {dataset.sizes.get('pair', 0)}.",
            f"Of {dataset.sizes[CELL]} cells {alone} have one network, so no connectivity, CKA or distance: "
            "train a second seed.",
        ),
        checks.judged(
            "grid",
            not holes,
            f"The grid of {sides[0]} × {sides[1]} cells ({found.x}, {found.y}) has {dataset.sizes[CELL]}.",
            f"Cells without a network, which are hatched: {holes}.",
        ),
    ]
