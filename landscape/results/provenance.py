"""Where a number came from: versions, machine and time."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("landscape", "torch", "numpy", "scipy", "xarray")


def installed_version(package: str) -> str | None:
    """Version of an installed package; None for one that is not (a checkout on the path)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def provenance(seconds: float) -> dict[str, Any]:
    """Versions of what computed a result, when, and how long it took.

    Args:
        seconds: Wall-clock time of the computation.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "versions": {package: installed_version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
