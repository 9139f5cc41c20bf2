"""How alike networks are: CKA of outputs and layers, on images or on mixed ones, and disagreement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape import features
from landscape.errors import LandscapeError, NothingToMeasure
from landscape.losses import is_classification
from landscape.objective import Objective
from landscape.samples import Samples
from landscape.work import Item, Runner

_BATCH = 64


def measured(
    objectives: Sequence[Objective], pairs: Sequence[tuple[int, int]], mixup: bool, run: Runner
) -> xr.Dataset:
    """Similarity of every pair of networks, each with the statistics that it has.

    Args:
        objectives: Networks over the same samples.
        pairs: Which are compared.
        mixup: Whether outputs and layers are those of mixed images, as in Yang et al. 2021.
        run: Runs the networks and the pairs.

    Returns:
        By `pair`: `cka` of outputs (probabilities, where there are classes), `disagreement` (the share of
        samples, unmixed, on which the classes differ) with standard errors; by `layer`: `layer_cka`.
    """
    plain = [item["outputs"] for item in run(len(objectives), lambda k: _outputs(objectives[k]), "outputs")]
    shown, seen = list(objectives), plain
    if mixup:
        samples = mixed(objectives[0].samples, objectives[0].seed)
        shown = [objective.replace(samples=samples) for objective in objectives]
        seen = [item["outputs"] for item in run(len(shown), lambda k: _outputs(shown[k]), "mixed outputs")]
    size = min(_BATCH, len(objectives[0].samples))
    labels = objectives[0].samples.targets
    classes = isinstance(labels, Tensor) and is_classification(torch.from_numpy(plain[0]), labels)
    outputs = [torch.from_numpy(each).softmax(1) if classes else torch.from_numpy(each) for each in seen]
    found = np.array([features.alike(outputs[i], outputs[j], batch_size=size) for i, j in pairs])
    table: dict = {
        "cka": ("pair", found[:, 0], {"long_name": "CKA of outputs", "units": "1"}),
        "cka_standard_error": (
            "pair",
            found[:, 1],
            {"long_name": "jackknife over mini-batches", "units": "1"},
        ),
    }
    if classes:
        differ = np.array([plain[i].argmax(1) != plain[j].argmax(1) for i, j in pairs], float)
        count = differ.shape[1]
        error = differ.std(1, ddof=1) / np.sqrt(count) if count > 1 else np.full(len(pairs), np.nan)
        table["disagreement"] = ("pair", differ.mean(1), {"long_name": "share of samples with other classes"})
        table["disagreement_standard_error"] = ("pair", error)
    rows = run(len(pairs), lambda k: _layers(shown[pairs[k][0]], shown[pairs[k][1]], size), "layers")
    names = rows[0]["names"].tolist()
    if names and all(row["names"].tolist() == names for row in rows):
        for name in ("layer_cka", "layer_cka_standard_error"):
            table[name] = (("pair", "layer"), np.stack([row[name] for row in rows]))
        return xr.Dataset(table, coords={"layer": np.array(names, dtype=object)})
    return xr.Dataset(table)


def _outputs(objective: Objective) -> Item:
    found = torch.cat([outputs.detach().cpu() for outputs, _ in objective.outputs()])
    return {"outputs": found.flatten(1).double().numpy()}


def _layers(first: Objective, second: Objective, size: int) -> Item:
    """CKA of each layer with the same one of the other network; empty where there are no feature maps."""
    try:
        found = features.similarity(first, second, batch_size=size)
    except NothingToMeasure:
        found = None
    names = [] if found is None else [n for n in found.layer_a.values if n in found.layer_b.values]
    if found is None or not names:
        return {
            "names": np.array([], dtype="U1"),
            "layer_cka": np.empty(0),
            "layer_cka_standard_error": np.empty(0),
        }
    rows = [found.sel(layer_a=name, layer_b=name) for name in names]
    return {
        "names": np.array(names, dtype=str),
        "layer_cka": np.array([float(row.cka) for row in rows]),
        "layer_cka_standard_error": np.array([float(row.cka_standard_error) for row in rows]),
    }


def mixed(samples: Samples, seed: int) -> Samples:
    """Every image mixed with another by a share that is uniform in 0 … 1 (mixup with α = 1).

    The targets stay those of the first image: nothing is scored on mixed ones.

    Raises:
        LandscapeError: If inputs are no images that can be mixed.
    """
    count = len(samples)
    _, inputs, targets = next(iter(samples.batches(count, dtype=torch.float32)))
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
        raise LandscapeError(
            "mixup mixes images, but these samples are several tensors or tokens; leave out --mixup"
        )
    rng = np.random.default_rng((seed, count))
    other = torch.from_numpy(rng.permutation(count))
    share = torch.from_numpy(rng.random(count)).to(inputs).reshape(-1, *[1] * (inputs.dim() - 1))
    images = share * inputs + (1 - share) * inputs[other]
    return Samples(
        images,
        targets,
        source=f"{samples.source}, mixed",
        split=samples.split,
        normalisation=samples.normalisation,
        class_names=samples.class_names,
    )
