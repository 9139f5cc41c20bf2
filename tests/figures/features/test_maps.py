"""Heat maps: covariance, feature maps, similarity."""

import numpy as np
import pytest
import xarray as xr

from landscape import figures
from landscape.errors import ResultError
from landscape.figures.features.maps import choose, feature_map
from landscape.figures.features.similarity import largest_off_centre, select, wrapped
from tests.figures import feature_results


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
        lost = np.abs(values) < 2 * dataset["correlation_standard_error"].values[source, layer]
        shown = axis.images[0].get_array()
        np.testing.assert_array_equal(np.ma.getmaskarray(shown), lost)
        np.testing.assert_array_equal(shown.data, values)
        marked = next(drawn for drawn in axis.lines if drawn.get_label() == "_negative")
        assert marked.get_xdata().size == ((values < -0.03 * top) & ~lost).sum()


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
