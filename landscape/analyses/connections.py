"""Measured paths as a dataset, the checks of it, and what a command says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from landscape import surface as planes
from landscape.connectivity.heights import barrier, connectivity
from landscape.connectivity.walk import Walk
from landscape.results import Check
from landscape.results.checks import finite
from landscape.surface import Directions

_FINE = 41
"""Points of a path that is drawn on a plane."""
_WORDS = {
    "barrier": "rise above the chord between the ends, at most",
    "mc": "mode connectivity",
    "mc_error": "mode connectivity of the error",
}


def labels(names: Sequence[str]) -> list[str]:
    """Names that differ: of several equal ones the later are numbered."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def along(
    pairs: Sequence[tuple[str, str]],
    walks: Sequence[Sequence[Walk]],
    sides: Sequence[str],
    *,
    likelihood: bool,
) -> xr.Dataset:
    """Losses along paths and what follows of them.

    Args:
        pairs: Names of the ends.
        walks: Of each pair, the same paths in the same order.
        sides: Names of the splits.
        likelihood: Whether losses are in nats.
    """
    unit = {"units": "nats"} if likelihood else {}
    first = walks[0][0]
    lines = ("pair", "path", "side", "t")
    table: dict[str, Any] = {}
    for name, of in {"nll": "losses", "accuracy": "right"}.items():
        if getattr(first, of):
            values = [[list(getattr(walk, of)) for walk in row] for row in walks]
            table |= _means(name, values, lines, unit if name == "nll" else {})
    table |= _means("rise", [[[_rise(w.t, x) for x in w.losses] for w in row] for row in walks], lines, unit)
    table |= _measures(walks, unit)
    return xr.Dataset(
        {
            **table,
            "distance": (("pair", "path"), _of(walks, lambda w: w.path.distance()), {"units": "‖Δw‖"}),
            "length": (("pair", "path"), _of(walks, lambda w: w.path.length()), {"units": "‖Δw‖"}),
            "passes": (("pair", "path"), _of(walks, lambda w: w.passes)),
            "training_steps": (("pair", "path"), _of(walks, lambda w: w.steps)),
            "a": ("pair", np.array([a for a, _ in pairs], dtype=object)),
            "b": ("pair", np.array([b for _, b in pairs], dtype=object)),
        },
        coords={
            "pair": np.array([f"{a} – {b}" for a, b in pairs], dtype=object),
            "path": np.array([walk.name for walk in walks[0]], dtype=object),
            "side": np.array(list(sides), dtype=object),
            "t": ("t", first.t, {"long_name": "share of the way"}),
        },
    )


def _measures(walks: Sequence[Sequence[Walk]], unit: Mapping[str, str]) -> dict[str, Any]:
    """Barrier and mode connectivity of the loss, and the latter of the error where there are classes."""
    heights = ("pair", "path", "side")
    table: dict[str, Any] = {}
    measures = {"barrier": (barrier, "losses", unit), "mc": (connectivity, "losses", unit)}
    if walks[0][0].right:
        measures["mc_error"] = (connectivity, "right", {})
    for name, (measure, of, units) in measures.items():
        found = [
            [[measure(w.t, 1.0 - x if of == "right" else x) for x in getattr(w, of)] for w in row]
            for row in walks
        ]
        table |= _heights(name, found, heights, units)
    return table


def _rise(t: np.ndarray, losses: np.ndarray) -> np.ndarray:
    return losses - (1 - t)[:, None] * losses[0] - t[:, None] * losses[-1]


def _of(walks: Sequence[Sequence[Walk]], read: Any) -> np.ndarray:
    return np.array([[read(walk) for walk in row] for row in walks])


def _means(name: str, values: Any, dims: Sequence[str], units: Mapping[str, str]) -> dict[str, Any]:
    """Means over samples with their standard errors."""
    rows = [[[_mean(side.astype(float)) for side in path] for path in pair] for pair in values]
    mean, error = np.moveaxis(np.array(rows), -2, 0)  # splits may hold different numbers of samples
    words = {"nll": "negative log-likelihood", "rise": "rise of the NLL above the chord"}
    return {
        name: (dims, mean, {"long_name": words.get(name, name), **units}),
        f"{name}_standard_error": (dims, error, {"long_name": "standard error over samples", **units}),
    }


