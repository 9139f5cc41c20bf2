"""The map of conditions: which rows there are, and what stands in them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from landscape import figures
from landscape.comparison.conditional import REFERENCE, conditional
from landscape.errors import ResultError
from landscape.figures.comparison.conditions import conditions
from landscape.results import attribute, stamp
from tests.comparison.test_verdicts import spectrum

RECIPE = {"epochs": 17, "learning_rate": 0.1, "seed": 0}


def flatness(name: str, curvature: list[float], *, loss: float, norm: float) -> xr.Dataset:
    values = np.array(curvature)
    dataset = xr.Dataset(
        {
            "loss": ("repeat", values),
            "rise": (("repeat", "radius"), values[:, None]),
            "curvature": ("repeat", values),
            "center": ("repeat", np.full(len(values), loss)),
            "direction_norm": ("repeat", np.full(len(values), norm)),
        },
        coords={"radius": [0.2]},
    )
    like = spectrum(name, [1])
    names = ("network", "protocol", "provenance")
    return stamp(dataset, kind="flatness", **{each: attribute(like, each) for each in names})


def trained(dataset: xr.Dataset, done: int = 17, images: int = 50_000, **recipe) -> xr.Dataset:
    network = attribute(dataset, "network")
    network["training"] = {"recipe": {**RECIPE, **recipe}, "done": done, "images": images}
    return dataset.assign_attrs(network=json.dumps(network))


def on_test_images(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_attrs(condition="test")


def family() -> dict[str, dict[str, xr.Dataset]]:
    return {
        "gap": {
            "spectrum": trained(spectrum("gap", [10, 12, 11])),
            "spectrum-test": on_test_images(trained(spectrum("gap", [10, 12, 11]))),
            "flatness": trained(flatness("gap", [5, 6, 7], loss=0.5, norm=2.0)),
        },
        "gap-blur": {
            "spectrum": trained(spectrum("gap-blur", [20, 22, 21])),
            "spectrum-test": on_test_images(trained(spectrum("gap-blur", [5, 6, 5.5]))),
            "flatness": trained(flatness("gap-blur", [4, 5, 6], loss=0.25, norm=1.0)),
        },
    }


def rows(results, quantity: str = "largest Hessian eigenvalue"):
    return {
        each.condition: each.verdict
        for each in conditional(results)
        if each.verdict.quantity.name == quantity
    }


def test_each_condition_has_its_own_verdict():
    found = rows(family())
    assert {name: each.verdict for name, each in found.items()} == {
        REFERENCE: "sharper",
        "test images": "flatter",
        "divided by the training NLL": "sharper",
        "times ‖w‖²": "flatter",
    }
    assert found[REFERENCE].change.value == pytest.approx(10)
    assert found["divided by the training NLL"].change.value == pytest.approx(21 / 0.25 - 11 / 0.5)
    assert found["times ‖w‖²"].change.value == pytest.approx(21 - 11 * 4)
    flat = rows(family(), "curvature along random directions")
    assert set(flat) == {REFERENCE, "divided by the training NLL"}
    assert flat["divided by the training NLL"].change.value == pytest.approx(5 / 0.25 - 6 / 0.5)


def test_networks_trained_otherwise_are_rows_of_their_own():
    results = family()
    for name, values in {"gap": [1, 2, 3], "gap-blur": [7, 8, 9]}.items():
        early = trained(spectrum(name, values), done=8)
        few = trained(spectrum(name, values), epochs=60, done=60, images=5000, seed=3)
        narrow = trained(spectrum(name, values, spec=f"cifar-resnet20:width=8{',blur' * ('blur' in name)}"))
        for label, dataset in {"early": early, "few": few, "narrow": narrow}.items():
            results[f"{name}-{label}"] = {"spectrum": dataset}
    found = rows(results)
    assert found[REFERENCE].change.value == pytest.approx(10)
    others = [name for name in found if name not in rows(family())]
    assert others == ["8 of 17 epochs", "60 epochs, 5,000 images", "width 8"]
    assert {found[name].pair.baseline for name in others} == {("gap-early",), ("gap-few",), ("gap-narrow",)}


def test_networks_that_do_not_record_their_training_are_no_reference():
    results = family()
    for name, values in {"gap": [1, 2, 3], "gap-blur": [7, 8, 9]}.items():
        results[f"{name}-other"] = {"spectrum": spectrum(name, values)}
    found = rows(results)
    assert found[REFERENCE].change.value == pytest.approx(10)
    assert found["training not recorded"].change.value == pytest.approx(6)


def test_seeds_trained_alike_are_seeds():
    results = family()
    for name in ("gap", "gap-blur"):
        results[f"{name}-1"] = {"spectrum": trained(spectrum(name, [9, 9]), seed=1)}
    assert rows(results)[REFERENCE].change.over == "seeds"


def test_the_figure_has_a_table_a_quantity_and_a_row_a_condition():
    found = conditional(family())
    figure = conditions(found)
    eigenvalues, flat = figure.axes
    assert [label.get_text() for label in eigenvalues.get_yticklabels()] == list(rows(family()))
    assert len(flat.get_yticklabels()) == 2
    assert [text.get_text() for text in eigenvalues.texts] == ["+91 %", "−50 %", "+282 %", "−52 %"]
    assert "blur: gap → gap-blur" in figures.caption("conditions", found)
    two = [replace(each, trained="width 8") for each in found]
    assert len(conditions([*found, *two]).axes[0].texts) == 4 + 1  # the reference's alone is one at a time
    with pytest.raises(ResultError, match="--conditions"):
        conditions([])
