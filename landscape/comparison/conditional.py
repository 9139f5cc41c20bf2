"""The map of conditions: whether a change of the landscape holds when measured, or trained, otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from landscape.comparison.identity import Results, stable, trained
from landscape.comparison.verdicts import Verdict, verdicts
from landscape.results import attribute, condition

REFERENCE = "reference"

MEASURED: dict[str, str] = {
    "test": "test images",
    "augmented": "augmented images",
    "batch16": "mini-batches of 16",
    "whole": "all images at once",
    "filter": "in filter norms",
    "off": "dropout off",
}
"""What differs from the reference in a result of a condition, in words."""

_CURVED = {"spectrum": ("eigenvalue",), "flatness": ("curvature", "rise")}
"""Variables that scale with the loss, by kind of result."""


@dataclass(frozen=True)
class Conditioned:
    """A verdict on the landscape, and what it was measured under.

    Attributes:
        measured: What differs from the reference in how it was measured, in words; empty where nothing does.
        trained: The same of how both networks were trained.
        factor: What the variant has and the baseline has not.
        dropout: Rate of the MC dropout of both networks.
        verdict: The change.
    """

    measured: str
    trained: str
    factor: str
    dropout: float
    verdict: Verdict

    @property
    def condition(self) -> str:
        """All that differs; `reference` where nothing does."""
        return " and ".join(filter(None, [self.measured, self.trained])) or REFERENCE


def conditional(results: Results, *, mix: bool = False, seed: int = 0) -> list[Conditioned]:
    """Every change of the landscape under every condition that was measured.

    The reference is the usual measurement of the networks trained as most of them were. Others differ in what
    was measured (`MEASURED`), in the unit (divided by the training NLL, multiplied by the squared norm of the
    weights, both per network), in how both networks of a pair were trained, or in training and one of those.
    All of it is exploratory: each change is judged by its own interval.

    Args:
        results: Network name → name of the result → dataset.
        mix: Whether networks measured under different protocols may be compared.
        seed: Random seed of the resampling.

    Raises:
        ResultError: As `verdicts`.
    """
    most = _most(results)
    found = []
    for words, view in _views(results):
        for verdict in verdicts(view, mix=mix, seed=seed, exploratory=True):
            record = attribute(next(iter(view[verdict.pair.variant[0]].values())), "network")
            other = _in_words(_training(record), most)
            dropout = float(record["config"].get("dropout") or 0)
            found.append(Conditioned(words, other, verdict.pair.factor, dropout, verdict))
    return found


def usual(results: Results) -> dict[str, dict[str, xr.Dataset]]:
    """The results without those under conditions of the map."""
    return {
        network: {name: each for name, each in kinds.items() if condition(each) not in MEASURED}
        for network, kinds in results.items()
    }


def alike(results: Results) -> dict[str, Mapping[str, xr.Dataset]]:
    """The results of the networks that were trained as most of them were."""
    most = _most(results)
    return {
        network: kinds
        for network, kinds in results.items()
        if kinds and _training(attribute(next(iter(kinds.values())), "network")) == most
    }


def _views(results: Results) -> Iterator[tuple[str, Results]]:
    """What differs, and the results under the names of usual ones."""
    yield "", _picked(results)
    for name, words in MEASURED.items():
        yield words, _picked(results, name)
    yield "divided by the training NLL", _scaled(results, lambda flat: 1 / float(flat["center"][0]))
    # Flatness is in filter norms as it is.
    norms = _scaled(results, lambda flat: float(flat["direction_norm"].mean()) ** 2)
    yield "times ‖w‖²", {name: {"spectrum": kinds["spectrum"]} for name, kinds in norms.items()}


def _picked(results: Results, wanted: str = "") -> dict[str, dict[str, xr.Dataset]]:
    """What was measured of curvature under one condition, by kind."""
    picked = {
        network: {
            kind: each
            for each in kinds.values()
            if (kind := each.attrs.get("kind")) in _CURVED and condition(each) == wanted
        }
        for network, kinds in results.items()
    }
    return {network: kinds for network, kinds in picked.items() if kinds}


def _scaled(results: Results, factor: Callable[[xr.Dataset], float]) -> dict[str, dict[str, xr.Dataset]]:
    """Everything that scales with the loss, multiplied by one number a network."""
    scaled: dict[str, dict[str, xr.Dataset]] = {}
    for network, kinds in _picked(results).items():
        if not _CURVED.keys() <= kinds.keys():
            continue
        by = factor(kinds["flatness"])
        scaled[network] = {
            kind: dataset.assign({name: dataset[name] * by for name in _CURVED[kind]})
            for kind, dataset in kinds.items()
        }
    return scaled


def _training(record: Mapping[str, Any]) -> dict[str, Any]:
    """How a network was trained, flat: recipe, images, epochs done, width and depth."""
    training = trained(record)
    recipe = dict(training.pop("recipe", None) or {})
    config = record.get("config") or {}
    return recipe | training | {key: config[key] for key in ("width", "depth") if key in config}


def _most(results: Results) -> dict[str, Any]:
    """How most of the networks were trained."""
    each = [
        _training(attribute(next(iter(kinds.values())), "network")) for kinds in results.values() if kinds
    ]
    count = Counter(map(stable, each))
    return next((one for one in each if stable(one) == count.most_common(1)[0][0]), {})


def _in_words(training: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """What differs in training, such as `width 8` or `8 of 17 epochs`; empty where nothing does."""
    if not training.keys() >= usual.keys():
        return "training not recorded"
    apart = {key: value for key, value in training.items() if value != usual.get(key)}
    epochs, done = training.get("epochs"), training.get("done")
    words = []
    if done is not None and done != epochs:
        words.append(f"{done} of {epochs} epochs")
    elif "epochs" in apart:
        words.append(f"{epochs} epochs")
    for key, value in apart.items():
        if key not in ("epochs", "done"):
            words.append(f"{value:,} images" if key == "images" else f"{key.replace('_', ' ')} {value}")
    return ", ".join(words)
