"""Where a number came from: versions, machine and time."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("landscape", "torch", "numpy", "scipy", "xarray")


def provenance(seconds: float) -> dict[str, Any]:
    """Versions of what computed a result, when, and how long it took.

    Args:
        seconds: Wall-clock time of the computation.
    """
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "versions": versions,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
