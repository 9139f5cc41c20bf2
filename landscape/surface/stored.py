"""Directions beside the surface that was computed along them, and back, for this network or another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.parameters import Parameters, flatten, unflatten
from landscape.surface.directions import Directions, as_array, layout
from landscape.surface.norms import require_same_shapes


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
        require_same_shapes(vectors[0], like, what="the stored direction", of=of)
        vectors = tuple({name: v[name].to(value) for name, value in like.items()} for v in vectors)
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
