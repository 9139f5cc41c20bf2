"""The report in a real browser: every part works, and nothing is asked of the network."""

import re

import pytest

from landscape.report import write_report
from tests.report import pages

SEEN = "[...document.querySelectorAll('.panel canvas')].map(canvas => canvas.toDataURL())"
BOX = """(() => { const node = document.querySelector(%r); node.scrollIntoView({block: 'center'});
  const box = node.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; })()"""
SET = """(() => { const node = document.querySelector(%r); node.value = %r;
  node.dispatchEvent(new Event('input', {bubbles: true})); })()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of two networks, the second under three dropout masks."""
    results = pages.results(["mlp", "mcd-gap"])
    results["mcd-gap"] = pages.results(["mcd-gap"], draws=3)["mcd-gap"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landscape.report.sections.FORMATS", ("svg",))  # what the page shows
        return write_report(results, tmp_path_factory.mktemp("page"))


@pytest.fixture
def browser(started, page):
    """The page, opened anew at desktop width in light; afterwards nothing may have been complained about."""
    started.events.clear()
    started.media(prefers_color_scheme="light")
    started.open(page)
    yield started
    assert started.complaints() == []
    assert set(started.requests()) <= {page.resolve().as_uri()}


def seen(browser):
    return browser.evaluate(SEEN)


def change(browser, selector, value):
    browser.evaluate(SET % (selector, value))
    browser.frame()


def click(browser, selector):
    browser.evaluate(f"document.querySelector({selector!r}).click()")
    browser.frame()


def texts(browser, selector):
    return browser.evaluate(f"[...document.querySelectorAll({selector!r})].map(node => node.textContent)")


def middle(browser, selector):
    left, top, width, height = browser.evaluate(BOX % selector)
    return left + width / 2, top + height / 2


def test_every_part_comes_to_life(browser):
    assert browser.evaluate("document.documentElement.dataset.ready") == "true"
    assert browser.evaluate("[...document.querySelectorAll('.live')].every(part => !part.hidden)")
    assert browser.evaluate("document.querySelectorAll('.panel canvas').length") == 2
    assert browser.evaluate("document.querySelectorAll('.chart svg .curve').length") >= 8
    assert all(browser.evaluate("[...document.images].map(image => image.naturalWidth > 100)"))


def test_dragging_one_surface_turns_all(browser):
    before = seen(browser)
    x, y = middle(browser, ".panel canvas")
    browser.drag((x - 40, y), (x + 40, y - 20))
    assert all(a != b for a, b in zip(before, seen(browser), strict=True))
    assert browser.evaluate("document.querySelector('[name=turn]').value") == "83"
    assert browser.evaluate("document.querySelector('[name=tilt]').value") == "28"
    click(browser, "[data-reset]")
    browser.point(5, 5)
    assert texts(browser, "[data-value=turn]") == ["35°"]


def test_keys_turn_surfaces_too(browser):
    before = seen(browser)
    browser.evaluate("document.querySelector('.panel canvas').focus()")
    browser.press("ArrowRight", 39)
    assert all(a != b for a, b in zip(before, seen(browser), strict=True))
    assert texts(browser, "[data-value=turn]") == ["41°"]


def test_one_point_is_read_in_all_networks(browser):
    click(browser, "[name=surface-view][value=contours]")
    x, y = middle(browser, ".panel canvas")
    browser.point(x + 8, y)
    readings = texts(browser, ".panel .reading")
    places = {text.partition(":")[0] for text in readings}
    assert len(places) == 1
    assert all(re.match(r"x −?[\d.]+, y −?[\d.]+: 0\.\d+ ± 0\.\d+$", text) for text in readings), readings


def test_the_point_that_is_read_moves_with_keys_and_is_said(browser):
    click(browser, "[name=surface-view][value=contours]")
    browser.evaluate("document.querySelector('.panel canvas').focus()")
    browser.press("ArrowRight", 39)
    browser.press("ArrowUp", 38)
    browser.frame()
    assert texts(browser, ".panel .reading")[0].startswith("x 0.2, y 0.2: 0.")
    assert texts(browser, "[data-live=surface] [role=status]")[0].startswith("mlp, x 0.2, y 0.2")


def test_the_slider_goes_through_dropout_draws(browser):
    first = seen(browser)
    assert texts(browser, "[data-draw-name]") == ["dropout mask 1 of 3"]
    change(browser, "[name=draw]", "3")
    assert texts(browser, "[data-draw-name]") == ["dropout mask 3 of 3"]
    now = seen(browser)
    assert now[1] != first[1]
    assert now[0] == first[0]  # this network has but one


def test_points_that_are_not_finite_are_counted(browser):
    notes = texts(browser, ".panel .note:not(.units)")
    assert notes == ["3 points not finite (×)", ""]


def test_networks_switch_everywhere(browser):
    def curves():
        return browser.evaluate("document.querySelectorAll('[data-live=features] .curve').length")

    assert curves() == 2
    click(browser, "[data-live=spectrum] [data-network='0']")
    assert curves() == 1
    assert browser.evaluate("[...document.querySelectorAll('.panel')].map(p => p.hidden)") == [True, False]
    assert browser.evaluate(
        "[...document.querySelectorAll('[data-network=\"0\"]')].every(box => !box.checked)"
    )
    click(browser, "[data-live=surface] [data-network='1']")
    assert curves() == 0
    click(browser, "[data-live=surface] [data-network='0']")
    assert curves() == 1


def test_quantities_and_scales_change_what_is_drawn(browser):
    before = seen(browser)
    change(browser, "[data-live=surface] select", "accuracy")
    assert "Accuracy" in texts(browser, ".bar .note")[0]
    after = seen(browser)
    assert before != after
    click(browser, "[name=features-scale][value=log]")
    change(browser, "[data-live=features] select", "model_deviation")
    assert texts(browser, "[data-live=features] h4") == ["Model deviation (over dropout masks) by depth"]
    assert "cannot stand on a logarithmic axis" in texts(browser, "[data-live=features] .reading")[0]


def test_pictures_can_be_had_as_tables(browser):
    click(browser, "[data-live=surface] details.numbers summary")
    browser.frame()
    cells = texts(browser, "[data-live=surface] details.numbers td")
    assert len(cells) == 2 * 11 * 11
    assert cells.count("not finite (∞)") == 3
    click(browser, "[data-live=features] details.numbers summary")
    browser.frame()
    assert len(texts(browser, "[data-live=features] details.numbers th[scope=row]")) >= 20


def test_curves_are_read_by_keys(browser):
    browser.evaluate("document.querySelector('[data-live=features] svg').focus()")
    browser.press("ArrowRight", 39)
    assert texts(browser, "[data-live=features] .reading")[0].startswith("mlp: stem (stem), depth 0: 0.3")


def test_files_are_made_of_what_is_shown(browser):
    browser.evaluate("window.blobs = []; window.files = []")
    browser.evaluate("URL.createObjectURL = (blob) => { window.blobs.push(blob); return 'blob:none'; }")
    browser.evaluate("HTMLAnchorElement.prototype.click = function () { window.files.push(this.download); }")
    for kind in ("surface", "spectrum", "features", "predictions", "everything", "svg", "png", "caption"):
        click(browser, f"[data-download={kind}]")
    browser.wait("window.files.length == 8")
    sizes = browser.evaluate("window.blobs.map(blob => blob.size)")
    assert min(sizes) > 100
    names = browser.evaluate("window.files")
    assert set(names) >= {"surfaces.csv", "feature-maps.csv", "contours.svg", "contours.png", "contours.txt"}
    table = browser.evaluate("window.blobs[0].text()").splitlines()
    assert table[0].startswith("network,draw,x,y,nll")
    assert len(table) == 1 + 11 * 11 * (1 + 3)
    assert sum(",Infinity," in line for line in table) >= 3


def test_dark_and_light_by_button_and_by_system(browser):
    def ground():
        return browser.evaluate("getComputedStyle(document.body).backgroundColor")

    light, before = ground(), seen(browser)
    click(browser, "#theme")
    dark = ground()
    assert dark != light
    assert browser.evaluate("document.querySelector('#theme').getAttribute('aria-pressed')") == "true"
    assert seen(browser) != before
    click(browser, "#theme")
    assert ground() == light
    browser.evaluate("delete document.documentElement.dataset.theme")
    browser.media(prefers_color_scheme="dark")
    assert ground() == dark


@pytest.mark.parametrize("width", [320, 390, 768])
def test_narrow_screens_never_scroll_sideways(started, page, width):
    started.open(page, width=width, height=844, phone=True)
    assert started.evaluate("document.documentElement.scrollWidth") <= width
    assert started.evaluate("[...document.querySelectorAll('.panel canvas')].every(c => c.clientWidth > 200)")


def test_without_scripts_figures_and_numbers_are_there(started, page):
    started.call("Emulation.setScriptExecutionDisabled", value=True)
    started.open(page, settle=False)
    try:
        # The protocol may still look at the page; the page's own script has not run.
        assert started.evaluate("document.documentElement.dataset.ready") is None
        assert started.evaluate("[...document.images].every(image => image.offsetHeight > 50)")
        assert started.evaluate("document.querySelectorAll('#summary td').length") > 10
        hidden = "[...document.querySelectorAll('.live, button')].every(part => part.offsetHeight === 0)"
        assert started.evaluate(hidden)
    finally:
        started.call("Emulation.setScriptExecutionDisabled", value=False)
