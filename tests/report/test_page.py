import json
from html.parser import HTMLParser

import pytest

from landscape import figures
from landscape.errors import LandscapeError
from landscape.report import write_report
from tests.figures import synthetic

VOID = {"meta", "img", "br", "link", "hr", "input"}
HOSTILE = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Collects links, images and text, and checks that tags are nested."""

    def __init__(self, html):
        super().__init__()
        self.links, self.ids, self.tags, self.images, self.text, self.open = [], [], [], [], "", []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[key] for key in ("href", "src") if key in given]
        if tag == "img":
            self.images.append(given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    page = write_report(synthetic.comparison(), folder, title="Smoothing & <friends>")
    return folder, page.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_its_links_exist(written):
    folder, html = written
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert {"html", "main", "header", "nav", "table", "figure", "figcaption"} <= set(page.tags)
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert (folder / link).is_file(), link


def test_every_figure_is_there_in_all_formats_with_its_caption(written):
    folder, html = written
    page = Page(html)
    expected = {f"{name}.{end}" for name in figures.FIGURES for end in ("pdf", "svg", "png", "txt")}
    assert {path.name for path in (folder / "figures").iterdir()} == expected
    assert {path.name for path in folder.iterdir()} == {
        "figures",
        "index.html",
        "summary.csv",
        "summary.json",
    }
    assert [image["src"] for image in page.images] == [f"figures/{name}.svg" for name in figures.FIGURES]
    assert all("mlp, gap, gap-blur" in image["alt"] for image in page.images)
    for name in figures.FIGURES:
        assert (folder / "figures" / f"{name}.txt").read_text(encoding="utf-8").strip() in page.text


def test_the_page_works_offline(written):
    html = written[1]
    assert "://" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert "script" not in Page(html).tags


def test_failed_checks_come_first(written):
    text = Page(written[1]).text
    assert "1 of 6 checks failed" in text
    trust = text[text.index("Trust report", text.index("Feature-map variance by depth")) :]
    assert trust.index("Failed") < trust.index("Passed")


def test_title_and_names_are_escaped(tmp_path, written):
    assert "Smoothing &amp; &lt;friends&gt;" in written[1]
    results = {
        HOSTILE: {"evaluation": synthetic.evaluation(HOSTILE), "spectrum": synthetic.spectrum(HOSTILE)}
    }
    html = write_report(results, tmp_path).read_text(encoding="utf-8")
    page = Page(html)
    assert HOSTILE not in html
    assert "script" not in page.tags
    assert HOSTILE in page.text
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))[0]["name"] == HOSTILE


def test_only_what_was_measured_is_shown(tmp_path):
    page = write_report({"gap": {"evaluation": synthetic.evaluation("gap")}}, tmp_path)
    text = Page(page.read_text(encoding="utf-8")).text
    assert not (tmp_path / "figures").exists()
    assert "No checks were stored" in text
    assert "APE" not in text


def test_networks_may_lack_kinds(tmp_path):
    results = synthetic.comparison(["mlp", "gap"])
    del results["mlp"]["features"], results["gap"]["surface"]
    text = Page(write_report(results, tmp_path).read_text(encoding="utf-8")).text
    assert "–" in text


def test_differences_in_protocol_are_shown(tmp_path):
    results = {name: {"evaluation": synthetic.evaluation(name)} for name in ("gap", "mcd-gap")}
    text = Page(write_report(results, tmp_path).read_text(encoding="utf-8")).text
    assert "The networks differ in protocol: dropout." in text
    assert "gap: off; mcd-gap: fixed" in text


def test_a_second_run_replaces_the_first(tmp_path):
    results = {"gap": {"evaluation": synthetic.evaluation("gap")}}
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
