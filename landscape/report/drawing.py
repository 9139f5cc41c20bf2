"""Which figures there are to draw of some results, each with its results and options, and their files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from landscape import figures
from landscape.errors import ResultError
from landscape.figures.registry import Drawing, catalogue, find
from landscape.figures.style import Look
from landscape.figures.surface.grids import QUANTITIES, masks
from landscape.files import write_text

Results = Mapping[str, Mapping[str, xr.Dataset]]
"""Network name → kind of result → dataset."""

_SURFACES = ("contours", "surface3d", "lines", "sequence", "trajectory")
"""Figures that show one quantity of a surface."""


@dataclass(frozen=True)
class Panel:
    """A figure to draw.

    Attributes:
        name: Of the catalogue.
        datasets: By network name.
        options: Of its function and of its caption.
        width: In inches; None takes the figure's usual one.
    """

    name: str
    datasets: Mapping[str, xr.Dataset]
    options: Mapping[str, Any] = field(default_factory=dict)
    width: float | None = None

    @property
    def drawing(self) -> Drawing:
        """The figure's entry in the catalogue."""
        return find(self.name)

    def caption(self) -> str:
        """Its caption."""
        return figures.caption(self.name, self.datasets, **self.options)

    def save(
        self, folder: Path, looks: Mapping[str, Look], formats: Iterable[str] = ("pdf", "svg", "png")
    ) -> str:
        """Write it, with its caption beside it, and an animation of what is a sequence.

        Returns:
            The caption.
        """
        figure = figures.draw(self.name, self.datasets, looks=looks, width=self.width, **self.options)
        figures.save(figure, folder / self.name, formats=tuple(formats))
        if self.name == "sequence":
            figures.animate(self.datasets, folder / "sequence.gif", width=self.width, **self.options)
        text = self.caption()
        write_text(folder / f"{self.name}.txt", text + "\n")
        return text


def panels(
    results: Results, *, quantity: str = "nll", only: Collection[str] = (), width: float | None = None
) -> list[Panel]:
    """Every figure that suits some of the results, in the order of the catalogue.

    Args:
        results: What there is.
        quantity: What is drawn of surfaces.
        only: Names of figures; all by default.
        width: In inches; None takes each figure's usual one.

    Raises:
        ResultError: If a figure or the quantity is unknown.
    """
    for name in only:
        find(name)
    if quantity not in QUANTITIES:
        raise ResultError(f"unknown quantity {quantity!r}; a surface has {', '.join(QUANTITIES)}")
    return [
        Panel(name, datasets, _options(name, results, quantity), width)
        for name in catalogue()
        if (datasets := _datasets(name, results)) and (not only or name in only)
    ]


def _datasets(name: str, results: Results) -> dict[str, xr.Dataset]:
    """The results that a figure draws."""
    kind = find(name).kind
    own = {network: kinds[kind] for network, kinds in results.items() if kind in kinds}
    if name == "sequence":
        several = {network: each for network, each in own.items() if len(masks(each)) > 1}
        return several if len({len(masks(each)) for each in several.values()}) == 1 else {}
    return figures.suited(own).get(name, {})


def _options(name: str, results: Results, quantity: str) -> dict[str, Any]:
    """The quantity of surfaces, and the surface beneath a trajectory."""
    options: dict[str, Any] = {"quantity": quantity} if name in _SURFACES and quantity != "nll" else {}
    if name == "trajectory":
        beneath = {
            network: kinds["surface"]
            for network, kinds in results.items()
            if {"surface", "trajectory"} <= set(kinds) and _same_plane(kinds["surface"], kinds["trajectory"])
        }
        options |= {"surfaces": beneath} if beneath else {}
    return options


def _same_plane(surface: xr.Dataset, trajectory: xr.Dataset) -> bool:
    """Whether a surface was measured along a trajectory's directions."""
    if not all("direction" in each for each in (surface, trajectory)):
        return False
    return bool(surface["direction"].equals(trajectory["direction"]))
