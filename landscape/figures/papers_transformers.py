"""Counterparts of figures of Park & Kim 2022b, How Do Vision Transformers Work?, of any measured networks."""

from __future__ import annotations

from typing import Any

from landscape.comparison.identity import Results
from landscape.comparison.roles import Cast, first_of_each, renamed
from landscape.figures.plates import COMMANDS, ICML, Plate, Widths, plate, require
from landscape.figures.surface.grids import is_plane
from landscape.figures.surface.polar import is_polar


def fig1(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Loss surfaces, training seen from its end, and max-eigenvalue spectra with their negative side.

    Args:
        results: Kinds `surface`, `trajectory` and `spectrum`; one of them will do.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    suits = {"surface": is_plane, "trajectory": is_polar, "spectrum": lambda dataset: True}
    able = {
        network: {name: each for name, each in kinds.items() if name in suits and suits[name](each)}
        for network, kinds in named.items()
    }
    parts = {
        kind: (figure, first_of_each(able, (kind,)), width)
        for kind, figure, width in (
            ("surface", "surface3d", widths[1]),
            ("trajectory", "polar", widths[0]),
            ("spectrum", "spectrum", widths[1]),
        )
    }
    return _parts("Fig. 1 of Park & Kim (2022b)", parts, named)


def fig2(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Δ log amplitude against frequency by depth, and the accuracy drop against the frequency of noise.

    Args:
        results: Kinds `features` and `noise`; one of them will do.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    parts = {
        "features": ("fourier", first_of_each(named, ("features",)), widths[1]),
        "noise": ("noise", first_of_each(named, ("noise",)), widths[0]),
    }
    return _parts("Fig. 2 of Park & Kim (2022b)", parts, named)


def fig8(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Δ log amplitude at the highest frequency by depth, kinds of layers shaded.

    Args:
        results: Kind `features`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    played = first_of_each(named, ("features",))
    return [plate("Fig. 8 of Park & Kim (2022b)", "high_frequency", played, named, width=widths[1])]


def fig9(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Variance of feature maps by depth, kinds of layers shaded.

    Args:
        results: Kind `features`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    played = first_of_each(named, ("features",))
    return [plate("Fig. 9 of Park & Kim (2022b)", "variance", played, named, width=widths[1])]


def _parts(number: str, parts: dict[str, tuple[str, Cast, float]], results: Results) -> list[Plate]:
    """The parts for which there are results, lettered as in the paper; the first says which are absent."""
    missing = [kind for kind, (_, played, _) in parts.items() if not played.found]
    if len(missing) == len(parts):
        require(number, Cast({}), results, tuple(parts))
    letters = dict(zip(parts, "abc", strict=False))
    said = "; ".join(f"{letters[kind]}, of results {kind} (`{COMMANDS[kind]}`)" for kind in missing)
    found: list[Plate] = []
    for kind, (figure, played, width) in parts.items():
        if kind not in missing:
            options: dict[str, Any] = {"quantities": ("accuracy_drop",)} if figure == "noise" else {}
            words = f"Absent part: {said}." if said and not found else ""
            found.append(
                plate(number, figure, played, results, part=letters[kind], width=width, said=words, **options)
            )
    return found
