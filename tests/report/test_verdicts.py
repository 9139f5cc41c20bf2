import re

import pytest

from landscape.comparison import QUANTITIES, Change, Pair, Verdict
from landscape.comparison.verdicts import SAME
from landscape.report import write_report
from landscape.report.trust import groups, write_reasons
from tests.figures import synthetic
from tests.report.pages import Page

PAIR = Pair("blur <after> each stage", ("gap",), ("gap-blur",))


def verdict(change=-41.2, half=18.9, *, quantity=0, pair=PAIR):
    chosen = QUANTITIES[quantity]
    found = Change(100.0, 100.0 + change, change - half, change + half, chosen.items, 1600)
    word = (chosen.lower if change < 0 else chosen.higher) if found.distinguishable else SAME
    return Verdict(pair, chosen, found, word, f"Its {chosen.name} is {word}.")


def line_of(found):
    return groups([found])[0].lines[0]


def test_verdicts_are_worded_by_pair():
    other = Pair("ReLU6", ("gap",), ("gap-relu6",))
    found = groups([verdict(), verdict(pair=other), verdict(quantity=3)])
    assert [(group.pair, len(group.lines)) for group in found] == [
        ("gap → gap-blur", 2),
        ("gap → gap-relu6", 1),
    ]
    line = line_of(verdict())
    assert (line.values, line.change) == ("100 → 58.8", "−41.2")
    assert (line.interval, line.over) == ("−60.1 to −22.3", "1,600 mini-batches")
    assert (line.verdict, line.distinguishable) == ("flatter", True)


def test_what_is_not_distinguishable_says_so():
    line = line_of(verdict(0.31, 0.5, quantity=2))
    assert line.change == "+0.310"
    assert line.values.endswith("\N{NO-BREAK SPACE}nats")
    assert (line.verdict, line.distinguishable) == (SAME, False)


def test_an_interval_that_is_not_known_is_not_invented():
    assert line_of(verdict(half=float("nan"))).interval == "not known"


def test_seeds_are_counted():
    several = Pair("blur", ("gap", "gap-1"), ("gap-blur", "gap-blur-1", "gap-blur-2"))
    assert groups([verdict(pair=several)])[0].pair == "gap → gap-blur (2 and 3 seeds)"


@pytest.fixture
def results():
    return {"gap": {"evaluation": synthetic.evaluation("gap", binned=False)}}


def test_the_page_shows_verdicts_before_numbers(results, tmp_path):
    found = [verdict(), verdict(0.3, 0.5, quantity=3)]
    page = Page(write_report(results, tmp_path, verdicts=found).read_text(encoding="utf-8"))
    assert "blur <after> each stage" in page.text
    assert page.text.index("Its NLL is not distinguishable.") < page.text.index(
        "mean negative log-likelihood"
    )
    assert "1 of 2 changes are distinguishable from none." in page.text
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"overview", "chain"}
    assert "reasons" in page.ids


def test_without_verdicts_there_is_no_place_for_them(results, tmp_path):
    page = Page(write_report(results, tmp_path).read_text(encoding="utf-8"))
    assert "Verdict" not in page.text
    assert "reasons" not in page.ids


def test_rank_correlations_have_room_for_their_names(tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.report.sections.FORMATS", ("svg",))
    found = [verdict(quantity=place) for place in range(4)]
    sections = write_reasons(found, synthetic.comparison(synthetic.FAMILY), tmp_path)
    quantities = ("spatial variance", "high frequencies", "largest Hessian eigenvalue")
    drawn = (tmp_path / "correlations.svg").read_text(encoding="utf-8")
    assert all(name.split()[0] in drawn for name in quantities)
    width = float(re.search(r'width="([\d.]+)pt"', drawn)[1]) / 72
    assert width == pytest.approx(4, abs=0.6)  # half an inch each, where one column gave a third
    assert sections[-1].name == "correlations"
