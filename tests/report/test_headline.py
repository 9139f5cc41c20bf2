"""The first lines of the page: what was found, how sure it is, and the overview of all changes."""

import re
from dataclasses import replace

import pytest

from landscape.comparison import Change, Pair
from landscape.report import write_report
from landscape.report.effects import heat
from landscape.report.factors import factors
from landscape.report.headline import headline
from tests.figures import synthetic
from tests.report import pages
from tests.report.pages import Page
from tests.report.test_verdicts import PAIR, verdict

RELU6 = Pair("ReLU6", ("gap",), ("gap-relu6",))
MCD = Pair("blur <after> each stage", ("mcd-gap",), ("mcd-gap-blur",))


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def over_seeds(found):
    change = found.change
    return replace(found, change=Change(change.baseline, change.variant, change.low, change.high, "seeds", 3))


def test_the_finding_names_factors_with_their_changes():
    said = plain(headline([verdict(), verdict(30.0, 10.0, pair=RELU6)], {}).finding)
    assert said == (
        "Blur <after> each stage flattens the loss landscape (largest Hessian eigenvalue −41 % [−60, −22]); "
        "ReLU6 sharpens it (+30 % [+20, +40])."
    )
    only = plain(headline([verdict(30.0, 10.0, pair=RELU6)], {}).finding)
    assert only.startswith("ReLU6 sharpens the loss landscape (largest")


def test_several_pairs_of_a_factor_are_said_together_or_apart():
    both = plain(headline([verdict(), verdict(-60.0, 5.0, pair=MCD)], {}).finding)
    assert both.startswith("Blur <after> each stage flattens the loss landscape")
    assert "−41 to −60 %" in both
    one = plain(headline([verdict(), verdict(1.0, 5.0, pair=MCD)], {}).finding)
    assert "in gap-blur flattens" in one
    assert "in mcd-gap-blur no change is distinguishable" in one


def test_nothing_distinguishable_is_not_dressed_up():
    found = headline([verdict(1.0, 5.0)], {})
    assert found.finding == "No change of the largest Hessian eigenvalue is distinguishable from none."
    assert (found.level, found.label) == ("", "Nothing is distinguishable")


def test_predictions_are_said_after_the_landscape():
    text = plain(headline([verdict(), verdict(-0.4, 0.1, quantity=3)], {}).finding)
    assert text.index("largest Hessian eigenvalue") < text.index("improves the NLL (−0.40 nats")


@pytest.mark.parametrize(
    ("found", "level", "word"),
    [
        ([verdict()], "one", "one trained network each"),
        ([over_seeds(verdict())], "seeds", "over 3 seeds a side"),
        ([over_seeds(verdict()), verdict(pair=RELU6)], "mixed", "1 of 2 intervals"),
    ],
)
def test_one_seed_does_not_pass_for_several(found, level, word):
    said = headline(found, {})
    assert said.level == level
    assert word in said.sureness
    assert ("another seed may differ" in said.sureness) == (level != "seeds")
    row = heat(found).rows[0]
    assert row.cells[0].certainty == ("one" if level == "one" else "seeds")


def test_without_verdicts_networks_are_described():
    said = headline((), {"evaluation": "gap has the lowest NLL.", "seed": "One seed."})
    assert (said.finding, said.sureness, said.label) == ("gap has the lowest NLL.", "One seed.", "")


def test_the_overview_has_a_cell_a_verdict():
    found = heat([verdict(), verdict(0.3, 0.5, quantity=3), verdict(30.0, 10.0, pair=RELU6)])
    assert [(row.factor, row.chapter) for row in found.rows] == [
        (PAIR.factor, "factor-1"),
        ("ReLU6", "factor-2"),
    ]
    assert sum(span for _, span in found.blocks) == len(found.columns) == 2
    assert [each and (each.direction, each.certainty) for each in found.rows[0].cells] == [
        ("good", "one"),
        ("", "none"),
    ]
    assert found.rows[1].cells[1] is None
    assert heat([]) is None


def test_what_was_found_earlier_stands_apart(tmp_path):
    other = replace(over_seeds(verdict()), pair=Pair(PAIR.factor, ("gap-1", "gap-2"), ("blur-1", "blur-2")))
    elsewhere = over_seeds(verdict(pair=RELU6))
    found = heat([verdict()], [other, elsewhere])
    assert [row.labels for row in found.earlier] == [other.pair.labels]  # the page has no chapter on ReLU6
    assert found.certainties == {"one", "seeds"}
    assert headline([verdict()], {}).level == "one"
    results = pages.results(["gap", "gap-blur"], kinds=("evaluation",))
    page = write_report(results, tmp_path, verdicts=[verdict()], earlier=[other]).read_text(encoding="utf-8")
    earlier = page.partition('<tbody class="earlier">')[2].partition("</tbody>")[0]
    assert "three seeds each" in earlier
    assert earlier.count('class="seeds good"') == 1
    without = write_report(results, tmp_path, verdicts=[verdict()]).read_text(encoding="utf-8")
    assert '<tbody class="earlier">' not in without


def test_a_chapter_a_factor():
    results = pages.results(["gap", "gap-blur", "mcd-gap"], kinds=("evaluation",))
    first, second = factors([verdict(), verdict(pair=MCD), verdict(1.0, 5.0, pair=RELU6)], results)
    assert [part.group.pair for part in first.pairs] == ["gap → gap-blur", "mcd-gap → mcd-gap-blur"]
    assert [part.sides for part in first.pairs] == [(0, 1), None]
    assert first.pairs[0].one_seed
    assert second.pairs[0].sentences == [("none", "Not distinguishable: largest Hessian eigenvalue.")]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("story")
    results = {name: {"evaluation": synthetic.evaluation(name, binned=False)} for name in ("gap", "gap-blur")}
    found = [verdict(), over_seeds(verdict(0.9, 0.5, quantity=3)), verdict(0.1, 0.5, quantity=4)]
    return write_report(results, folder, verdicts=found).read_text(encoding="utf-8")


def test_the_page_begins_with_the_finding(page):
    order = [
        '<p class="headline">Blur',
        ">In part over several seeds<",
        ">What each factor changed</h2>",
        ">Blur &lt;after&gt; each stage</h2>",
        ">All numbers</h2>",
    ]
    places = [page.index(words) for words in order]
    assert places == sorted(places)


def test_every_chapter_stands_in_the_contents(page):
    found = Page(page)
    contents = page[page.index("<nav") : page.index("</nav>")]
    linked = set(re.findall('href="([^"]*)"', contents))
    assert {"#reasons", "#factor-1", "#summary", "#trust", "#downloads", "#reproduce"} <= linked
    assert {link[1:] for link in linked} <= set(found.ids)


def test_tables_of_verdicts_are_folded(page):
    start = page.index('<table class="words">')
    assert page[:start].count("<details") == page[:start].count("</details>") + 1
    assert "<details open" not in page


def test_a_verdict_of_one_seed_looks_different(page):
    cells = page[page.index('<table class="heat">') : page.index("</table>")]
    assert '<td class="one good">' in cells
    assert '<td class="seeds bad">' in cells
    assert '<td class="none ">' in cells
    assert ": flatter, one seed</span>" in cells
    assert ": worse, several seeds</span>" in cells
