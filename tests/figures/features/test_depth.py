"""Feature maps by depth: lines, bands, shading; lesions."""

import numpy as np
import pytest

from landscape import figures
from landscape.figures.style.depth import (
    aligned,
    shades,
    shared_spans,
    spans_of,
    stage_boundaries,
    subsampling,
)
from tests.figures import synthetic
from tests.figures.artists import line

NETWORKS = {
    "gap": synthetic.features("gap"),
    "gap-blur": synthetic.features("gap-blur", blur=True),
    "mlp": synthetic.features("mlp", scale=0.5),
}


@pytest.mark.parametrize(
    ("draw", "variable"),
    [(figures.high_frequency, "high_frequency"), (figures.variance, "spatial_variance")],
)
def test_lines_by_depth_hold_the_data(draw, variable):
    figure = draw(NETWORKS)
    axis = figure.axes[0]
    looks = figures.looks(NETWORKS)
    for name, dataset in NETWORKS.items():
        drawn = line(axis, name)
        np.testing.assert_allclose(drawn.get_xdata(), aligned(NETWORKS)[name]["depth"].values)
        np.testing.assert_allclose(drawn.get_ydata(), dataset[variable].values)
        assert drawn.get_color() == looks[name].colour
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    shaded = ["every second stage", "subsampling layer", "smoothing layer"]
    named = [text.get_text() for text in axis.texts]  # at the ends of the curves
    assert sorted(named + labels) == sorted([*NETWORKS, "after smoothing (open)", *shaded])


def test_smoothing_layers_are_open_and_stages_shaded():
    axis = figures.variance(NETWORKS).axes[0]
    opened = [drawn for drawn in axis.lines if drawn.get_markerfacecolor() == "white"]
    assert len(opened) == 1
    assert len(opened[0].get_xdata()) == 3
    stages = [patch for patch in axis.patches if np.allclose(patch.get_facecolor()[:3], 0.94)]
    assert len(stages) == 2


def test_bars_are_two_standard_errors():
    dataset = NETWORKS["gap"]
    container = figures.variance(dataset).axes[0].containers[0]
    segments = container.lines[2][0].get_segments()
    heights = [segment[1, 1] - segment[0, 1] for segment in segments]
    np.testing.assert_allclose(heights, 4 * dataset["spatial_variance_standard_error"].values)


def test_variance_takes_logarithms_where_the_range_is_wide():
    wide = {"a": synthetic.features("a"), "b": synthetic.features("b", scale=100.0)}
    assert figures.variance(wide).axes[0].get_yscale() == "log"
    assert figures.variance(NETWORKS).axes[0].get_yscale() == "linear"
    assert figures.variance(NETWORKS, log=True).axes[0].get_yscale() == "log"


def shaded(axis):
    """Spans of what is shaded besides stages, by label."""
    found = {}
    for patch in axis.patches:
        if patch.get_label().startswith("_") and patch.get_label().endswith("layer"):
            found.setdefault(patch.get_label()[1:], []).append(
                (patch.get_x(), patch.get_x() + patch.get_width())
            )
    return found


def test_spans_reach_halfway_to_the_neighbours_and_runs_are_one():
    dataset = synthetic.features().isel(layer=slice(5)).assign(depth=("layer", [0, 0.2, 0.4, 0.8, 1.0]))
    assert spans_of(dataset, np.array([0, 1, 1, 0, 0], dtype=bool)) == [pytest.approx((0.1, 0.6))]
    assert spans_of(dataset, np.array([1, 0, 0, 0, 1], dtype=bool)) == [
        pytest.approx((-0.1, 0.1)),
        pytest.approx((0.9, 1.1)),
    ]
    assert spans_of(dataset.isel(layer=[0]), np.array([True])) == [(-0.5, 0.5)]
    assert spans_of(dataset, np.zeros(5, dtype=bool)) == []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], []),
        ([[], []], []),
        ([[(0.1, 0.2)], []], [(0.1, 0.2)]),
        ([[(0.1, 0.2), (0.5, 0.6)], [(0.15, 0.3), (0.4, 0.55)]], [(0.1, 0.3), (0.4, 0.6)]),
        ([[(0.1, 0.2)], [(0.2, 0.3)]], []),  # they lie at different places
        ([[(0.1, 0.2)], [(0.1, 0.2), (0.5, 0.6)]], []),  # one has more
        ([[(0.0, 0.5), (0.5, 0.6)], [(0.4, 0.55), (0.58, 0.7)]], []),  # what is round both overlaps
    ],
)
def test_networks_share_spans_or_none_are_shaded(found, expected):
    assert shared_spans(found) == expected


