"""The kinds of results there are. A module of this package that holds a `Kind` adds it; there is no list.

Importing it takes neither torch, NumPy nor xarray, so that the command line can offer every kind.
"""

from __future__ import annotations

import importlib
import pkgutil

from landscape.results.kinds.record import Kind, Option, Pooling, imported

__all__ = ["KINDS", "Kind", "Option", "Pooling", "imported"]


def _discovered() -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for module in sorted(each.name for each in pkgutil.iter_modules(__path__)):
        for value in vars(importlib.import_module(f"{__name__}.{module}")).values():
            if isinstance(value, Kind) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"two kinds of results are called {value.name!r}, one in {module}.py")
    return found


KINDS: dict[str, Kind] = _discovered()
"""Every kind of result by name."""
