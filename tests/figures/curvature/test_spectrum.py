"""Mini-batch spectra: densities, ticks, and the numbers of the legend."""

import numpy as np
import pytest

from landscape import figures
from landscape.comparison import pooled
from landscape.figures.curvature.spectrum import density, entry, grid, numbers, use_log
from tests.figures import seeds, synthetic
from tests.figures.artists import labels, line
from tests.figures.legible import assert_legible


def titles(figure):
    return [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]


def area(curve, points, log):
    return np.trapezoid(curve, np.log10(points) if log else points)


@pytest.mark.parametrize("log", [True, False])
def test_the_area_under_a_curve_is_the_share(log):
    sample = np.random.default_rng(0).lognormal(3, 0.6, 300)
    points = grid([sample], log=log)
    assert area(density(sample, points, log=log, share=0.3), points, log) == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("sample", [[], [1.0], [1.0, 2.0], [3.0] * 9])
def test_few_or_equal_values_have_no_density(sample):
    assert density(np.array(sample), np.array([1.0]), log=False) is None


def test_the_negative_panel_is_there_only_with_negative_values():
    assert titles(figures.spectrum(synthetic.spectrum())) == ["positive"]
    assert titles(figures.spectrum(synthetic.spectrum(negative=0.3))) == ["negative", "positive"]


def test_every_value_is_a_tick_on_its_side():
    dataset = synthetic.spectrum(negative=0.3)
    values = dataset["eigenvalue"].values.ravel()
    figure = figures.spectrum(dataset)
    ticks = [line.get_xdata() for axis in figure.axes for line in axis.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(np.sort(np.concatenate(ticks)), np.sort(values))
    negative, positive = figure.axes[:2]
    assert negative.get_xlim()[1] <= 0 <= positive.get_xlim()[0]


@pytest.mark.parametrize(("batches", "k"), [(1, 1), (1, 2), (2, 1), (8, 1), (29, 1)])
def test_few_values_are_a_strip_with_their_mean_and_no_density(batches, k, tmp_path):
    dataset = synthetic.spectrum(batches=batches, k=k).assign(ape_low=90.0, ape_high=260.0)
    figure = figures.spectrum({"gap": dataset, "mlp": synthetic.spectrum("mlp", batches=40, seed=1)})
    (axis,) = figure.axes
    ticks = {line.get_label(): line.get_xdata() for line in axis.lines if line.get_marker() == "|"}
    np.testing.assert_allclose(ticks["_gap"], dataset["eigenvalue"].values.ravel())
    mean = line(axis, "gap")
    assert float(mean.get_xdata()[0]) == pytest.approx(float(dataset["ape"]))
    ends = axis.containers[0].lines[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, [90, 260])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["gap", "mlp"]
    assert not figure.legends
    figures.save(figure, tmp_path / "few", formats=["png"])


def test_an_interval_below_zero_leaves_a_logarithmic_axis_at_its_left_end(recwarn, tmp_path):
    dataset = synthetic.spectrum(batches=8, k=1).assign(ape_low=-20.0, ape_high=300.0)
    figure = figures.spectrum(dataset, log=True)
    figures.save(figure, tmp_path / "below", formats=["png"])
    values = dataset["eigenvalue"].values
    low, high = figure.axes[0].get_xlim()
    assert 0.5 * values[values > 0].min() < low < values[values > 0].min()
    assert high > 300
    assert not recwarn.list


def test_the_share_of_negative_ones_is_said_only_where_they_were_asked_for():
    largest = synthetic.spectrum(batches=8, k=5, options={"which": "largest"})
    assert numbers(largest)[1:] == []
    assert "NEP" not in figures.caption("spectrum", largest)
    assert numbers(largest.assign(nep=0.25))[1:] == ["NEP 25 %"]
    first = synthetic.spectrum(batches=8, k=1, options={"which": "magnitude"})
    assert numbers(first)[1:] == []
    assert numbers(first.assign(nep=0.125))[1:] == ["NEP 12.5 %"]
    assert numbers(synthetic.spectrum(options={"which": "magnitude"}))[1:] == ["NEP 0 %"]


def test_the_axis_is_logarithmic_where_the_range_is_wide():
    assert use_log(np.array([1.0, 10.0, 300.0]))
    assert not use_log(np.array([100.0, 150.0, 300.0]))
    wide = {"a": synthetic.spectrum("a", level=1.0), "b": synthetic.spectrum("b", level=1e4)}
    assert "per decade" in figures.spectrum(wide).axes[0].get_ylabel()
    assert figures.spectrum(wide, log=False).axes[0].get_ylabel() == "density"


def test_the_legend_has_ape_and_nep():
    dataset = synthetic.spectrum(negative=0.3)
    text = entry("gap", dataset)
    assert f"APE {float(dataset['ape']):.3g} ±" in text
    assert f"NEP {100 * float(dataset['nep']):.3g} %" in text
    dataset["ape"] = np.nan
    assert "APE" not in entry("gap", dataset)


def test_the_legend_takes_the_interval_where_there_is_one():
    dataset = synthetic.spectrum().assign(ape=170.2, nep=0.03)
    interval = dataset.assign(ape_low=140.0, ape_high=205.4, nep_low=0.01, nep_high=0.05)
    assert entry("gap", interval) == "gap: APE 170 [140, 205], NEP 3 % [1, 5]"
    assert entry("gap", interval.assign(nep_high=np.nan)) == "gap: APE 170 [140, 205], NEP 3 %"
    assert entry("gap", dataset.assign(ape_standard_error=61.7)) == "gap: APE 170 ± 120, NEP 3 %"


def test_a_long_name_gives_way_to_its_numbers():
    dataset = synthetic.spectrum().assign(ape=1702.0, nep=0.031, ape_low=1400.0, ape_high=2054.0)
    text = entry("a-network-with-a-long-name", dataset.assign(nep_low=0.0112, nep_high=0.0512))
    assert text.endswith(": APE 1702 [1400, 2054], NEP 3.1 % [1.12, 5.12]")
    assert len(text) <= 62


def test_nine_networks_have_a_curve_and_a_row_each():
    spectra = {
        name: synthetic.spectrum(name, level=400 / (i + 1), negative=0.1, batches=40, seed=i).assign(
            ape_low=123.4, ape_high=234.5, nep_low=0.0612, nep_high=0.1234
        )
        for i, name in enumerate(synthetic.FAMILY)
    }
    figure = figures.spectrum(spectra)
    assert_legible(figure)
    for start, names in ((0, synthetic.FAMILY[:4]), (4, synthetic.FAMILY[4:])):
        for upper, lower in zip(
            figure.axes[start : start + 2], figure.axes[start + 2 : start + 4], strict=True
        ):
            assert [each.get_label() for each in upper.lines] == list(names)
            assert [set(each.get_ydata()) for each in lower.lines] == [{row} for row in range(len(names))]
    for side in (0, 1):
        assert figure.axes[side].get_ylim() == figure.axes[side + 4].get_ylim()
        assert figure.axes[side].get_xlim() == figure.axes[side + 4].get_xlim()


def test_the_legend_has_the_interval_over_seeds():
    networks = {name: {"spectrum": kinds["spectrum"]} for name, kinds in seeds.family(("gap",)).items()}
    dataset = pooled(networks)["gap"]["spectrum"]
    (text,) = labels(figures.spectrum({"gap": dataset}))
    low, high = (float(dataset[f"ape_{end}"]) for end in ("low", "high"))
    assert f"[{low:.3g}, {high:.3g}]".replace("-", "−") in text
