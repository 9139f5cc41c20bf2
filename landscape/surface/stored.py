"""Directions from elsewhere: Hessian eigenvectors, and those stored as arrays or tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.filters import roles, with_filters
from landscape.objective import Objective
from landscape.parameters import Parameters, flatten, unflatten
from landscape.results import attribute
from landscape.surface.directions import Directions, as_array, layout
from landscape.surface.moved import BLUR_FILTER
from landscape.surface.norms import UNITS, Norm, normalised, require_same_shapes


def as_arrays(directions: Directions) -> dict[str, xr.DataArray]:
    """What to assign to a dataset, so that `from_arrays` finds the directions again.

    Returns:
        `direction` with the dimensions `axis`, `parameter`: the tensors flattened in order, float32 or
        float64 as they were, attributes `tensors` (names and shapes) and `description` as JSON. With an
        origin other than the network's own weights, also `direction_origin` (`origin_parameter`).
    """
    vectors = np.stack([as_array(flatten(vector)) for vector in directions.vectors])
    attributes = {
        "long_name": "directions through the weights",
        "tensors": layout(directions.vectors[0]),
        "description": json.dumps(_description(directions)),
    }
    arrays = {"direction": xr.DataArray(vectors, dims=("axis", "parameter"), attrs=attributes)}
    if directions.origin is not None:
        arrays["direction_origin"] = xr.DataArray(
            as_array(flatten(directions.origin)),
            dims="origin_parameter",
            attrs={"long_name": "weights at (0, 0)", "tensors": layout(directions.origin)},
        )
    return arrays


def from_arrays(
    arrays: Mapping[Any, xr.DataArray] | xr.Dataset, like: Mapping[str, Tensor] | None = None
) -> Directions:
    """Directions that `as_arrays` stored.

    Args:
        arrays: The dataset, or what `as_arrays` returned.
        like: Free parameters of the network to use them for: names and shapes must fit, precision and device
            become theirs. Left out, the tensors lie on the CPU in the precision they were stored in.

    Raises:
        LandscapeError: If there are none or they are damaged, or naming the first tensor that does not fit.
    """
    if "direction" not in arrays:
        raise LandscapeError("this result holds no directions; only surfaces saved with theirs can lend them")
    stored = arrays["direction"]
    try:
        description = json.loads(stored.attrs["description"])
        labels = description["labels"]
        fields = {name: description[name] for name in ("norm", "kind", "seed", "units", "options")}
        vectors = tuple(_read(row, stored.attrs["tensors"]) for row in stored.values)
        origin = None
        if "direction_origin" in arrays:
            origin = _read(arrays["direction_origin"].values, arrays["direction_origin"].attrs["tensors"])
    except (KeyError, TypeError, ValueError, LandscapeError) as error:
        raise LandscapeError(
            f"the directions in this result are damaged ({error}); copy it again, or compute it again"
        ) from error
    if like is not None:
        of = "the network's free parameters"
        blurs = {name for name in vectors[0] if BLUR_FILTER.search(name) and name not in like}
        weights = {name: value for name, value in vectors[0].items() if name not in blurs}
        require_same_shapes(weights, like, what="the stored direction", of=of)
        kinds = {**like, **dict.fromkeys(blurs, next(iter(like.values())))}
        vectors = tuple({name: value.to(kinds[name]) for name, value in v.items()} for v in vectors)
        if origin is not None:
            origin = {name: value.to(next(iter(like.values()))) for name, value in origin.items()}
    return Directions(vectors, origin, labels=(labels[0], labels[1]), **fields)


def from_tensors(vectors: Sequence[Mapping[str, np.ndarray]], like: Mapping[str, Tensor]) -> Directions:
    """Directions given as arrays, such as those of another tool's file.

    Args:
        vectors: One or two, by names and with shapes of the network's parameters.
        like: The network's parameters, whose precision and device the directions take.

    Raises:
        LandscapeError: Naming the first tensor that does not fit.
    """
    tensors = tuple({name: torch.from_numpy(np.array(a)) for name, a in vector.items()} for vector in vectors)
    for vector in tensors:
        require_same_shapes(vector, like, what="the direction", of="the network")
    return Directions(tuple({name: v[name].to(like[name]) for name in v} for v in tensors), kind="file")


def _description(directions: Directions) -> dict[str, Any]:
    names = ("norm", "kind", "seed", "units", "options")
    return {name: getattr(directions, name) for name in names} | {"labels": list(directions.labels)}


def _read(row: np.ndarray, tensors: str) -> Parameters:
    like = {name: torch.empty(shape, device="meta") for name, shape in json.loads(tensors)}
    return unflatten(torch.from_numpy(np.array(row)), like)


def from_eigenvectors(
    dataset: xr.Dataset, objective: Objective, *, ranks: Sequence[int] = (1, 2), norm: Norm = "none"
) -> Directions:
    """Directions along Hessian eigenvectors of a saved result.

    Args:
        dataset: Of `landscape hessian … --vectors`, with the variable `vector` (rank, parameter).
        objective: Whose free parameters the eigenvectors were computed over; gives names and shapes.
        ranks: One or two of the result's ranks, the most wanted eigenvalue being 1.
        norm: A scale other than the eigenvectors' own, which is ‖Δw‖ in raw coordinates.

    Raises:
        LandscapeError: If the result holds no vectors or not these ranks, or is over other parameters.
    """
    if "vector" not in dataset:
        raise LandscapeError(
            "this result holds no eigenvectors; compute it again with `landscape hessian … --vectors`"
        )
    held = [int(rank) for rank in dataset["rank"].values]
    if not set(ranks) <= set(held) or len(set(ranks)) != len(ranks):
        raise LandscapeError(f"the ranks {list(ranks)} are asked for; choose different ones of {held}")
    options = attribute(dataset, "protocol").get("options", {}) if "protocol" in dataset.attrs else {}
    coordinates = options.get("coordinates", "raw")
    found = roles(objective.network.module)
    # Filter and layer coordinates have no place for biases and BatchNorm.
    moved = objective.free if coordinates == "raw" else with_filters(objective.free, found)
    size, expected = dataset.sizes["parameter"], sum(value.numel() for value in moved.values())
    if size != expected:
        raise LandscapeError(
            f"the eigenvectors have {size} entries, the network's parameters that match "
            f"{objective.params!r} have {expected} in {coordinates} coordinates; use the network and the "
            "--params that the eigenvectors were computed with"
        )
    zeros = {name: torch.zeros_like(value) for name, value in objective.free.items()}
    vectors = []
    for rank in ranks:
        row = torch.from_numpy(np.array(dataset["vector"].values[held.index(rank)]))
        vector = {name: part.to(moved[name]) for name, part in unflatten(row, moved).items()}
        vectors.append(normalised(zeros | vector, objective.parameters, norm, roles=found))
    own = "‖Δw‖" if coordinates == "raw" else f"lengths in {coordinates} coordinates"
    return Directions(
        tuple(vectors),
        norm=norm,
        kind="eigenvectors",
        units=own if norm == "none" else UNITS[norm],
        labels=(f"eigenvector {ranks[0]}", f"eigenvector {ranks[-1]}"),
        options={"ranks": list(ranks), "coordinates": coordinates, **_evidence(dataset, objective, ranks)},
    )


def _evidence(dataset: xr.Dataset, objective: Objective, ranks: Sequence[int]) -> dict[str, bool]:
    """Whether they converged, and are of the same checkpoint file; without what is not known."""
    found = {}
    if "converged" in dataset:
        found["converged"] = bool(dataset["converged"].sel(rank=list(ranks)).all())
    lender, mine = attribute(dataset, "network") if "network" in dataset.attrs else {}, objective.network
    if lender.get("sha256") and mine.sha256:
        same = (lender["sha256"], lender.get("architecture")) == (mine.sha256, mine.architecture)
        found["own"] = same  # inserted smoothing changes the architecture, not the file
    return found
