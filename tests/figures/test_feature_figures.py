import matplotlib.colors
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import PolyCollection

from landscape import figures
from landscape.errors import ResultError
from landscape.figures.features.amplitude import stage_ends
from landscape.figures.features.covariance import largest_off_centre, select, wrapped
from landscape.figures.features.maps import choose, feature_map
from landscape.figures.style.reductions import smoothing_ratios
from tests.figures import feature_results, synthetic

NETWORKS = {
    "gap": synthetic.features("gap"),
    "mcd-gap": synthetic.features("mcd-gap", scale=0.8),
    "mcd-gap-blur": synthetic.features("mcd-gap-blur", blur=True, scale=0.6),
}


def line(axis, label):
    """The line of a network, on its own or within its error bars."""
    for container in axis.containers:
        if container.get_label() == label:
            return container.lines[0]
    return next(drawn for drawn in axis.lines if drawn.get_label() == label)


def band(collection):
    """Lower and upper edge of a filled band, each in the order of the points."""
    vertices = collection.get_paths()[0].vertices
    count = (len(vertices) - 3) // 2
    return vertices[1 : count + 1, 1], vertices[count + 2 : 2 * count + 2, 1][::-1]


def test_radial_curves_hold_the_rings_without_padding():
    dataset = NETWORKS["gap"]
    figure = figures.radial(dataset)
    for layer, drawn in enumerate(figure.axes[0].lines):
        expected = dataset["radial_delta_log_amplitude"].values[layer]
        np.testing.assert_array_equal(drawn.get_ydata(), expected[np.isfinite(expected)])
    assert figure.axes[0].get_xlim()[1] == np.nanmax(dataset["radial_frequency_pi"].values)


def test_amplitudes_have_a_panel_a_stage_and_are_absolute():
    figure = figures.amplitude(NETWORKS)
    assert [axis.get_title() for axis in figure.axes] == [f"end of stage {i}" for i in (1, 2, 3)]
    for axis, stage in zip(figure.axes, (1, 2, 3), strict=True):
        for name, dataset in NETWORKS.items():
            layer = np.flatnonzero(dataset["stage"].values == stage)[-1]
            expected = dataset["log_amplitude"].values[layer]
            np.testing.assert_array_equal(line(axis, name).get_ydata(), expected[np.isfinite(expected)])
    rings = figures.amplitude(NETWORKS["gap"], radial=True).axes[0].lines[0]
    layer = stage_ends(NETWORKS["gap"])[1]
    expected = NETWORKS["gap"]["radial_log_amplitude"].values[layer]
    np.testing.assert_array_equal(rings.get_ydata(), expected[np.isfinite(expected)])


def test_bands_of_amplitudes_are_two_standard_errors_where_known():
    dataset = NETWORKS["gap"]
    axis = figures.amplitude(dataset).axes[0]
    layer = stage_ends(dataset)[1]
    error = dataset["log_amplitude_standard_error"].values[layer]
    low, high = band(axis.collections[0])
    np.testing.assert_allclose(high - low, 4 * error[np.isfinite(error)])
    plain = figures.amplitude(dataset.drop_vars("log_amplitude_standard_error"))
    assert not plain.axes[0].collections


def test_the_end_of_a_stage_is_its_last_layer_that_is_not_pooling():
    dataset = NETWORKS["mcd-gap-blur"]
    assert [str(dataset["layer"].values[i]) for i in stage_ends(dataset).values()] == [
        "smooth1",
        "smooth2",
        "smooth3",
    ]
    pooled = dataset.copy(deep=True)
    pooled["kind"][4] = "subsampling"
    assert str(dataset["layer"].values[stage_ends(pooled)[1]]) == "stage1.2"
    assert stage_ends(dataset.isel(layer=[0])) == {0: 0}


def test_uncertainty_draws_model_and_data_with_bands():
    figure = figures.uncertainty(NETWORKS)
    for axis, variable in zip(figure.axes, ("model_deviation", "spatial_deviation"), strict=True):
        for index, (name, dataset) in enumerate(NETWORKS.items()):
            values, error = (dataset[f"{variable}{end}"].values for end in ("", "_standard_error"))
            np.testing.assert_array_equal(line(axis, name).get_ydata(), values)
            low, high = band(bands(axis)[index])
            np.testing.assert_allclose(high - low, 4 * error)
        assert axis.get_ylim()[0] < 0


def bands(axis):
    """The filled bands of an axis, in order."""
    return [each for each in axis.collections if isinstance(each, PolyCollection)]


