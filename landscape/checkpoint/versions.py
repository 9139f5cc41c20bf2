"""Versions of layers: what a file states of them, for the hooks that bring older weights up to date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

_TRIED = 64

Versions = Mapping[str, int]
"""Version of the layer by its name in a state dict, as PyTorch keeps it in the attribute `_metadata`."""


def stated(state: Any) -> Versions | None:
    """The versions in what a file says of a mapping's attributes; None where it says nothing of the kind."""
    metadata = state.get("_metadata") if isinstance(state, dict) else None
    if not isinstance(metadata, dict):
        return None
    each = {name: about.get("version") for name, about in metadata.items() if isinstance(about, dict)}
    return {name: value for name, value in each.items() if isinstance(name, str) and type(value) is int}


def metadata_of(module: nn.Module, found: Sequence[Versions]) -> dict[str, dict[str, int]]:
    """What `load_state_dict` is told of each layer: the version in the file, or else the layer's own.

    Without it PyTorch takes weights for those of a version before versions were counted, and layers that
    have changed since convert what is new already.

    Args:
        module: The network.
        found: Versions of every mapping in the file.
    """
    names = [name for name, _ in module.named_modules()]
    own = getattr(module.state_dict(), "_metadata", {})
    best: Versions = {}
    for each in _below(found):
        if sum(name in each for name in names) > sum(name in best for name in names):
            best = each
    versions = {name: best.get(name, own.get(name, {}).get("version")) for name in names}
    return {name: {"version": value} for name, value in versions.items() if value is not None}


def _below(found: Sequence[Versions]) -> Iterator[Versions]:
    """Each mapping's versions as they read below each of its outer names, such as those of wrappers."""
    for versions in found:
        yield versions
        for prefix in [name for name in versions if name and name.count(".") < 3][:_TRIED]:
            start = f"{prefix}."
            inside = {
                name.removeprefix(start): each for name, each in versions.items() if name.startswith(start)
            }
            yield inside | {"": versions[prefix]}
