import json
from importlib.resources import files

import numpy as np
import pytest
from scipy.integrate import trapezoid

from landscape import figures
from landscape.report.assets import SCRIPTS, STYLES, legible, numbers, script, script_json, style
from landscape.report.live import live, spectra, surface_rows, surfaces
from tests.figures import planes, synthetic
from tests.report import pages


def test_what_is_not_a_number_stays_what_it_is():
    values = np.array([[1 / 3, np.nan], [np.inf, -np.inf]])
    assert numbers(values) == [0.3333333, "NaN", "Infinity", "-Infinity"]
    assert numbers(values, done=[[True, False], [True, True]]) == [0.3333333, None, "Infinity", "-Infinity"]


def test_json_cannot_end_its_element():
    hostile = ["</script>", "<!--", "a & b", "\u2028"]
    text = script_json(hostile)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == hostile


def test_surfaces_hold_every_draw_as_measured():
    datasets = planes.masks("mcd-gap", 3)
    results = pages.results(["mcd-gap"], kinds=("surface",), draws=3)
    part = live(results, figures.looks(results))["surface"]
    panel = part["panels"][0]
    assert panel["draws"] == [f"dropout mask {i} of 3" for i in (1, 2, 3)]
    assert [each["key"] for each in part["quantities"]] == ["nll", "accuracy", "l2", "total"]
    for draw, dataset in enumerate(datasets):
        np.testing.assert_allclose(panel["values"]["nll"][draw], dataset["nll"].values.ravel(), rtol=1e-6)
        total = (dataset["nll"] + dataset["l2"]).values.ravel()
        np.testing.assert_allclose(panel["values"]["total"][draw], total, rtol=1e-6)
        np.testing.assert_allclose(panel["errors"][draw], dataset["standard_error"].values.ravel(), rtol=1e-6)


def test_points_that_are_missing_are_counted_and_not_filled():
    results = {"gap": {"surface": planes.surface("gap", broken=3, undone=2)}}
    values = live(results, figures.looks(results))["surface"]["panels"][0]["values"]["nll"][0]
    assert values.count("Infinity") == 3
    assert values.count(None) == 2
    assert surface_rows(results)[0][1][-2:] == ["3", "2"]


def test_repeats_are_draws_of_directions():
    dataset = planes.repeated([planes.surface("gap", curvature=c) for c in (1.0, 2.0)])
    panel = surfaces({0: dataset})["panels"][0]
    assert panel["draws"] == ["pair of directions 1 of 2", "pair of directions 2 of 2"]
    assert panel["values"]["nll"][0] != panel["values"]["nll"][1]


def test_the_scale_is_the_one_of_the_printed_figure():
    flat = {name: planes.surface(name, base=1.0, curvature=0.1) for name in ("a", "b")}
    assert surfaces(dict(enumerate(flat.values())))["quantities"][0]["log"] is False
    steep = planes.surface("a", curvature=50.0)
    assert surfaces({0: steep})["quantities"][0]["log"] is True


@pytest.mark.parametrize(("name", "measure"), [("linear", np.asarray), ("decades", np.log10)])
def test_areas_under_densities_are_shares_of_the_values(name, measure):
    dataset = synthetic.spectrum("gap", negative=0.2, batches=60)
    part = spectra({0: dataset})
    negative = (dataset["eigenvalue"].values < 0).mean()
    for side in part["sides"]:
        curve = np.array(side[name]["curves"][0]["density"])
        area = trapezoid(curve, measure(np.array(side[name]["points"])))
        assert area == pytest.approx(negative if side["sign"] < 0 else 1 - negative, rel=0.05)


def test_parts_are_absent_without_results():
    results = {"gap": {"surface": planes.line("gap")}, "mlp": {}}
    assert set(live(results, figures.looks(results))) == {"networks", "colours"}


def test_everything_is_json_without_gaps():
    results = pages.results(["mlp", "mcd-gap"])
    part = live(results, figures.looks(results))
    assert json.loads(script_json(part)) == json.loads(json.dumps(part, allow_nan=False))
    assert {"surface", "spectrum", "features", "predictions"} <= set(part)
    held = {each["key"] for each in part["features"]["quantities"]}
    assert {"spatial_variance", "high_frequency", "model_deviation"} <= held


def test_every_template_is_used_and_none_can_end_its_element():
    held = {path.name for path in files("landscape.report").joinpath("templates").iterdir()}
    assert {name for name in held if name.endswith((".js", ".css"))} == {*SCRIPTS, *STYLES}
    assert "</" not in script()
    assert "</" not in style({})


def test_colours_stand_out_on_a_dark_ground():
    assert legible("#E69F00") == "#e69f00"
    assert legible("#000000") not in ("#000000", "#ffffff")