def test_a_network_without_draws_has_no_model_curve():
    single = NETWORKS["gap"].copy(deep=True)
    single["model_deviation"][:] = np.nan
    figure = figures.uncertainty({"gap": single, "mcd-gap": NETWORKS["mcd-gap"]})
    model, data = ({c.get_label() for c in axis.containers} for axis in figure.axes)
    assert (model, data) == ({"mcd-gap"}, {"gap", "mcd-gap"})
    assert "uncertainty" not in figures.suited({"gap": single})
    assert "uncertainty" in figures.suited(NETWORKS)


def test_smoothing_effect_draws_ratios_of_the_networks_that_smooth():
    figure = figures.smoothing_effect(NETWORKS)
    dataset = NETWORKS["mcd-gap-blur"]
    for axis, variable in zip(
        figure.axes, ("model_variance", "spatial_variance", "sample_variance"), strict=True
    ):
        values = dataset[variable].values
        after = np.flatnonzero(dataset["kind"].values == "smoothing")
        assert [c.get_label() for c in axis.containers] == ["mcd-gap-blur"]
        np.testing.assert_allclose(line(axis, "mcd-gap-blur").get_ydata(), values[after] / values[after - 1])
        low, high = axis.get_ylim()
        assert low < (values[after] / values[after - 1]).min() < 1 < high
    assert list(figures.suited(NETWORKS)["smoothing_effect"]) == ["mcd-gap-blur"]
    with pytest.raises(ResultError, match=r"no smoothing layer in gap, mcd-gap;"):
        figures.smoothing_effect({name: NETWORKS[name] for name in ("gap", "mcd-gap")})


def test_errors_of_ratios_agree_with_sampling_and_use_the_paired_change():
    generator = np.random.default_rng(0)
    shared = generator.standard_normal((20_000, 1))
    before, after = (np.array([2.0, 1.0]) + 0.1 * (shared + 0.5 * generator.standard_normal((20_000, 2)))).T
    dataset = NETWORKS["mcd-gap-blur"].isel(layer=[3, 4]).copy(deep=True)
    dataset["spatial_variance"][:] = [2.0, 1.0]
    dataset["spatial_variance_standard_error"][:] = [before.std(), after.std()]
    _, (ratio,), (independent,) = smoothing_ratios(dataset)
    assert ratio == 0.5
    assert independent > 1.1 * (after / before).std()
    paired = dataset.assign(
        spatial_variance_change_standard_error=("layer", [np.nan, (after - before).std()])
    )
    assert smoothing_ratios(paired)[2][0] == pytest.approx((after / before).std(), rel=0.03)


def test_aliasing_joins_before_and_after_and_takes_per_cent():
    data = {
        "gap": feature_results.aliasing("gap"),
        "gap-blur": feature_results.aliasing("gap-blur", blur=True),
    }
    axis = figures.aliasing(data).axes[0]
    for name, dataset in data.items():
        np.testing.assert_allclose(line(axis, name).get_xdata(), 100 * dataset["after"].values)
    before = line(axis, "gap-blur (before)")
    np.testing.assert_allclose(before.get_xdata(), 100 * data["gap-blur"]["before"].values)
    assert before.get_markerfacecolor() == "white"
    np.testing.assert_array_equal(before.get_ydata(), line(axis, "gap-blur").get_ydata())
    assert not [c for c in axis.containers if c.get_label() == "gap (before)"]
    labels = [text.get_text() for text in figures.aliasing(data["gap"]).legends[0].get_texts()]
    assert labels == ["gap"]


def test_subsampling_layers_of_other_names_are_numbered():
    data = {"a": feature_results.aliasing("a", places=2), "b": feature_results.aliasing("b", places=4)}
    data["b"] = data["b"].assign_coords(layer=["layer2.0.conv1", "pool2", "pool3", "pool4"])
    labels = [text.get_text() for text in figures.aliasing(data).axes[0].get_yticklabels()]
    assert labels == ["layer2.0.conv1", "2nd\nsubsampling", "pool3", "pool4"]


def test_covariance_is_drawn_on_one_scale_around_zero():
    dataset = feature_results.covariance()
    figure = figures.covariance(dataset)
    panels = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in panels[:3]] == ["stage 1", "stage 2", "stage 3"]
    assert [panels[0].get_ylabel(), panels[3].get_ylabel()] == ["noise", "images"]
    norms = {(axis.images[0].norm.vmin, axis.images[0].norm.vmax) for axis in panels}
    top = largest_off_centre([dataset])
    assert norms == {(-top, top)}
    assert top < 1  # the centre itself does not set the scale
    ends = [2, 4, 6]
    for axis, (source, layer) in zip(panels, [(s, e) for s in (0, 1) for e in ends], strict=True):
        values = dataset["correlation"].values[source, layer]
        np.testing.assert_array_equal(axis.images[0].get_array(), values)
        marked = next(drawn for drawn in axis.lines if drawn.get_label() == "_negative")
        assert marked.get_xdata().size == (values < -0.03 * top).sum()


