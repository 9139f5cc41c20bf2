"""The page of several seeds: one network a configuration, numbers over seeds, every checkpoint named."""

import csv

import pytest

from landscape.comparison import pooled, verdicts
from landscape.report import sentences, summarise, write_report
from landscape.report.summary import table
from tests.figures import seeds, synthetic
from tests.report.pages import KINDS, Page

RESULTS = {
    name: {kind: kinds[kind] for kind in KINDS if kind != "ensemble"}
    for name, kinds in seeds.family().items()
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    write_report(RESULTS, folder, verdicts=verdicts(RESULTS))
    return folder, Page((folder / "index.html").read_text(encoding="utf-8"))


def test_the_page_shows_configurations_and_names_every_checkpoint(written):
    folder, page = written
    assert "2 networks compared, 3 seeds each: gap gap-blur" in " ".join(page.text.split())
    assert [each["name"] for each in page.data["networks"]] == ["gap", "gap-blur"]
    for name in RESULTS:
        assert f"sha of {name}"[:16] in page.text
        assert f"runs/{name}.safetensors" in page.text
    assert "gap → gap-blur (3 seeds each)" in page.text
    rows = list(csv.DictReader((folder / "summary.csv").open(encoding="utf-8")))
    assert [(row["name"], row["seeds"]) for row in rows] == [("gap", "3"), ("gap-blur", "3")]


def test_further_results_of_a_kind_are_left_out(tmp_path):
    results = {
        name: kinds | {"spectrum-test": kinds["spectrum"].assign_attrs(condition="test")}
        for name, kinds in RESULTS.items()
    }
    assert write_report(results, tmp_path).is_file()


def test_numbers_are_over_seeds_and_surfaces_of_one():
    rows = summarise(pooled(RESULTS))
    assert rows[0]["seeds"] == 3
    assert rows[0]["surface_of"] == "gap-seed0"
    assert rows[0]["nll"] == pytest.approx(sum(summarise(RESULTS)[i]["nll"] for i in range(3)) / 3)
    columns, body = table(rows)
    cells = dict(zip([column.key for column in columns], body[0][1], strict=True))
    assert cells["seeds"] == "3"
    assert cells["border"].endswith("(one seed)")
    assert cells["centre_nll"].endswith("(one seed)")
    assert "one seed" not in "".join(cells[key] for key in ("nll", "ape", "high_frequency"))


def test_the_coverage_of_two_standard_errors_is_said():
    found = sentences(pooled(RESULTS))
    assert "means over 3 networks trained with different seeds" in found["seed"]
    assert "with 3 that covers about 82 %" in found["seed"]  # Student's t with 2 degrees of freedom
    assert "those of one seed each" in found["contours"]
    mixed = pooled(RESULTS) | {"own": synthetic.comparison(["own"])["own"]}
    assert "Of one seed, with ± over samples or mini-batches: own." in sentences(mixed)["seed"]
    assert "one trained network per name" in sentences({"own": mixed["own"]})["seed"]
