"""Counterparts of Figs 3 to 8 of Park & Kim 2022a, Blurs Behave Like Ensembles, of measured networks.

Each function takes results, network name → name of the result → dataset, and chooses its networks by their
stored configurations.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.comparison.identity import Results
from landscape.comparison.roles import cast, four, renamed, three
from landscape.figures.captions import joined
from landscape.figures.features.frequencies import EXAMPLE, frequencies
from landscape.figures.features.uncertainty import is_uncertain
from landscape.figures.plates import ICML, Plate, Widths, drawn, introduction, looks, lowered, plate, require
from landscape.figures.plates_sizes import ALONE, AVERAGED, sizes
from landscape.figures.registry import caption


def fig3(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """NLL, accuracy, ECE against the size of the ensemble: deterministic and MC dropout, without and with S.

    Args:
        results: Kinds `ensemble`, of deterministic networks `evaluation`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    played = cast(named, four(AVERAGED, alone=ALONE))
    return [sizes("Fig. 3 of Park & Kim (2022a)", played, named, width=widths[1])]


def fig4(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """An image and its feature maps at the end of stage 1 over dropout draws, without and with S.

    Args:
        results: Kind `maps`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    number = "Fig. 4 of Park & Kim (2022a)"
    named = renamed(results)
    played = cast(named, four(("maps",))[2:])
    require(number, played, named, ("maps",))
    datasets = {label: _first_stage(named[each]["maps"]) for label, each in played.found.items()}
    return [drawn(number, "maps", played, datasets, width=widths[1])]


def fig5(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Model and data uncertainty of feature maps by depth, MC dropout without and with S.

    Args:
        results: Kind `features` of several draws.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    number = "Fig. 5 of Park & Kim (2022a)"
    named = renamed(results)
    able = {
        network: kinds
        for network, kinds in named.items()
        if "features" in kinds and is_uncertain(kinds["features"])
    }
    played = cast(able, four(("features",))[2:])
    require(number, played, named, ("features",))
    return [plate(number, "uncertainty", played, named, width=widths[1])]


def fig6(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """The mask of frequency noise, log amplitude at the end of stage 1, accuracy under noise: four networks.

    Args:
        results: Kinds `features` and `noise`; one of them will do.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    number = "Fig. 6 of Park & Kim (2022a)"
    named = renamed(results)
    played = cast(named, four(("features", "noise")))
    require(number, played, named, ("features", "noise"))
    features, noises = (
        {label: named[each][kind] for label, each in played.found.items() if kind in named[each]}
        for kind in ("features", "noise")
    )
    content = frequencies(features, noises, width=widths[1], looks=looks(played.found))
    words = [introduction(number, played)]
    if noises:
        words.append(
            f"Left: the frequencies (white) that noise at {EXAMPLE:g}π is restricted to. Right: "
            f"{lowered(caption('noise', noises, quantities=('accuracy',)))}"
        )
    if features:
        words.append(f"End of stage 1: {lowered(caption('amplitude', features))}")
    for kind, there in (("features", features), ("noise", noises)):
        lacking = [label for label in played.found if label not in there]
        words.append(f"Without a result {kind}: {', '.join(lacking)}." if lacking else "")
    return [Plate("", content, joined(*words))]


def fig7(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Contours of the training NLL on one scale: MLP head, GAP, GAP + S.

    Args:
        results: Kind `surface`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    played = cast(named, three(("surface",)), deterministic=True)
    return [plate("Fig. 7 of Park & Kim (2022a)", "contours", played, named, width=widths[1])]


def fig8(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Hessian max-eigenvalue spectra: MLP head, GAP, GAP + S.

    Args:
        results: Kind `spectrum`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    played = cast(named, three(("spectrum",)), deterministic=True)
    return [plate("Fig. 8 of Park & Kim (2022a)", "spectrum", played, named, width=widths[0])]


def _first_stage(dataset: xr.Dataset) -> xr.Dataset:
    """The maps up to the end of stage 1, where stages are known and it has one."""
    if "stage" not in dataset or not (dataset["stage"] == 1).any():
        return dataset
    return dataset.isel(layer=np.flatnonzero(dataset["stage"].values == 1))
