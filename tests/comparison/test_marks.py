"""Verdicts on measures that move for the same function are marked, with one that does not beside them."""

import json

import pytest

from landscape.comparison import verdicts
from tests.figures import synthetic
from tests.figures.seeds import CONFIGS, known


def results(*, kinds=("spectrum", "flatness"), **options):
    found = {}
    for seed, name in enumerate(("gap", "gap-blur")):
        own = {}
        for kind in kinds:
            if kind == "sharpness":
                dataset = synthetic.sharpness(name, seed=seed, **options)
            else:
                dataset = getattr(synthetic, kind)(name, seed=seed)
            own[kind] = known(dataset, name, CONFIGS[name])
        found[name] = own
    return found


def by_name(found):
    return {each.quantity.name: each for each in verdicts(found)}


def test_raw_eigenvalues_are_marked_with_a_scale_free_curvature_beside_them():
    found = by_name(results())
    marked = found["largest Hessian eigenvalue"]
    assert marked.moves == ("filter_scale", "relu_rescale", "fold_batchnorm")
    assert "The measure moves for the same function (filters scaled behind BatchNorm" in marked.sentence
    other = found["curvature along random directions"]
    assert f"beside it, {other.quantity.name}" in marked.sentence
    assert marked.sentence.endswith(f"{other.verdict}.")
    assert other.moves == ()
    assert "same function" not in other.sentence


def test_without_another_measure_that_is_said():
    (marked,) = by_name(results(kinds=("spectrum",))).values()
    assert marked.sentence.endswith("none that does not was measured.")


def test_filter_coordinates_are_not_marked():
    changed = results()
    for kinds in changed.values():
        protocol = json.loads(kinds["spectrum"].attrs["protocol"])
        protocol["options"]["coordinates"] = "filter"
        kinds["spectrum"] = kinds["spectrum"].assign_attrs(protocol=json.dumps(protocol))
    assert by_name(changed)["largest Hessian eigenvalue"].moves == ()


def test_an_audit_gives_the_factor():
    found = by_name(results(kinds=("spectrum", "flatness", "sharpness")))
    assert "filters scaled behind BatchNorm: ×0.2" in found["largest Hessian eigenvalue"].sentence
    own = found["average sharpness"]
    assert own.moves
    assert "beside it, worst sharpness, each filter" in own.sentence
    assert found["average sharpness, each weight"].moves == ()


def test_a_measure_that_the_audit_cleared_is_not_marked():
    changed = results(kinds=("spectrum", "flatness", "sharpness"))
    for kinds in changed.values():
        kinds["sharpness"] = kinds["sharpness"].assign(ratio=kinds["sharpness"]["ratio"] * 0 + 1)
    assert all(each.moves == () for each in by_name(changed).values())


@pytest.mark.parametrize("audit", [True, False])
def test_sharpness_without_an_audit_is_marked_by_definition(audit):
    found = by_name(results(kinds=("sharpness",), audit=audit))
    assert found["average sharpness"].moves
    assert (
        "×" in found["average sharpness"].sentence.partition("same function")[2].partition(";")[0]
    ) == audit
