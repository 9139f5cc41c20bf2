"""The chain of reasons and correlations: what is drawn is what was found, and nothing that was not."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from landscape import figures
from landscape.comparison import LINKED, Change, Pair, Verdict, correlations, pooled
from landscape.comparison.verdicts import SAME
from landscape.errors import ResultError
from landscape.figures.comparison.chain import as_expected, ordered, relative
from landscape.results.reading import LOG
from tests.figures import seeds, synthetic
from tests.figures.legible import assert_legible


def verdict(quantity: int = 0, change: float = -10.0, half: float = 5.0, baseline: float = 100.0, *, pair=0):
    chosen = LINKED[quantity]
    found = Change(baseline, baseline + change, change - half, change + half, chosen.items, 16)
    word = (chosen.lower if change < 0 else chosen.higher) if found.distinguishable else SAME
    factors = ("blur", "ReLU6", "pre-activation", "blur + ReLU6 + pre-activation")
    names = ("gap-blur", "gap-relu6", "gap-preact", "gap-preact-blur-relu6")
    return Verdict(Pair(factors[pair], ("gap",), (names[pair],)), chosen, found, word, "")


def size(quantity: int) -> float:
    """Of a change of some per cent of a baseline of 100: logarithms change by tenths."""
    return 0.01 if LINKED[quantity].scale == LOG else 1.0


def every(pairs: int) -> list[Verdict]:
    rng = np.random.default_rng(0)
    return [
        verdict(q, size(q) * float(rng.normal(0, 40)), size(q) * float(rng.uniform(5, 60)), pair=pair)
        for pair in range(pairs)
        for q in range(len(LINKED))
    ]


@pytest.mark.parametrize("pairs", [1, 2, 4])
@pytest.mark.parametrize("width", [figures.ONE_COLUMN, figures.TWO_COLUMN])
def test_the_chain_is_legible(pairs: int, width: float):
    figure = figures.chain(every(pairs), width=width)
    assert isinstance(figure, Figure)
    assert_legible(figure)
    assert len([axis for axis in figure.axes if axis.get_title()]) == pairs


@pytest.mark.parametrize("pairs", [1, 4])
def test_the_overview_is_legible_and_says_every_change(pairs: int):
    found = every(pairs)
    figure = figures.overview(found)
    assert_legible(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    shares = [relative(each)[0] for each in found]
    expected = [f"{share:+.{0 if abs(share) >= 0.95 else 1}f} %".replace("-", "−") for share in shares]
    assert texts == expected
    told = sum(as_expected(each) is not None for each in found)
    assert len(figure.axes[0].patches) == told


def test_changes_beyond_the_edge_stand_there_in_numbers():
    axis = figures.chain([verdict(change=150.0), verdict(1, change=-40.0)]).axes[0]
    assert [text.get_text() for text in axis.texts] == ["+150 %"]


def test_points_lie_where_the_changes_are():
    figure = figures.chain([verdict(0, -10.0, 5.0), verdict(3, 30.0, 200.0)])
    (axis,) = figure.axes
    places = {tuple(np.round(line.get_xdata(), 6)) for line in axis.lines}
    assert (-15.0, -5.0) in places
    assert (-10.0,) in places
    assert (-100.0, 100.0) in places  # an interval that is wider than the panel ends in arrows
    arrows = {line.get_marker() for line in axis.lines}
    assert {"<", ">"} <= arrows


def test_quantities_come_in_the_order_of_the_chain():
    names = ordered(every(1))
    assert names[0] == "spatial variance"
    assert names[-3:] == ["NLL", "accuracy", "calibration error"]


@pytest.mark.parametrize(
    ("quantity", "change", "expected"),
    [(0, -10, True), (0, 10, False), (4, 10, True), (4, -10, False), (0, 1, None)],
)
def test_what_the_papers_expect(quantity: int, change: float, expected: bool | None):
    assert as_expected(verdict(quantity, change)) is expected


def test_a_change_from_nothing_has_no_per_cent():
    assert np.isnan(relative(verdict(0, 5.0, 1.0, baseline=0.0))).all()


def test_captions_say_what_intervals_are_over():
    text = figures.caption("chain", every(2))
    assert "gap-blur (blur), gap-relu6 (ReLU6)" in text
    assert "16 mini-batches" in text
    assert "Other seeds were not measured" in text


def test_nothing_to_draw_is_said():
    for draw in (figures.chain, figures.overview):
        with pytest.raises(ResultError, match="no verdicts"):
            draw([])


def ranked(count: int = 9) -> xr.Dataset:
    rng = np.random.default_rng(0)
    names = np.array([quantity.name for quantity in LINKED], dtype=object)
    shape, dims = (len(names), len(names)), ("quantity_a", "quantity_b")
    return xr.Dataset(
        {
            "correlation": (dims, rng.uniform(-1, 1, shape)),
            "p_value": (dims, rng.uniform(0, 0.2, shape)),
            "networks": (dims, np.full(shape, count)),
        },
        coords=dict.fromkeys(dims, names),
    )


@pytest.mark.parametrize("width", [figures.ONE_COLUMN, figures.TWO_COLUMN])
def test_correlations_are_legible_and_bold_where_told(width: float):
    dataset = ranked()
    figure = figures.correlations(dataset, width=width)
    assert_legible(figure)
    texts = figure.axes[0].texts
    assert len(texts) == len(LINKED) * (len(LINKED) - 1) // 2
    lower = np.tri(len(LINKED), k=-1, dtype=bool)
    assert sum(text.get_weight() == "bold" for text in texts) == int(
        (dataset.p_value.values < 0.05)[lower].sum()
    )
    assert "of 9 networks" in figures.caption("correlations", dataset)


def test_correlations_are_over_configurations():
    found = pooled(seeds.family(("mlp", "gap", "gap-blur")))
    five = found | {f"{name}-wide": found[name] for name in ("mlp", "gap", "gap-blur")}
    correlated = correlations(five)
    assert correlated.attrs["seeds"] == "3"
    assert int(correlated.networks.max()) == 6
    assert "of 6 networks, each the mean over 3 seeds;" in figures.caption("correlations", correlated)
    alone = correlations(synthetic.comparison(synthetic.FAMILY[:5]))
    assert alone.attrs["seeds"] == ""
    assert "seeds" not in figures.caption("correlations", alone)
    assert np.isfinite(correlated.correlation).any()


def test_a_logarithm_changes_by_a_factor():
    (place,) = (i for i, each in enumerate(LINKED) if each.name == "high frequencies")
    value, low, high = relative(verdict(place, -0.5, 0.2, baseline=-2.0))
    assert (value, low, high) == pytest.approx((-39.35, -50.34, -25.92), abs=0.01)  # exp(−0.5) is 0.6065
    assert relative(verdict(place, 0.5, 0.2, baseline=0.0))[0] == pytest.approx(64.87, abs=0.01)