def test_several_networks_have_a_row_each():
    data = {name: feature_results.covariance(name) for name in ("a", "b")}
    figure = figures.covariance(data)
    panels = [axis for axis in figure.axes if axis.images]
    assert len(panels) == 12
    assert [axis.get_title() for axis in panels[:6]] == [
        f"{source}\nstage {stage}" for source in ("noise", "images") for stage in (1, 2, 3)
    ]
    assert all(not axis.get_title() for axis in panels[6:])
    data["b"] = data["b"].drop_vars(["stage", "kind"])
    titles = [axis.get_title() for axis in figures.covariance(data).axes if axis.images]
    assert titles[6:9] == ["noise\nstem", "noise\nstage2.0", "noise\nstage3.1"]


def test_layers_of_a_covariance_can_be_chosen():
    dataset = feature_results.covariance(stages=False)
    assert [index for index, _ in select(dataset, None, 3)] == [0, 3, 6]
    assert select(dataset, ["stage2.1"], 3) == [(4, "stage2.1")]
    with pytest.raises(ResultError, match=r"no layer stage9 .* it has stem, stage1\.0"):
        figures.covariance(dataset, layers=["stem", "stage9"])
    assert wrapped("gap-preact-blur-relu6", 12) == "gap-preact-\nblur-relu6"


def test_maps_show_the_input_and_every_draw_on_one_scale_a_layer():
    data = {name: feature_results.maps(name, seed=i) for i, name in enumerate(("mcd-gap", "mcd-gap-blur"))}
    figure = figures.maps(data)
    panels = [axis for axis in figure.axes if axis.images and not hasattr(axis, "_colorbar")]
    assert len(panels) == 2 * 2 * 5
    order = [(layer, name) for layer in (0, 1) for name in data]
    for row, (layer, name) in enumerate(order):
        first, *draws = panels[5 * row : 5 * row + 5]
        picture = np.moveaxis(data[name]["input"].values, 0, -1)
        np.testing.assert_array_equal(first.images[0].get_array(), picture)
        assert first.texts[0].get_text() == f"{name}: stage{layer + 1}.1"
        for draw, axis in enumerate(draws):
            side = 32 // 2**layer
            expected = data[name]["map"].values[layer, draw, 0, :side, :side]
            np.testing.assert_array_equal(axis.images[0].get_array(), expected)
            everything = [d["map"].values[layer, :, 0] for d in data.values()]
            assert axis.images[0].norm.vmax == np.nanmax(everything)
            assert axis.images[0].norm.vmin == np.nanmin(everything)


def test_maps_of_one_pass_leave_the_other_draws_empty():
    data = {"gap": feature_results.maps("gap", draws=1), "mcd-gap": feature_results.maps("mcd-gap", draws=3)}
    figure = figures.maps(data, layers=["stage1.1"], channel=1)
    rows = [sum(bool(axis.images) for axis in figure.axes[start : start + 4]) for start in (0, 4)]
    assert rows == [2, 4]
    expected = data["mcd-gap"]["map"].values[0, 2, 1]
    np.testing.assert_array_equal(figure.axes[7].images[0].get_array(), expected)
    with pytest.raises(ResultError, match="'gap' holds 2 channels, asked for number 2"):
        figures.maps(data, channel=2)
    with pytest.raises(ResultError, match=r"'gap' holds no maps of 'stage9'; it has stage1\.1, stage2\.1"):
        figures.maps(data, layers=["stage9"])
    with pytest.raises(ResultError, match="are of 1 images, asked for number 1"):
        figures.maps(data, image=1)


def test_maps_of_networks_meet_at_the_ends_of_their_stages():
    plain, smooth = feature_results.maps("mcd-gap"), feature_results.maps("mcd-gap-blur", layers=4)
    smooth = smooth.assign(stage=("layer", [1, 1, 2, 2]))
    found = {"mcd-gap": plain, "mcd-gap-blur": smooth}
    assert choose(found) == [{"mcd-gap": 0, "mcd-gap-blur": 1}, {"mcd-gap": 1, "mcd-gap-blur": 3}]
    assert len(choose({str(i): plain for i in range(9)})) == 1
    bare = plain.drop_vars(["stage", "kind"])
    assert choose({"mcd-gap": bare}) == [{"mcd-gap": 0}, {"mcd-gap": 1}]


