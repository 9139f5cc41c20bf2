"""What every caption says, word for word: one text file for each case, in `captions/`.

`LANDSCAPE_SNAPSHOTS=write pytest tests/figures/test_captions.py` writes the files; read the difference.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from landscape import figures
from landscape.comparison import pooled
from landscape.figures.captions import over, protocol_differences, seeds_phrase
from landscape.report.sections import panels
from tests.figures import connections, feature_results, planes, prediction_results, seeds, synthetic
from tests.figures.phase_results import phase
from tests.snapshot import WRITE

PLACE = Path(__file__).parent / "captions"
OTHERS = {"sequence": lambda: planes.masks("mcd-gap", 3), "lines": planes.line, "trace": synthetic.trace}
OTHERS |= dict.fromkeys(("phase_map", "phase_quadrants", "phase_trends"), phase)
OTHERS |= {"flatness": synthetic.flatness, "sharpness": synthetic.sharpness}
OTHERS |= {"generalisation": synthetic.sharpness}
OTHERS |= dict.fromkeys(("connect", "connect_plane"), lambda: connections.connect("net"))
OTHERS |= {"connect_matrix": lambda: connections.connect("net", others=("other", "third"))}
GGN = {"operator": "ggn", "coordinates": "filter", "which": "magnitude"}


def changed(dataset, *changes):
    """A copy in which some elements are others: (variable, index, value)."""
    dataset = dataset.copy(deep=True)
    for variable, index, value in changes:
        dataset[variable][index] = value
    return dataset


def fresh():
    dataset = planes.surface()
    protocol = dataset.attrs["protocol"].replace('"dropout": "off"', '"dropout": "fresh"')
    return dataset.assign_attrs(protocol=protocol)


def without_data():
    return planes.trajectory().assign_attrs(protocol='{"options": {}}')


def convex():
    grid = {f"hessian_{which}": 0 * planes.surface()["nll"] + 2.0 for which in ("smallest", "largest")}
    return planes.surface().assign(grid)


def paths():
    return {"a": planes.trajectory("a"), "b": planes.trajectory("b", shares=(0.6, 0.2))}


def open_layers():
    changes = [("trace", 5, np.nan), ("eigenvalue", slice(5, 7), np.nan)]
    return {"gap": changed(synthetic.layers(loose=3), *changes), "mlp": synthetic.layers("mlp")}


def uncertain_features():
    lone = changed(synthetic.features("lone"), ("model_deviation", slice(None), np.nan))
    gap = synthetic.features("gap").assign_attrs(draws=2)  # says nothing of a network without dropout
    return {"lone": lone, "gap": gap, "mcd": synthetic.features("mcd").assign_attrs(draws=20)}


def smoothed_features(**last):
    blurred = synthetic.features("blur", blur=True)
    blurred["depth"][:] = blurred["depth"].values ** last.get("depth", 1)
    return {"gap": synthetic.features("gap", blur="depth" in last), "blur": blurred}


def corrupted():
    return {"a": prediction_results.robustness("a"), "b": prediction_results.robustness("b", level=0.5)}


def with_interval(name="own"):
    return synthetic.spectrum(name).assign(ape_low=90.0, ape_high=140.0, nep_low=0.0, nep_high=0.1)


sampled = changed(planes.surface(), ("samples", (0, 0), 200))
deep = prediction_results.ensemble("deep", most=5).assign_attrs(kind_of_ensemble="deep")
two = {"a": planes.surface("a", broken=3), "b": planes.surface("b", base=1.0, undone=2)}
SPECIAL = {
    "contours-open": lambda: two,
    "surface3d-open": lambda: two,
    "surface3d-wide": lambda: planes.surface(curvature=50.0),
    "surface3d-fresh": fresh,
    "contours-wide": lambda: planes.surface(curvature=50.0),
    "contours-linear": lambda: planes.surface(curvature=50.0),
    "contours-deep": lambda: planes.surface(curvature=1e5, base=1e-9),
    "contours-accuracy": planes.surface,
    "contours-convexity": convex,
    "contours-no-record": lambda: planes.stamped(planes.surface(), "surface", "a", options={}),
    "contours-principal": lambda: planes.under(planes.trajectory()),
    "contours-samples": lambda: sampled,
    "contours-samples-left-out": lambda: sampled.assign(sampling_error=0.04 * sampled["nll"]),
    "contours-repeated": lambda: planes.repeated([planes.surface(), planes.surface(curvature=9.0)]),
    "contours-stopped": lambda: planes.stopped(planes.surface(steps=17), 40),
    "lines-open": lambda: planes.line("one", broken=2),
    "lines-repeated": lambda: planes.line("several", repeats=5, undone=3),
    "lines-mixed": lambda: {"a": planes.line("a"), "b": planes.line("b", repeats=5)},
    "sequence-open": lambda: planes.masks(count=4, broken=2),
    "sequence-same": lambda: [planes.surface(), planes.surface()],
    "trajectory-two": paths,
    "trajectory-over-contours": paths,
    "trajectory-no-data": without_data,
    "polar-no-data": without_data,
    "flatness-open": lambda: {"a": synthetic.flatness("a", broken=2), "b": synthetic.flatness("b")},
    "spectrum-loose": lambda: changed(synthetic.spectrum(loose=4), ("eigenvalue", (0, 0), np.nan)),
    "spectrum-interval": with_interval,
    "spectrum-mixed": lambda: {"a": synthetic.spectrum(), "b": with_interval()},
    "spectrum-gauss-newton": lambda: synthetic.spectrum(options=GGN),
    "spectrum-seeds-mixed": lambda: {"gap": over_seeds()["gap"]["spectrum"], "own": with_interval()},
    "density-linear": lambda: synthetic.density(options=GGN),
    "density-one-probe": lambda: {"a": synthetic.density(probes=1), "b": synthetic.density(top=20.0)},
    "layers-open": open_layers,
    "layers-no-names": lambda: changed(synthetic.layers(norms=False), ("name", slice(None), "0")),
    "layers-gauss-newton": lambda: synthetic.layers(options={"operator": "ggn", "coordinates": "layer"}),
    "eigenvalues-uncertain": lambda: synthetic.eigenvalues(loose=1, uncertain=2, options=GGN),
    "fourier-small": lambda: synthetic.features("gap", size=16),
    "variance-mixed": lambda: {name: synthetic.features(name) for name in ("gap", "mcd-gap")},
    "variance-shaded": smoothed_features,
    "variance-not-shaded": lambda: smoothed_features(depth=4),
    "smoothing_effect-mixed": smoothed_features,
    "uncertainty-mixed": uncertain_features,
    "similarity-pair": lambda: feature_results.similarity("a", other="b"),
    "maps-channel": feature_results.maps,
    "ensemble-deep": lambda: {"mcd": prediction_results.ensemble("mcd"), "deep": deep},
    "corruptions-two": corrupted,
    "robustness-two": corrupted,
}
"""Results of cases that are not the usual one; the first part of the name is the figure."""
OPTIONS = {
    "contours-linear": lambda: {"log": False},
    "contours-accuracy": lambda: {"quantity": "accuracy"},
    "contours-convexity": lambda: {"quantity": "convexity"},
    "trajectory-over-contours": lambda: {"surfaces": {"a": planes.under(paths()["a"])}},
    "density-linear": lambda: {"log": False},
    "maps-channel": lambda: {"channel": 1},
}


@cache
def usual():
    return synthetic.comparison(["mcd-gap-blur"])["mcd-gap-blur"]


@cache
def over_seeds():
    return pooled(seeds.family(("mlp", "gap", "gap-blur")))


def check(case, text):
    file = PLACE / f"{case}.txt"
    if WRITE:
        file.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == file.read_text(encoding="utf-8")
    assert "  " not in text
    assert ".." not in text
    assert 1 <= sentences(text.partition("\n")[0]) <= 2


def sentences(text):
    """How many there are: abbreviations end none."""
    return len(re.findall(r"(?<!\bal)(?<!\bFig)\.(?= |$)", text))


@pytest.mark.parametrize("name", list(figures.FIGURES | figures.FURTHER))
def test_the_caption_of_every_figure(name):
    drawing = (figures.FIGURES | figures.FURTHER)[name]
    data = OTHERS[name]() if name in OTHERS else usual()[drawing.kind]
    text = figures.caption(name, data)
    assert "1,000 samples (train split of cifar10)" in text
    check(name, text)


@pytest.mark.parametrize("case", list(SPECIAL))
def test_the_caption_of_a_special_case(case):
    options = OPTIONS[case]() if case in OPTIONS else {}
    check(case, figures.caption(case.partition("-")[0], SPECIAL[case](), **options))


def test_captions_of_several_seeds():
    drawn = {panel.name: panel for panel in panels(over_seeds())}
    assert set(drawn) == {panel.name for panel in panels(synthetic.comparison(["mlp", "gap", "gap-blur"]))}
    for name, panel in drawn.items():
        text = panel.caption()
        check(f"{name}-seeds", text)
        assert sum(f"{word} 3 networks trained" in text for word in ("Means over", "Values of", "Of")) == 1
        assert "standard errors over samples" not in text
        assert not ("Means over" in text and "paired differences" in text)


def test_cases_have_files_and_files_have_cases():
    expected = {*figures.FIGURES, *figures.FURTHER, *SPECIAL}
    files = {file.stem for file in PLACE.glob("*.txt")}
    assert expected <= files
    assert {name.removesuffix("-seeds") for name in files - expected} <= {*figures.FIGURES, *figures.FURTHER}


def test_networks_and_seeds_are_told_apart():
    features = {"gap": over_seeds()["gap"]["features"], "own": synthetic.features("own")}
    assert over(features) == "3 seeds (gap), samples (own)"
    assert seeds_phrase(features) == "Means over 3 networks trained with different seeds."
    assert seeds_phrase({"own": features["own"]}) == ""
    named = [{"name": "first"}, {"name": "second"}]
    other = seeds.known(over_seeds()["gap"]["surface"], "gap", {}, seeds=named)
    assert seeds_phrase({"gap": other}) == "Of 2 networks trained with different seeds one is drawn: first."
    mixed = {"gap": synthetic.features("gap"), "mcd-gap": synthetic.features("mcd-gap")}
    assert protocol_differences(mixed) == ["dropout"]
