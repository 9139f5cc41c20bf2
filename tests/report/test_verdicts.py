from dataclasses import dataclass

from landscape.report import write_report
from landscape.report.verdicts import lines
from tests.figures import synthetic
from tests.report.pages import Page


@dataclass(frozen=True)
class Verdict:
    baseline: str = "gap"
    variant: str = "gap-blur"
    factor: str = "blur <after> each stage"
    quantity: str = "largest eigenvalue"
    change: float = -41.2
    low: float | None = -60.1
    high: float | None = -22.3
    unit: str = ""
    verdict: str = "flatter"
    sentence: str = "With blur the largest eigenvalue falls by 41."


def test_verdicts_are_worded():
    line = lines([Verdict()])[0]
    assert (line.pair, line.change, line.interval) == ("gap → gap-blur", "−41.2", "−60.1 to −22.3")
    assert line.verdict.endswith("flatter")
    assert line.told


def test_what_is_not_distinguishable_says_so():
    line = lines([Verdict(change=0.31, low=-0.02, high=0.64, unit="nats", verdict="not distinguishable")])[0]
    assert line.change == "+0.310\N{NO-BREAK SPACE}nats"
    assert line.verdict == "not distinguishable"
    assert not line.told


def test_an_interval_that_is_not_known_is_not_invented():
    assert lines([Verdict(low=None)])[0].interval == "not known"
    assert lines([Verdict(high=float("nan"))])[0].interval == "not known"


def test_the_page_shows_verdicts_before_numbers(tmp_path):
    results = {"gap": {"evaluation": synthetic.evaluation("gap", binned=False)}}
    html = write_report(results, tmp_path, verdicts=[Verdict()]).read_text(encoding="utf-8")
    text = Page(html).text
    assert "blur <after> each stage" in text
    assert text.index("With blur the largest eigenvalue falls by 41.") < text.index(
        "mean negative log-likelihood"
    )
    without = write_report(results, tmp_path).read_text(encoding="utf-8")
    assert "Verdict" not in Page(without).text