def _mean(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = losses.shape[-1]
    error = losses.std(-1, ddof=1) / np.sqrt(count) if count > 1 else np.full(len(losses), np.nan)
    return losses.mean(-1), error


def _heights(name: str, found: Any, dims: Sequence[str], units: Mapping[str, str]) -> dict[str, Any]:
    def read(field: str) -> np.ndarray:
        return np.array([[[getattr(one, field) for one in side] for side in row] for row in found])

    fields = {"": "value", "_standard_error": "error", "_at": "at", "_resolution": "resolution"}
    return {
        f"{name}{end}": (dims, read(field), {"long_name": f"{_WORDS[name]}{end.replace('_', ' ')}", **units})
        for end, field in fields.items()
    }


def on_plane(walks: Sequence[Walk], directions: Directions, marks: np.ndarray) -> xr.Dataset:
    """Where paths lie on a plane, and how far off it."""
    fine = np.linspace(0, 1, _FINE)
    found = [planes.project([walk.path.at(float(t)) for t in fine], directions) for walk in walks]
    dims = ("path", "fine")
    return xr.Dataset(
        {
            "path_x": (dims, np.stack([each.x.values for each in found])),
            "path_y": (dims, np.stack([each.y.values for each in found])),
            "path_off": (dims, np.stack([each.off_plane.values for each in found]), {"units": "‖Δw‖"}),
            "mark_x": ("mark", marks[:, 0]),
            "mark_y": ("mark", marks[:, 1]),
        },
        coords={"fine": fine, "mark": np.array(["a", "b", "third"], dtype=object)},
    )


def checks(dataset: xr.Dataset, notes: Mapping[str, Any]) -> list[Check]:
    """Whether losses are finite, points close enough, ends as they were, and alignments settled."""
    found = [finite("losses", dataset.nll.values), _resolution(dataset)]
    if (symmetry := notes["found"]) is not None:
        units = sum(len(group.members) for group in symmetry.groups)
        count = len(symmetry.groups)
        text = f"{units} units in {count} groups may be permuted; tried at random, outputs stay the same."
        found.append(Check("symmetry", True, text))
        found.append(_settled(notes["unsettled"]))
    return found + _curve(dataset)


def _resolution(dataset: xr.Dataset) -> Check:
    """Whether a barrier may be much higher between the points."""
    more = dataset.barrier_resolution.values
    room = np.maximum(2 * np.nan_to_num(dataset.barrier_standard_error.values), 0.05 * dataset.barrier.values)
    worst = float(more.max())
    text = f"Between the {dataset.sizes['t']} points of a path a barrier may be higher by up to {worst:.2g}"
    if bool((more <= room + 1e-12).all()):
        return Check("points", True, f"{text}, less than its error.")
    return Check("points", False, f"{text}; take more --points.")


def _curve(dataset: xr.Dataset) -> list[Check]:
    """Whether a curve is as low on the split that it was not trained on; a line only where there are both."""
    name = str(dataset.path.values[-1])
    if name not in ("bezier", "polygon") or dataset.sizes["side"] < 2:
        return []
    heights = dataset.barrier.sel(path=name).values
    errors = np.hypot(*np.moveaxis(dataset.barrier_standard_error.sel(path=name).values, -1, 0))
    apart = np.abs(heights[:, 1] - heights[:, 0])
    worst = int(np.argmax(apart - 2 * errors))
    a, b = (f"{heights[worst, k]:.3g} on the {dataset.side.values[k]} split" for k in (0, 1))
    text = f"Along the curve the barrier is {a} and {b}"
    if not apart[worst] > 2 * errors[worst]:
        return [Check("curve", True, f"{text}, the same within errors.")]
    return [Check("curve", False, f"{text}: it fits the images that it was trained on; take more --samples.")]


def _settled(unsettled: Sequence[str]) -> Check:
    if not unsettled:
        return Check(
            "alignment", True, "Every alignment settled: no group of units can be matched better alone."
        )
    return Check(
        "alignment",
        False,
        f"The alignment of {', '.join(unsettled)} did not settle; barriers after it are upper bounds.",
    )


def summary(dataset: xr.Dataset) -> tuple[dict[str, Any], list[str]]:
    """The JSON of a measurement on its own split, and what people read."""
    paths, lines = [], [f"{'path':<34}{'barrier':>18}{'mc':>10}{'distance':>10}"]
    for i in range(dataset.sizes["pair"]):
        for j, name in enumerate(dataset.path.values):
            one = dataset.isel(pair=i, path=j)
            paths.append(_path(one, str(name)))
            row = paths[-1]
            who = f"{row['a']} – {row['b']}, {name}"
            height = f"{row['barrier']:.4g} ± {row['standard_error']:.2g}"
            lines.append(f"{who:<34}{height:>18}{row['mc']:>10.4g}{row['distance']:>10.4g}")
    pairs = [_pair(dataset.isel(pair=i)) for i in range(dataset.sizes["pair"])]
    for pair in pairs:
        text = (
            f"{pair['a']} – {pair['b']}: CKA of outputs {pair['cka']:.3g} ± {pair['cka_standard_error']:.2g}"
        )
        if pair["disagreement"] is not None:
            text += f", disagree on {100 * pair['disagreement']:.3g} % of samples"
        lines.append(text)
    cost = f"{int(dataset.passes.sum()):,} images passed forward"
    steps = int(dataset.training_steps.sum())
    lines.append(cost + (f", {steps:,} steps of training" if steps else ""))
    return {"split": str(dataset.side.values[0]), "paths": paths, "pairs": pairs}, lines


def _path(one: xr.Dataset, name: str) -> dict[str, Any]:
    own = one.isel(side=0)
    row: dict[str, Any] = {"a": str(one.a.item()), "b": str(one.b.item()), "path": name}
    row |= {"barrier": float(own.barrier), "standard_error": float(own.barrier_standard_error)}
    row |= {"mc": float(own.mc), "mc_standard_error": float(own.mc_standard_error)}
    row |= {"distance": float(one.distance), "length": float(one.length), "at": float(own.barrier_at)}
    row |= {"passes": int(one.passes), "steps": int(one.training_steps)}
    row["splits"] = {
        str(side): {
            "barrier": float(one.barrier[k]),
            "standard_error": float(one.barrier_standard_error[k]),
            "mc": float(one.mc[k]),
            "nll": one.nll[k].values.tolist(),
            **({"accuracy": one.accuracy[k].values.tolist()} if "accuracy" in one else {}),
        }
        for k, side in enumerate(one.side.values)
    }
    return row


def _pair(one: xr.Dataset) -> dict[str, Any]:
    known = "disagreement" in one
    return {
        "a": str(one.a.item()),
        "b": str(one.b.item()),
        "cka": float(one.cka),
        "cka_standard_error": float(one.cka_standard_error),
        "disagreement": float(one.disagreement) if known else None,
        "disagreement_standard_error": float(one.disagreement_standard_error) if known else None,
    }
