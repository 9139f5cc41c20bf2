"""The report on paper, in a real browser: it fits the sheet, whole, in black on white, without controls."""

import pytest

from landscape.report import page as module
from landscape.report import write_report
from landscape.report.sections import write_figures
from tests.figures import synthetic
from tests.report import pages
from tests.report.test_verdicts import PAIR, verdict

SHEETS = {"A4": (210, 297), "Letter": (215.9, 279.4)}
MARGINS = (26, 30)  # of the sheet, in mm, as print.css has them
NAMES = [f"resnet50-mcd-gap-blur-{number}" for number in range(9)]
OVER = """(() => { const width = document.documentElement.clientWidth;
  return [...document.querySelectorAll('body *')].filter(node => node.offsetWidth || node.tagName == 'TD')
    .filter(node => node.getBoundingClientRect().right > width + 0.5)
    .map(node => `${node.tagName}.${node.className}: ${node.textContent.trim().slice(0, 40)}`); })()"""
CONTROLS = "button, input, select, canvas, nav, .live, .skip, .swipe, #downloads, .verdict a"
SEEN = "[...document.querySelectorAll(%r)].filter(node => node.getClientRects().length).length"
STYLE = "getComputedStyle(document.querySelector(%r)).%s"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with everything that may be too wide: nine long names, verdicts, and two kinds of figures."""
    kinds = synthetic.comparison(["mcd-gap-blur"])["mcd-gap-blur"]
    results = {name: {kind: kinds[kind] for kind in pages.KINDS} for name in NAMES}
    drawn = {name: {kind: kinds[kind] for kind in ("surface",)} for name in NAMES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landscape.report.sections.FORMATS", ("svg",))
        patch.setattr("landscape.report.sections.FORMATS", ("svg",))
        patch.setattr(module, "write_figures", lambda _, *rest, **more: write_figures(drawn, *rest, **more))
        said = [verdict(quantity=number, pair=PAIR) for number in range(5)]
        return write_report(results, tmp_path_factory.mktemp("paper"), verdicts=said)


@pytest.fixture(params=SHEETS)
def sheet(started, page, request):
    """The page as on a sheet: its width and height within the margins, in CSS pixels."""
    width, height = (
        (side - margin) / 25.4 * 96 for side, margin in zip(SHEETS[request.param], MARGINS, strict=True)
    )
    started.media(prefers_color_scheme="dark")
    started.open(page, width=int(width), height=int(height))
    started.call("Emulation.setEmulatedMedia", media="print")
    yield started, width, height
    started.call("Emulation.setEmulatedMedia", media="")
    started.media(prefers_color_scheme="light")


def test_nothing_is_wider_than_the_sheet(sheet):
    browser, _, _ = sheet
    assert browser.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.evaluate(OVER) == []


def test_a_figure_stands_on_one_sheet_with_its_words(sheet):
    browser, width, height = sheet
    sizes = browser.evaluate("[...document.images].map(image => [image.offsetWidth, image.offsetHeight])")
    assert len(sizes) >= 3  # the overview is a table
    assert all(50 < across <= width and 50 < down <= height for across, down in sizes)
    heights = browser.evaluate("[...document.querySelectorAll('.figure')].map(node => node.offsetHeight)")
    assert max(heights) <= height
    assert browser.evaluate(STYLE % (".figure", "breakInside")) == "avoid"
    assert browser.evaluate(STYLE % (".chapter h2", "breakAfter")) == "avoid"


def test_figures_stand_in_for_what_moves(sheet):
    browser, _, _ = sheet
    assert browser.evaluate(SEEN % "#surface img, #contours img, #surface3d img") >= 2
    assert browser.evaluate(SEEN % CONTROLS) == 0


def test_what_is_folded_is_printed(sheet):
    browser, _, _ = sheet
    assert browser.evaluate("document.querySelectorAll('details[open]').length") == 0
    hidden = (
        "[...document.querySelectorAll('.factor .dense li, #trust dd')].filter(n => !n.checkVisibility())"
    )
    assert browser.evaluate(f"{hidden}.length") == 0
    assert browser.evaluate("document.querySelectorAll('#trust dd').length") > 20
    assert browser.evaluate("document.querySelectorAll('.factor .dense li').length") == 5
    assert browser.evaluate(SEEN % ".factor table td") >= 30


def test_it_is_black_on_white_in_the_dark_too(sheet):
    browser, _, _ = sheet
    assert browser.evaluate(STYLE % ("body", "backgroundColor")) == "rgb(255, 255, 255)"
    assert browser.evaluate(STYLE % ("body", "color")) == "rgb(0, 0, 0)"


def test_the_summary_is_cut_into_tables_that_hold_all_columns(sheet):
    browser, _, _ = sheet
    heads = "[...document.querySelectorAll('%s thead th + th')].map(node => node.textContent)"
    on_paper = browser.evaluate(heads % "#summary .paper")
    assert on_paper == browser.evaluate(heads % "#summary .screen")
    assert browser.evaluate(SEEN % "#summary .paper table") > 1
    assert browser.evaluate(SEEN % "#summary .screen") == 0


def test_on_the_screen_the_summary_is_one_table(started, page):
    started.open(page)
    assert started.evaluate(SEEN % "#summary .paper") == 0
    assert started.evaluate(SEEN % "#summary .screen table") == 1


@pytest.mark.parametrize("name", SHEETS)
def test_it_prints(started, page, name):
    started.open(page)
    printed = started.pdf(*SHEETS[name])
    assert printed.startswith(b"%PDF")
    assert 5 <= printed.count(b"/Type /Page\n") <= 16
    assert len(printed) > 50_000
