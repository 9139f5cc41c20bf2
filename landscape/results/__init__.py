"""Labelled results with their protocol, on disk and back; imports neither torch nor matplotlib.

Names load on first use: `landscape.results.kinds`, which the command line reads, imports nothing heavy.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscape.results.bundle import load_bundle, save_bundle
    from landscape.results.journal import Journal, sweep
    from landscape.results.kinds import KINDS
    from landscape.results.schema import (
        Check,
        attribute,
        condition,
        differences,
        incidental,
        plain,
        provenance,
        stamp,
    )
    from landscape.results.store import check_place, drop_fragment, fragment_place, load, save
    from landscape.results.surfaces import LeftOut, at_centre, centre, left_out

_FILES = {
    "bundle": ("load_bundle", "save_bundle"),
    "journal": ("Journal", "sweep"),
    "kinds": ("KINDS",),
    "schema": (
        *("Check", "attribute", "condition", "differences", "incidental", "plain", "provenance", "stamp"),
    ),
    "store": ("check_place", "drop_fragment", "fragment_place", "load", "save"),
    "surfaces": ("LeftOut", "at_centre", "centre", "left_out"),
}

__all__ = [
    "KINDS",
    "Check",
    "Journal",
    "LeftOut",
    "at_centre",
    "attribute",
    "centre",
    "check_place",
    "condition",
    "differences",
    "drop_fragment",
    "fragment_place",
    "incidental",
    "left_out",
    "load",
    "load_bundle",
    "plain",
    "provenance",
    "save",
    "save_bundle",
    "stamp",
    "sweep",
]


def __getattr__(name: str) -> Any:
    for file, names in _FILES.items():
        if name in names:
            return getattr(importlib.import_module(f"landscape.results.{file}"), name)
    raise AttributeError(f"module 'landscape.results' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
