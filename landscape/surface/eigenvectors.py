"""Directions along the Hessian eigenvectors of a saved result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from landscape.errors import LandscapeError
from landscape.filters import roles, with_filters
from landscape.objective import Objective
from landscape.parameters import unflatten
from landscape.results import attribute
from landscape.surface.directions import Directions
from landscape.surface.norms import UNITS, Norm, normalised


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
        found["own"] = same  # smoothing that was put in changes the architecture, not the file
    return found
