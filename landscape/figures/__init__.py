"""Publication-ready comparative figures of saved results; reads xarray datasets and never imports torch.

Each function takes one result, or several by network name, and returns a matplotlib `Figure`:

    >>> from landscape import figures, results
    >>> figure = figures.contours({"gap": results.load("gap-surface.zarr")})      # doctest: +SKIP
    >>> figures.save(figure, "contours")                                          # doctest: +SKIP

Figures are found where they register themselves, see `landscape.figures.registry`; nothing loads before its
first use.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

_NAMES = {
    "Drawing": "registry",
    "FONTS": "style",
    "Look": "style",
    "ONE_COLUMN": "style",
    "PRESETS": "style",
    "TWO_COLUMN": "style",
    "animate": "surface.sequence",
    "caption": "registry",
    "caption_parts": "registry",
    "draw": "registry",
    "font": "style",
    "looks": "style",
    "preset_width": "style",
    "protocol_differences": "captions",
    "save": "style",
    "suited": "registry",
}
"""What there is besides the figures, and where."""
_CATALOGUES = {"FIGURES": False, "FURTHER": True}
"""What is drawn of every comparison; figures of results of a special form, or of several of one network."""


def __getattr__(name: str) -> Any:
    if name in {module.name for module in pkgutil.iter_modules(__path__)}:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    if name == "__all__":
        return __dir__()
    if not name.startswith("_"):
        registry = importlib.import_module(f"{__name__}.registry")
        if name in _CATALOGUES:
            return registry.catalogue(further=_CATALOGUES[name])
        if name in registry.registered():
            return registry.registered()[name].draw
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from landscape.figures.registry import registered

    return sorted([*_NAMES, *_CATALOGUES, *registered()])
