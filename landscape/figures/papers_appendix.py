"""Counterparts of Figs B.5 to D.3 of Park & Kim 2022a, Blurs Behave Like Ensembles, of measured networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import xarray as xr

from landscape.comparison.identity import Results, record_of
from landscape.comparison.roles import (
    Cast,
    Role,
    cast,
    first_of_each,
    four,
    heads,
    is_plain,
    renamed,
    three,
    with_head,
)
from landscape.comparison.smoothed import dropout_rates, one_stage_in_turn
from landscape.comparison.tables import PUT_IN, trained_first
from landscape.figures.plates import COMMANDS, ICML, Plate, Widths, drawn, plate, require
from landscape.figures.plates_sizes import ALONE, AVERAGED, by_size, is_robust, over_sizes, sizes
from landscape.results import attribute


def figb5(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Ensemble-size curves with one smoothing layer after each stage in turn.

    Networks trained so, or else a trained one that the layer was put into (`--smooth blur@smooth2`).

    Args:
        results: Kind `ensemble`, of deterministic networks `evaluation`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    configs = [record_of(kinds).get("config") for kinds in named.values() if kinds]
    architecture = next((str(each["architecture"]) for each in configs if each), "resnet")
    played = cast(named, one_stage_in_turn(architecture, AVERAGED))
    if not played.found:
        played = cast(named, one_stage_in_turn(architecture, (*AVERAGED, *ALONE)), deterministic=True)
    played = trained_first(played)
    put_in = any(label.endswith(PUT_IN) for label in played.found)
    said = (
        "Put in: the smoothing layer was put in after training, the weights as they were." if put_in else ""
    )
    return [sizes("Fig. B.5 of Park & Kim (2022a)", played, named, width=widths[1], said=said)]


def figc1(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Corrupted images by severity, and means over corruptions against the size of the ensemble: four heads.

    Args:
        results: Kind `robustness`; for the second part under `ensemble:N` dropout of several N.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    number = "Fig. C.1 of Park & Kim (2022a)"
    named = renamed(results)
    needs = tuple(dict.fromkeys(name for kinds in named.values() for name in kinds if is_robust(name)))
    played = cast(named, heads(needs or ("robustness",)), deterministic=True)
    require(number, played, named, ("robustness",))
    sized = {label: by_size(named[each]) for label, each in played.found.items()}
    largest = {
        label: list(found.values())[-1] if found else named[played.found[label]]["robustness"]
        for label, found in sized.items()
    }
    several = {label: over_sizes(found) for label, found in sized.items() if len(found) > 1}
    missing = (
        "The second part, means over corruptions against the size of the ensemble, is absent: it takes "
        "robustness under --dropout ensemble:N of several N."
    )
    words: dict[str, Any] = {"part": "a" if several else "", "said": "" if several else missing}
    first = drawn(number, "robustness", played, largest, width=widths[1], **words)
    return [first, *([_means(number, played, several, widths[1])] if several else [])]


def _means(number: str, played: Cast, averaged: Mapping[str, xr.Dataset], width: float) -> Plate:
    """The second part of Fig. C.1."""
    rest = tuple(label for label in played.found if label not in averaged)
    found = {label: played.found[label] for label in averaged}
    return drawn(
        number,
        "ensemble",
        replace(played, found=found, absent=(*rest, *played.absent)),
        averaged,
        part="b",
        width=width,
        said="Means over corruptions and severities, not relative to those of AlexNet as mCE, mCNLL and "
        "mCECE are.",
        quantities=("nll", "error", "ece"),
    )


def figc2(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Contours under one draw of dropout masks after another, on shared directions: MLP head, GAP, GAP + S.

    Args:
        results: Kind `surface` with several masks, called `sequence`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    played = cast(named, three(("sequence",)))
    return [
        plate("Fig. C.2 of Park & Kim (2022a)", "sequence", played, named, kind="sequence", width=widths[1])
    ]


def figc3(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Spectral density of the whole Hessian by stochastic Lanczos quadrature: GAP, GAP + S.

    Args:
        results: Kind `density`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    played = cast(named, three(("density",))[1:], deterministic=True)
    return [plate("Fig. C.3 of Park & Kim (2022a)", "density", played, named, width=widths[0])]


def figd1(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Correlation of feature-map points with the centre for noise inputs, after one layer and after five.

    Args:
        results: Kind `covariance`, of a plain network if there is one.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    number = "Fig. D.1 of Park & Kim (2022a)"
    named = renamed(results)
    played = cast(named, [Role("GAP", with_head("usual"), ("covariance",), "off")])
    if not played.found:
        anyone = first_of_each(named, ("covariance",))
        played = Cast(dict(list(anyone.found.items())[:1]), ("a plain network",) if anyone.found else ())
    require(number, played, named, ("covariance",))
    label, network = next(iter(played.found.items()))
    noise, layers = _one_and_five(named[network]["covariance"])
    said = f"Noise inputs alone are drawn, at the outputs of {' and '.join(layers)}."
    drawing: dict[str, Any] = {"said": said, "layers": list(layers.values())}
    return [drawn(number, "covariance", played, {label: noise}, width=widths[0], **drawing)]


def figd2(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Log amplitude against frequency at the end of every stage, four networks.

    Args:
        results: Kind `features`.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    named = renamed(results)
    played = cast(named, four(("features",)))
    return [plate("Fig. D.2 of Park & Kim (2022a)", "amplitude", played, named, width=widths[1])]


def figd3(results: Results, *, widths: Widths = ICML) -> list[Plate]:
    """Spectral density and max-eigenvalue spectra of plain networks by their dropout rate.

    Args:
        results: Kinds `density` and `spectrum`; one of them will do.
        widths: Of a column and of the page, in inches.

    Raises:
        ResultError: If nothing of it is there.
    """
    number = "Fig. D.3 of Park & Kim (2022a)"
    named = renamed(results)
    records = [record_of(kinds) for kinds in named.values() if kinds]
    plain = [each["config"] for each in records if each.get("config") and is_plain(each)]
    rates = {float(config.get("dropout", 0)) for config in plain}
    found = {
        kind: cast(named, dropout_rates(rates, (kind,)), deterministic=True)
        for kind in ("density", "spectrum")
    }
    kept = {kind: played for kind, played in found.items() if played.found}
    require(number, next(iter((kept or found).values())), named, tuple(found))
    lacking = [kind for kind in found if kind not in kept]
    said = f"Its other part is absent: no result {lacking[0]} (`{COMMANDS[lacking[0]]}`)." if lacking else ""
    return [
        plate(number, kind, played, named, part="" if lacking else part, width=widths[0], said=said)
        for part, (kind, played) in zip("ab", kept.items(), strict=False)
    ]


def _one_and_five(dataset: xr.Dataset) -> tuple[xr.Dataset, dict[str, str]]:
    """The stem and the second block for noise inputs, and what they are called.

    They lie after one and after five convolutions of a ResNet of basic blocks.
    """
    names = [str(name) for name in dataset["layer"].values]
    kinds = dataset["kind"].values.astype(str) if "kind" in dataset else ["block"] * len(names)
    kept = [index for index, kind in enumerate(kinds) if kind in ("stem", "block")]
    kept = [*kept[:1], *kept[2:3]]
    config = attribute(dataset, "network").get("config") or {}
    basic = config.get("architecture") == "cifar-resnet" or (
        config.get("architecture") == "resnet" and int(config["depth"]) < 50
    )
    layers = {
        names[index]: count if basic else names[index]
        for index, count in zip(kept, ("1 layer", "5 layers"), strict=False)
    }
    source = [str(each) for each in dataset["source"].values].index("noise")
    return dataset.isel(layer=kept, source=[source]).assign_coords(layer=list(layers.values())), layers