def test_one_of_several_images_is_drawn():
    first, second = feature_results.maps(seed=0), feature_results.maps(seed=1).assign_coords(image=8)
    several = xr.concat([each[["input", "map"]] for each in (first, second)], "image", coords=["image"])
    both = several.merge(first.drop_vars(["input", "map", "image"])).assign_attrs(first.attrs)
    drawn = figures.maps(both, image=1, layers=["stage2.1"]).axes[1].images[0].get_array()
    np.testing.assert_array_equal(drawn, feature_map(second, 1, 0, 0))
    assert drawn.shape == (16, 16)
    assert "of image 8 over" in figures.caption("maps", both, image=1)


def test_noise_draws_accuracy_and_drop_in_per_cent():
    data = {"gap": feature_results.noise("gap"), "mlp": feature_results.noise("mlp", fall=0.2)}
    figure = figures.noise(data)
    for axis, variable in zip(figure.axes, ("accuracy", "accuracy_drop"), strict=True):
        for index, (name, dataset) in enumerate(data.items()):
            drawn = line(axis, name)
            np.testing.assert_array_equal(drawn.get_xdata(), dataset["frequency_pi"].values)
            np.testing.assert_allclose(drawn.get_ydata(), 100 * dataset[variable].values)
            low, high = band(bands(axis)[index])
            np.testing.assert_allclose(high - low, 400 * dataset[f"{variable}_standard_error"].values)
    clean = [drawn for drawn in figure.axes[0].lines if drawn.get_label() == "_clean"]
    assert [drawn.get_ydata()[0] for drawn in clean] == [88.0, 88.0]


def test_rings_without_noise_are_gaps(tmp_path):
    dataset = feature_results.noise()
    for name in ("accuracy", "accuracy_standard_error", "accuracy_drop", "accuracy_drop_standard_error"):
        dataset[name][0] = np.nan
    figures.save(figures.noise(dataset), tmp_path / "noise", formats=["png"])


def test_similarity_is_a_heat_map_from_the_lower_left():
    data = {"a": feature_results.similarity("a"), "pair": feature_results.similarity("a", other="b")}
    figure = figures.similarity(data)
    for axis, dataset in zip(figure.axes, data.values(), strict=False):
        image = axis.images[0]
        np.testing.assert_array_equal(image.get_array(), dataset["cka"].values)
        assert (image.origin, image.norm.vmin, image.norm.vmax) == ("lower", 0, 1)
    assert figure.axes[0].get_xlabel() == ""
    assert (figure.axes[1].get_ylabel(), figure.axes[1].get_xlabel()) == ("layer of a", "layer of b")
    lower = figures.similarity(feature_results.similarity(lowest=-0.1))
    assert lower.axes[1]._colorbar.extend == "min"
    assert figure.axes[2]._colorbar.extend == "neither"


def test_names_of_layers_are_left_out_where_there_is_no_room():
    dataset = feature_results.similarity(layers=60)
    axis = figures.similarity(dataset, width=figures.ONE_COLUMN).axes[0]
    places = axis.get_yticks()
    labels = [text.get_text() for text in axis.get_yticklabels()]
    assert 4 < len(places) < 30
    assert labels == [str(dataset["layer_a"].values[int(place)]) for place in places]


def test_lesions_are_drawn_by_depth_with_stages():
    data = {"gap": feature_results.lesion("gap"), "mlp": feature_results.lesion("mlp", level=0.1)}
    for quantity, factor in (("accuracy_drop", 100), ("nll_rise", 1)):
        axis = figures.lesion(data, quantity=quantity).axes[0]
        for name, dataset in data.items():
            np.testing.assert_array_equal(line(axis, name).get_xdata(), dataset["depth"].values)
            np.testing.assert_allclose(line(axis, name).get_ydata(), factor * dataset[quantity].values)
        assert len(axis.patches) == 1  # the second of three stages
    with pytest.raises(ResultError, match="no 'ece'"):
        figures.lesion(data, quantity="ece")


def test_blocks_of_one_network_are_named():
    dataset = feature_results.lesion()
    axis = figures.lesion(dataset).axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == list(dataset["block"].values)
    many = feature_results.lesion(blocks=20)
    narrow = figures.lesion(many, width=figures.ONE_COLUMN).axes[0]
    assert 6 <= len(narrow.get_xticks()) <= 12
    synthetic.assert_legible(narrow.figure)


def test_networks_look_alike_in_every_figure():
    looks = figures.looks(synthetic.FAMILY)
    for name in ("noise", "lesion", "aliasing"):
        data = {network: getattr(feature_results, name)(network) for network in ("gap", "mlp")}
        drawn = figures.draw(name, data, looks=looks)
        for network in ("gap", "mlp"):
            assert matplotlib.colors.same_color(
                line(drawn.axes[0], network).get_color(), looks[network].colour
            )
            assert line(drawn.axes[0], network).get_marker() == looks[network].marker
