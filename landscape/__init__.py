"""See whether one trained network is flatter, calmer or better calibrated than another.

    >>> import landscape as ls
    >>> network = ls.load("net.safetensors")                              # doctest: +SKIP
    >>> objective = ls.Objective(network, ls.data.demo().take(200))       # doctest: +SKIP
    >>> ls.hessian.top_eigenvalues(objective, k=5)                        # doctest: +SKIP

Rooms and names load on first use, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # isort: off
    from landscape import (
        analyses as analyses,
        connectivity as connectivity,
        data as data,
        family as family,
        features as features,
        figures as figures,
        hessian as hessian,
        linalg as linalg,
        predictive as predictive,
        report as report,
        results as results,
        sharpness as sharpness,
        surface as surface,
        tasks as tasks,
        zoo as zoo,
    )
    from landscape.checkpoint import load as load, save as save
    from landscape.errors import LandscapeError as LandscapeError
    from landscape.network import Network as Network
    from landscape.objective import Objective as Objective
    from landscape.samples import Normalisation as Normalisation, Samples as Samples

_ROOMS = (
    "analyses",
    "connectivity",
    "data",
    "family",
    "features",
    "figures",
    "hessian",
    "linalg",
    "predictive",
    "report",
    "results",
    "sharpness",
    "surface",
    "tasks",
    "zoo",
)
_NAMES = {
    "LandscapeError": "errors",
    "Network": "network",
    "Normalisation": "samples",
    "Objective": "objective",
    "Samples": "samples",
    "load": "checkpoint",
    "save": "checkpoint",
}

__all__ = [*_NAMES, *_ROOMS]


def __getattr__(name: str):
    if name in _ROOMS:
        return importlib.import_module(f"landscape.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"landscape.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'landscape' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
