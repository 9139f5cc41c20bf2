import base64
import hashlib
import itertools
import json
import re

import pytest

from landscape.errors import LandscapeError
from landscape.report import write_report
from landscape.report.sections import panels
from tests.figures import synthetic
from tests.report import pages
from tests.report.pages import Page

HOSTILE = "</script><script>alert('x')</script>\u2028<!--"
RESULTS = pages.results()
FIGURES = [panel.name for panel in panels(RESULTS)]
SVG = "http://www.w3.org/2000/svg"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    page = write_report(RESULTS, folder, title="Smoothing & <friends>")
    return folder, page.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_its_links_exist(written):
    page = Page(written[1])
    assert written[1].startswith("<!doctype html>")
    assert len(page.ids) == len(set(page.ids))
    assert {"html", "main", "header", "nav", "table", "figure", "figcaption"} <= set(page.tags)
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else link.startswith("data:"), link


def test_headings_go_down_one_level_at_a_time(written):
    levels = Page(written[1]).headings
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_figure_is_there_in_all_formats_with_its_caption(written):
    folder, html = written
    page = Page(html)
    expected = {f"{name}.{end}" for name in FIGURES for end in ("pdf", "svg", "png", "txt")}
    assert {path.name for path in (folder / "figures").iterdir()} == expected
    assert {path.name for path in folder.iterdir()} == {
        "figures",
        "index.html",
        "summary.csv",
        "summary.json",
    }
    for name in FIGURES:
        assert (folder / "figures" / f"{name}.txt").read_text(encoding="utf-8").strip() in page.text


def test_the_page_holds_its_images(written):
    folder, html = written
    page = Page(html)
    assert all("gap-blur" in image["alt"] for image in page.images)
    held = [base64.b64decode(image["src"].partition(",")[2]) for image in page.images]
    saved = [(folder / "figures" / f"{name}.svg").read_bytes() for name in FIGURES]
    assert sorted(held) == sorted(saved)


def test_heavy_figures_are_put_in_as_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.report.sections.HEAVY", 1000)
    page = Page(write_report(pages.results(kinds=("ensemble",)), tmp_path).read_text(encoding="utf-8"))
    kept = page.images[0]["src"]
    assert base64.b64decode(kept.partition(",")[2]) == (tmp_path / "figures" / "ensemble.png").read_bytes()
    assert kept.startswith("data:image/png")


def test_the_page_works_offline(written):
    html = written[1]
    assert "://" not in html.replace(SVG, "")
    assert "@import" not in html
    assert "url(" not in html
    assert not [name for name in Page(html).attributes if name.startswith("on") or name == "style"]


def test_the_policy_allows_what_is_there_and_nothing_else(written):
    page = Page(written[1])
    rules = dict(rule.split(" ", 1) for rule in page.policy.split("; "))
    for name, text in (("script-src", page.script), ("style-src", page.style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    assert "unsafe" not in page.policy


def test_summaries_can_be_had_without_scripts(written):
    folder, html = written
    held = [base64.b64decode(link.partition(",")[2]) for link in Page(html).links if link.startswith("data:")]
    assert all((folder / name).read_bytes() in held for name in ("summary.csv", "summary.json"))


def test_failed_checks_come_first(written):
    text = Page(written[1]).text
    assert "1 of 6 checks failed" in text
    trust = text[text.index("Checks") :]
    assert trust.index("Failed") < trust.index("Passed")


def test_title_and_names_are_escaped(tmp_path, written):
    assert "Smoothing &amp; &lt;friends&gt;" in written[1]
    results = {
        HOSTILE: {"evaluation": synthetic.evaluation(HOSTILE), "spectrum": synthetic.spectrum(HOSTILE)}
    }
    html = write_report(results, tmp_path).read_text(encoding="utf-8")
    page = Page(html)
    assert HOSTILE not in html
    assert page.types == ["application/json", ""]
    assert HOSTILE in page.text
    assert page.data["networks"][0]["name"] == HOSTILE
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))[0]["name"] == HOSTILE


def test_only_what_was_measured_is_shown(tmp_path):
    results = {"gap": {"evaluation": synthetic.evaluation("gap", binned=False)}}
    page = Page(write_report(results, tmp_path).read_text(encoding="utf-8"))
    assert not (tmp_path / "figures").exists()
    assert "No checks were stored" in page.text
    assert "APE" not in page.text
    assert not {"surface", "hessian", "feature-maps", "predictions", "further"} & set(page.ids)
    assert "script" not in page.tags


def test_networks_may_lack_kinds(tmp_path):
    results = pages.results(["mlp", "gap"], kinds=("evaluation", "features", "ensemble"))
    del results["mlp"]["features"], results["gap"]["evaluation"]
    page = Page(write_report(results, tmp_path).read_text(encoding="utf-8"))
    assert "–" in page.text
    assert [each["network"] for each in page.data["features"]["networks"]] == [1]


def test_differences_in_protocol_are_shown(tmp_path):
    results = {name: {"evaluation": synthetic.evaluation(name, binned=False)} for name in ("gap", "mcd-gap")}
    text = Page(write_report(results, tmp_path).read_text(encoding="utf-8")).text
    assert "The networks differ in protocol: dropout." in text
    assert "gap: off; mcd-gap: fixed" in text


def test_a_second_run_replaces_the_first(tmp_path):
    results = {"gap": {"evaluation": synthetic.evaluation("gap", binned=False)}}
    write_report(results, tmp_path, title="Before")
    page = write_report(results, tmp_path, title="After", command="landscape compare gap --samples 5")
    html = page.read_text(encoding="utf-8")
    assert "After" in html
    assert "Before" not in html
    assert "--samples 5" in html


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LandscapeError, match="cannot write"):
        write_report({"gap": {"evaluation": synthetic.evaluation("gap")}}, tmp_path / "file")


def test_every_control_has_a_label(written):
    html = written[1]
    controls = list(re.finditer(r"<(input|select)\b[^>]*>", html))
    assert len(controls) > 20
    for found in controls:
        before = html[: found.start()]
        assert before.rfind("<label") > before.rfind("</label>"), found.group()