def test_smoothing_and_subsampling_layers_are_shaded_where_they_are():
    dataset = synthetic.features("gap-blur", blur=True)
    found = shaded(figures.high_frequency(dataset).axes[0])
    assert list(found) == ["subsampling layer", "smoothing layer"]
    for label, mask in {
        "smoothing layer": dataset["kind"].values == "smoothing",
        "subsampling layer": subsampling(dataset),
    }.items():
        depths = dataset["depth"].values
        inside = [any(low < depth < high for low, high in found[label]) for depth in depths]
        np.testing.assert_array_equal(inside, mask)


def test_attention_layers_are_shaded_and_named_in_the_legend():
    dataset = synthetic.features()
    dataset["kind"][4] = "attention"
    figure = figures.variance(dataset)
    assert "attention layer" in shaded(figure.axes[0])
    assert "attention layer" in [text.get_text() for text in figure.legends[0].get_texts()]


def late():
    """A network and one whose stages lie elsewhere."""
    late = synthetic.features("late", blur=True)
    late["depth"][:] = late["depth"].values ** 4
    return {"gap-blur": synthetic.features("gap-blur", blur=True), "late": late}


def shaded_layers(networks):
    labels = [text.get_text() for text in figures.variance(networks).legends[0].get_texts()]
    return [label for label in labels if label.endswith("layer")]


def test_stages_of_other_depth_share_their_shading():
    both = late()
    assert stage_boundaries(both.values()) != stage_boundaries(aligned(both).values())
    assert len(stage_boundaries(aligned(both).values())) == 3
    for stage in (1, 2, 3):
        ends = {
            (round(float(depth.min()), 6), round(float(depth.max()), 6))
            for dataset in aligned(both).values()
            for depth in [dataset["depth"].values[dataset["stage"].values >= stage]]
        }
        assert len({end for _, end in ends}) == 1
    for name, dataset in aligned(both).items():
        assert (np.diff(dataset["depth"].values) > 0).all()
        assert (dataset["depth"].values[[0, -1]] == both[name]["depth"].values[[0, -1]]).all()
    assert shaded_layers(both) == ["subsampling layer", "smoothing layer"]
    assert "Depths are stretched" in figures.caption("variance", both)


def test_networks_alone_or_of_other_stages_keep_their_depths():
    alone = {"late": late()["late"]}
    assert aligned(alone)["late"] is alone["late"]
    other = late()
    other["late"] = other["late"].isel(layer=other["late"]["stage"].values < 3)
    assert aligned(other) == other
    assert "Depths are stretched" not in figures.caption("variance", other)


def test_nothing_is_shaded_that_only_some_networks_would_show():
    other = late()
    other["late"] = other["late"].isel(layer=other["late"]["stage"].values < 3)
    other["late"]["depth"][:] = other["late"]["depth"].values ** 0.1
    assert shades(other.values()) == []
    assert shaded_layers(other) == []
    assert "smoothing layers" not in figures.caption("variance", other)


def test_results_without_the_mask_tell_subsampling_by_their_kind():
    dataset = synthetic.features().drop_vars("subsampling")
    assert not subsampling(dataset).any()
    dataset["kind"][3] = "subsampling"
    np.testing.assert_array_equal(np.flatnonzero(subsampling(dataset)), [3])
