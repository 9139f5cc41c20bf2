"""Panels of Park & Kim 2022a that are more than one figure of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from landscape.comparison.identity import Results, record_of
from landscape.comparison.readings import READINGS
from landscape.figures.captions import joined
from landscape.figures.features.noise import EXAMPLE, frequencies
from landscape.figures.papers import networks
from landscape.figures.papers.parts import Part, Widths, drawn, lowered, require, words
from landscape.figures.registry import caption_parts
from landscape.results import attribute

AVERAGED = ("ensemble",)
"""What the curve of an ensemble is read from."""
ALONE = ("evaluation",)
"""What the horizontal line of a deterministic network is read from."""
_ROUND = 10
"""Size up to which horizontal lines reach where there is no ensemble beside them."""


def ensemble_sizes(number: str, results: Results, widths: Widths) -> list[Part]:
    """Scores against the size of the ensemble: deterministic and MC dropout, without and with S (Fig. 3).

    Of kind `ensemble`, of deterministic networks `evaluation`.
    """
    return _against_size(
        number, networks.select(results, networks.four(AVERAGED, alone=ALONE)), results, widths
    )


def one_stage_in_turn_sizes(number: str, results: Results, widths: Widths) -> list[Part]:
    """The same with one smoothing layer after each stage in turn (Fig. B.5).

    Networks trained so, or else a trained one that the layer was inserted into (`--smooth blur@smooth2`).
    """
    configs = [record_of(kinds).get("config") for kinds in results.values() if kinds]
    architecture = next((str(config["architecture"]) for config in configs if config), "resnet")
    selection = networks.select(results, networks.one_stage_in_turn(architecture, AVERAGED))
    if not selection.found:
        wanted = networks.one_stage_in_turn(architecture, (*AVERAGED, *ALONE))
        selection = networks.select(results, wanted, deterministic=True)
    selection = networks.trained_first(selection)
    inserted = "Inserted: the smoothing layer was inserted after training, the weights as they were."
    return _against_size(
        number, selection, results, widths, inserted if networks.has_inserted(selection) else ""
    )


def _against_size(
    number: str, selection: networks.Selection, results: Results, widths: Widths, said: str = ""
) -> list[Part]:
    """NLL, accuracy and ECE; a network that was only evaluated is a horizontal line."""
    require(number, selection, results, (*AVERAGED, *ALONE))
    found = {label: results[network] for label, network in selection.found.items()}
    flat = [label for label, kinds in found.items() if "ensemble" not in kinds]
    alike = "one prediction, which averaging with itself does not change."
    said = joined(said, f"Horizontal lines ({', '.join(flat)}): {alike}" if flat else "")
    return [drawn(number, "ensemble", selection, _curves(found), width=widths[1], said=said)]


def first_stage(dataset: xr.Dataset) -> xr.Dataset:
    """The feature maps up to the end of stage 1, where stages are known and it has one (Fig. 4)."""
    if "stage" not in dataset or not (dataset["stage"] == 1).any():
        return dataset
    return dataset.isel(layer=np.flatnonzero(dataset["stage"].values == 1))


def frequency_noise(number: str, results: Results, widths: Widths) -> list[Part]:
    """The mask of frequency noise, log amplitude after stage 1, accuracy under noise (Fig. 6).

    Of kinds `features` and `noise`; one of them will do.
    """
    selection = networks.select(results, networks.four(("features", "noise")))
    require(number, selection, results, ("features", "noise"))
    features, noises = (
        {label: results[each][kind] for label, each in selection.found.items() if kind in results[each]}
        for kind in ("features", "noise")
    )
    content = frequencies(features, noises, width=widths[1])
    shown = [f"the frequencies (white) that noise at {EXAMPLE:g}π is restricted to"] * bool(noises)
    shown += ["the log amplitude of feature maps at the end of stage 1"] * bool(features)
    shown += ["the accuracy on images with such noise"] * bool(noises)
    said = {"Amplitude": caption_parts("amplitude", features)} if features else {}
    if noises:
        said["Noise"] = caption_parts("noise", noises, quantities=("accuracy",))
    notes = [f"{name}: {lowered(joined(*found[:2]))}" for name, found in said.items()]
    for kind, there in (("features", features), ("noise", noises)):
        lacking = [label for label in selection.found if label not in there]
        notes += [f"Without a result {kind}: {', '.join(lacking)}."] * bool(lacking)
    protocol = " ".join(f"{name}: {lowered(found[2])}" for name, found in said.items())
    text = f"from the left, {', '.join(shown)}." if len(shown) > 1 else f"{shown[0]}."
    return [Part("", content, words(number, selection, text, joined(*notes), protocol))]


def corruptions(number: str, results: Results, widths: Widths) -> list[Part]:
    """Corrupted images by severity, and means over corruptions by size of the ensemble, by head (Fig. C.1).

    Of kind `robustness`; for the second part under `ensemble:N` dropout of several N.
    """
    needs = tuple(dict.fromkeys(name for kinds in results.values() for name in kinds if _is_robust(name)))
    selection = networks.select(results, networks.heads(needs or ("robustness",)), deterministic=True)
    require(number, selection, results, ("robustness",))
    sized = {label: _by_size(results[network]) for label, network in selection.found.items()}
    largest = {
        label: list(found.values())[-1] if found else results[selection.found[label]]["robustness"]
        for label, found in sized.items()
    }
    several = {label: _over_sizes(found) for label, found in sized.items() if len(found) > 1}
    if not several:
        missing = (
            "The second part, means over corruptions against the size of the ensemble, is absent: it takes "
            "robustness under --dropout ensemble:N of several N."
        )
        return [drawn(number, "robustness", selection, largest, width=widths[1], said=missing)]
    of_one_size = tuple(label for label in selection.found if label not in several)
    of_several = replace(
        selection,
        found={label: selection.found[label] for label in several},
        absent=(*of_one_size, *selection.absent),
    )
    said = (
        "Means over corruptions and severities, not relative to those of AlexNet as mCE, mCNLL and mCECE are."
    )
    return [
        drawn(number, "robustness", selection, largest, letter="a", width=widths[1]),
        drawn(
            number,
            "ensemble",
            of_several,
            several,
            letter="b",
            width=widths[1],
            said=said,
            quantities=("nll", "error", "ece"),
        ),
    ]


def noise_covariance(number: str, results: Results, widths: Widths) -> list[Part]:
    """Correlation of feature-map points with the centre for noise inputs, after 1 and 5 layers (Fig. D.1).

    Of kind `covariance`, of a plain network if there is one.
    """
    kind = ("covariance",)
    selection = networks.select(results, [networks.Wanted("GAP", networks.with_head("usual"), kind, "off")])
    if not selection.found:
        anyone = networks.first_of_each(results, kind)
        selection = networks.Selection(
            dict(list(anyone.found.items())[:1]), ("a plain network",) if anyone.found else ()
        )
    require(number, selection, results, kind)
    label, network = next(iter(selection.found.items()))
    noise, layers = _one_and_five(results[network]["covariance"])
    said = f"Noise inputs alone are drawn, at the outputs of {' and '.join(layers)}."
    names = list(noise["layer"].values)
    return [drawn(number, "covariance", selection, {label: noise}, width=widths[0], said=said, layers=names)]


def _one_and_five(dataset: xr.Dataset) -> tuple[xr.Dataset, Sequence[str]]:
    """The stem and the second block for noise inputs, under new names, and the names they had.

    They lie after one and after five convolutions of a ResNet of basic blocks.
    """
    names = [str(name) for name in dataset["layer"].values]
    kinds = dataset["kind"].values.astype(str) if "kind" in dataset else ["block"] * len(names)
    kept = [index for index, kind in enumerate(kinds) if kind in ("stem", "block")]
    kept = [*kept[:1], *kept[2:3]]
    config = attribute(dataset, "network").get("config") or {}
    architecture = config.get("architecture")
    basic = architecture == "cifar-resnet" or (architecture == "resnet" and int(config["depth"]) < 50)
    layers = [names[index] for index in kept]
    called = ["1 layer", "5 layers"][: len(kept)] if basic else layers
    source = [str(each) for each in dataset["source"].values].index("noise")
    return dataset.isel(layer=kept, source=[source]).assign_coords(layer=called), layers


def _curves(found: Mapping[str, Mapping[str, xr.Dataset]]) -> dict[str, xr.Dataset]:
    """The ensemble of each network; of one that was only evaluated its scores, the same at every size.

    Args:
        found: Results by label and name of the result.
    """
    sizes = [kinds["ensemble"].sizes["size"] for kinds in found.values() if "ensemble" in kinds]
    largest = max(sizes, default=_ROUND)
    return {
        label: kinds["ensemble"] if "ensemble" in kinds else _level(kinds["evaluation"], largest)
        for label, kinds in found.items()
    }


def _level(evaluation: xr.Dataset, largest: int) -> xr.Dataset:
    """The evaluation of a network whose predictions are all the same, as that of its ensembles."""
    values: dict[str, list[float]] = {}
    for reading in READINGS:
        if reading.key in ("nll", "accuracy", "ece", "brier"):
            found = reading.read(evaluation)
            values[reading.key] = [found.value if found else np.nan] * largest
            values[f"{reading.key}_standard_error"] = [found.error if found else np.nan] * largest
    return _of_sizes(values, np.arange(1, largest + 1), evaluation, "repeated")


def _is_robust(name: str) -> bool:
    """Whether a result of this name is the robustness of a network, or of an ensemble."""
    return name == "robustness" or name.startswith("robustness-n")


def _by_size(kinds: Mapping[str, xr.Dataset]) -> dict[int, xr.Dataset]:
    """The robustness of one pass and of the means of several, in the order of how many.

    With dropout off there is no ensemble: such a result is left out.
    """
    found = {}
    for name, dataset in kinds.items():
        mode = str(attribute(dataset, "protocol").get("dropout")) if _is_robust(name) else "off"
        if mode != "off":
            found[int(mode.partition(":")[2] or 1)] = dataset
    return dict(sorted(found.items()))


def _over_sizes(found: Mapping[int, xr.Dataset]) -> xr.Dataset:
    """Means over corruptions and severities by size of the ensemble, as a result of kind `ensemble`."""
    scores = ("nll", "error", "accuracy", "ece")
    names = [f"{score}{end}" for score in scores for end in ("", "_standard_error")]
    values = {name: [float(each.get(f"mean_{name}", np.nan)) for each in found.values()] for name in names}
    return _of_sizes(values, list(found), list(found.values())[-1], "mc-dropout")


def _of_sizes(values: Mapping[str, list[float]], sizes, like: xr.Dataset, how: str) -> xr.Dataset:
    """A result of kind `ensemble`, with the attributes of another."""
    columns = {name: ("size", np.array(column)) for name, column in values.items()}
    attrs = like.attrs | {"kind": "ensemble", "kind_of_ensemble": how}
    return xr.Dataset(columns, coords={"size": sizes}, attrs=attrs)
