"""The page as a story in a real browser: contents, names, differences, pairs, and addresses of views."""

import re

import pytest

from landscape.report import write_report
from tests.browser.test_report import BOX, change, click, texts
from tests.figures import seeds
from tests.report import pages
from tests.report.test_verdicts import PAIR, verdict

VISIBLE = "[...document.querySelectorAll(%r)].filter(node => node.getClientRects().length).length"
HIDDEN = "[...document.querySelectorAll('.panel')].map(panel => panel.hidden)"
SIGNS = {ord("−"): "-", ord("∞"): "inf"}
LINES = "[...document.querySelectorAll('.heat, .headline, .sureness, .said')].map(n => n.offsetHeight)"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two networks with the verdict on them, of which the first has two checkpoints of its training."""
    results = pages.results(["gap", "gap-blur", "gap-half"])
    for name, done in (("gap", 17), ("gap-half", 8)):
        training = {"recipe": {"epochs": 17, "seed": 0}, "done": done}
        results[name] = {
            kind: seeds.known(dataset, name, seeds.CONFIGS["gap"], training=training)
            for kind, dataset in results[name].items()
        }
    found = [verdict(quantity=number, pair=PAIR) for number in range(4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landscape.report.sections.FORMATS", ("svg",))
        return write_report(results, tmp_path_factory.mktemp("story"), verdicts=found)


@pytest.fixture
def browser(started, page):
    started.events.clear()
    started.media(prefers_color_scheme="light")
    started.call("Page.navigate", url="about:blank")  # else only what stands behind the # would change
    started.open(page)
    yield started
    assert started.complaints() == []
    assert set(started.requests()) <= {page.resolve().as_uri(), "about:blank"}


def reopen(browser, page, behind):
    browser.call("Page.navigate", url="about:blank")
    browser.call("Page.navigate", url=f"{page.resolve().as_uri()}#{behind}")
    browser.wait("document.documentElement?.dataset.ready == 'true'")
    browser.frame()


def test_printed_twins_are_not_seen_on_the_screen(browser):
    assert browser.evaluate("document.querySelectorAll('.twin img').length") >= 4
    assert browser.evaluate(VISIBLE % ".twin img") == 0
    assert browser.evaluate(VISIBLE % ".twin .finding") >= 2
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate(VISIBLE % ".twin img") >= 4
    browser.call("Emulation.setEmulatedMedia", media="")


def test_the_contents_follow_the_scroll(browser):
    def now():
        return texts(browser, "nav [aria-current]")

    assert now() == ["Overview"]
    browser.evaluate("document.getElementById('feature-maps').scrollIntoView()")
    browser.wait("document.querySelector('nav [aria-current]').hash == '#feature-maps'")
    assert now() == ["Feature maps by depth"]
    top = browser.evaluate("document.querySelector('nav').getBoundingClientRect().top")
    assert top == 0


def test_names_in_the_contents_switch_every_part(browser):
    click(browser, "nav [data-network='1']")
    assert browser.evaluate(
        "[...document.querySelectorAll('[data-network=\"1\"]')].every(box => !box.checked)"
    )
    assert browser.evaluate("document.querySelector('[data-panel=\"1\"]').hidden")
    assert browser.evaluate("document.querySelectorAll('[data-live=features] .curve').length") == 2


def test_pointing_at_a_name_dims_the_others(browser):
    series = "[...document.querySelectorAll('[data-live=features] .series')]"
    faint = f"{series}.map(node => node.classList.contains('faint'))"
    left, top, width, height = browser.evaluate(BOX % "nav label[data-of='1']")
    browser.point(left + width / 2, top + height / 2)
    assert browser.evaluate(faint) == [True, False, True]
    browser.point(700, 5)
    assert browser.evaluate(faint) == [False, False, False]


def test_reading_a_curve_dims_the_others(browser):
    browser.evaluate("document.querySelector('[data-live=features] svg').focus()")
    browser.press("ArrowRight", 39)
    assert browser.evaluate("document.querySelectorAll('[data-live=features] .series.faint').length") == 2
    browser.evaluate("document.activeElement.blur()")
    assert browser.evaluate("document.querySelectorAll('.faint').length") == 0


def test_a_difference_is_of_the_points_that_are_read(browser):
    click(browser, "[name=surface-view][value=contours]")
    click(browser, "[data-live=surface] details.numbers summary")
    browser.frame()

    def cells(place):
        found = texts(browser, f"[data-live=surface] details table:nth-child({place}) td")
        return [float(re.sub(r"not finite \((.*)\)", r"\1", text).translate(SIGNS)) for text in found]

    first, second = cells(1), cells(2)
    change(browser, "[name=minus]", "0")
    assert browser.evaluate(HIDDEN) == [
        True,
        False,
        False,
    ]
    assert "less that of gap" in texts(browser, ".bar .note")[0]
    assert cells(1) == pytest.approx([b - a for a, b in zip(first, second, strict=True)], rel=0.01, abs=0.002)


def test_a_factor_has_its_pictures_and_shows_its_pair_alone(browser):
    browser.evaluate("document.querySelector('.pair').scrollIntoView()")
    browser.wait("document.querySelectorAll('.pair svg .series').length >= 4")
    click(browser, ".pair [data-only]")
    assert browser.evaluate(HIDDEN) == [
        False,
        False,
        True,
    ]
    click(browser, ".pair [data-minus]")
    assert browser.evaluate("document.querySelector('[name=minus]').value") == "0"


def test_training_can_be_gone_through(browser):
    change(browser, "[data-live=surface] [name=epoch]", "1")
    assert set(texts(browser, "[data-value=epoch]")) == {"epoch 8"}
    assert browser.evaluate(HIDDEN) == [
        True,
        False,
        False,
    ]
    change(browser, "[data-live=features] [name=epoch]", "2")
    assert browser.evaluate(HIDDEN) == [
        False,
        False,
        True,
    ]
    change(browser, "[data-live=features] [name=epoch]", "0")
    assert browser.evaluate(HIDDEN) == [False] * 3


def test_an_address_keeps_what_was_chosen(browser, page):
    change(browser, "[data-live=surface] [name=surface]", "accuracy")
    click(browser, "[name=surface-view][value=contours]")
    click(browser, "nav [data-network='2']")
    click(browser, "nav a[href='#feature-maps']")
    browser.wait("location.hash.includes('networks')")
    behind = browser.evaluate("location.hash.slice(1)")
    assert behind.startswith("feature-maps?")
    reopen(browser, page, behind)
    assert browser.evaluate("document.querySelector('[name=surface]').value") == "accuracy"
    assert browser.evaluate("document.querySelector('[value=contours]').checked")
    assert browser.evaluate(HIDDEN) == [
        False,
        False,
        True,
    ]
    browser.wait("Math.abs(document.getElementById('feature-maps').getBoundingClientRect().top) < 80")


@pytest.mark.parametrize(
    "behind", ["x?networks=5", "?networks=[1", "%3F?minus=9&turn=a&draw=<b>&surface=none", "?" * 9]
)
def test_an_address_of_nonsense_opens_the_page(browser, page, behind):
    reopen(browser, page, behind)
    assert browser.evaluate("document.querySelectorAll('.curve').length") > 0
    assert browser.evaluate("document.querySelector('[name=surface]').value") == "nll"


@pytest.mark.parametrize("width", [320, 390])
def test_the_story_fits_a_phone(started, page, width):
    started.open(page, width=width, height=844, phone=True)
    assert started.evaluate("document.documentElement.scrollWidth") <= width
    assert min(started.evaluate(LINES)) > 10
    assert started.evaluate("document.querySelector('nav').offsetHeight") < 60
