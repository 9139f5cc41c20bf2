"""Several seeds of one network as one: what they share is drawn once, with its spread over seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from landscape.comparison.identity import Results, common_name, groups
from landscape.comparison.pairs import apart
from landscape.comparison.pooling import together
from landscape.errors import ResultError
from landscape.results import attribute, plain


def pooled(results: Results, *, mix: bool = False) -> dict[str, dict[str, xr.Dataset]]:
    """The seeds of each configuration merged into one network under their common name.

    Seeds of one another are networks of one configuration, trained alike. Where a checkpoint does not record
    its training, their names have to say so, by differing in the seed alone as `gap-seed0` and `gap-seed1`
    do: the same network trained otherwise stays itself. So do networks without a configuration, single seeds,
    and copies of one checkpoint.

    The record of a merged network holds `seeds`: their names, paths and digests. The attribute `pooling` of
    each of its datasets says what was done:

    - `values`: mini-batches of a spectrum and directions of a flatness, one after the other, with the
      coordinate `seed`; their statistics are means over seeds, with Student's interval over seeds.
    - `mean`: the mean over seeds, and each `…_standard_error` its standard error over seeds.
    - `first`: what is a picture of one network, such as a surface: that of the first seed.

    Args:
        results: Network name → name of the result → dataset; left as they are.
        mix: Whether seeds measured under different protocols may be merged.

    Raises:
        ResultError: If seeds were measured under different protocols and `mix` does not allow it, or their
            results do not have the same form.
    """
    found: dict[str, dict[str, xr.Dataset]] = {}
    found_groups = groups(results)
    own = {names[0] for names in found_groups if len(names) == 1}
    for names in found_groups:
        if len(names) == 1:
            found[names[0]] = dict(results[names[0]])
            continue
        name = _unique(common_name(names), own | set(found))
        kinds = dict.fromkeys(kind for each in names for kind in results[each])
        found[name] = {
            kind: _merged(name, {each: results[each][kind] for each in names if kind in results[each]}, mix)
            for kind in kinds
        }
    return found


def members(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Records (name, path, sha256) of the seeds that a result was merged from; empty if it was not merged."""
    return (attribute(dataset, "network").get("seeds") or []) if "network" in dataset.attrs else []


def _unique(name: str, taken: set[str]) -> str:
    """The name, or with a number what is not taken."""
    candidates = [name, f"{name} (seeds)", *(f"{name} (seeds {i})" for i in range(2, len(taken) + 3))]
    return next(each for each in candidates if each not in taken)


def _merged(name: str, datasets: Mapping[str, xr.Dataset], mix: bool) -> xr.Dataset:
    """One result of all seeds that have it."""
    try:
        dataset, how = together(datasets)
        different = apart(list(datasets.values())) if how != "first" and not mix else []
        if different:
            raise ResultError(f"their protocols differ in {', '.join(different)}; measure them alike")
    except ResultError as error:
        kind = next(iter(datasets.values())).attrs.get("kind")
        raise ResultError(
            f"{', '.join(datasets)} are seeds of one network, but their {kind} cannot be merged: {error}; or "
            "draw each seed by itself"
        ) from error
    records = [attribute(each, "network") | {"name": label} for label, each in datasets.items()]
    network = records[0] | {"name": name, "path": None, "sha256": None}
    network["seeds"] = [{key: record.get(key) for key in ("name", "path", "sha256")} for record in records]
    made = [attribute(each, "provenance") for each in datasets.values()]
    checks = [
        check | {"message": f"{label}: {check['message']}"}
        for label, each in datasets.items()
        for check in attribute(each, "checks")
    ]
    words = {"network": network, "provenance": _provenance(made), "checks": checks}
    return dataset.assign_attrs(
        pooling=how, **{key: json.dumps(value, default=plain) for key, value in words.items()}
    )


def _provenance(made: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of all together: the last date, all seconds, and every version that took part."""
    found: dict[str, Any] = dict(made[0])
    if any("created" in each for each in made):
        found["created"] = max(str(each.get("created", "")) for each in made)
    if all("seconds" in each for each in made):
        found["seconds"] = round(sum(each["seconds"] for each in made), 3)
    versions = [each.get("versions", {}) for each in made]
    packages = dict.fromkeys(package for each in versions for package in each)
    if packages:
        found["versions"] = {
            package: " / ".join(dict.fromkeys(str(each[package]) for each in versions if each.get(package)))
            or None
            for package in packages
        }
    return found
