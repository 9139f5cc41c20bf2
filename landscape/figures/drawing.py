"""One entry of the catalogue of figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import xarray as xr
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """One figure of the catalogue.

    Attributes:
        kind: Kind of result it draws.
        title: Its heading on a page.
        description: What is to be seen, as alternative text.
        draw: The function, called with results and options.
        per_network: Whether lines have the look of their network (the function takes `looks`).
        suits: Whether a result of the kind can be drawn so on its own.
    """

    kind: str
    title: str
    description: str
    draw: Callable[..., Figure]
    per_network: bool
    suits: Callable[[xr.Dataset], bool] = lambda dataset: True
