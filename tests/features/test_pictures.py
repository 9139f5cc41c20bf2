"""Maps to look at are the maps that the network computes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.features import pictures
from landscape.objective import Objective
from landscape.results import provenance, save, stamp
from landscape.samples import Normalisation
from tests import build


def objective(spec: str = "cifar-resnet20:width=4,blur,dropout=0.3", **options) -> Objective:
    samples = replace(build.images(5, 16, "bytes"), normalisation=Normalisation((0.5,) * 3, (0.2,) * 3))
    options = {"dropout": "fresh", "micro_batch": 2, "dtype": torch.float32} | options
    return build.objective(spec, samples, **options)


def test_maps_are_those_of_the_whole_pass():
    given = objective()
    found = pictures(given, images=[3, 0], layers="layer2.1,smooth3.0", channels=(5, 1), draws=3)
    assert found["map"].dims == ("image", "layer", "draw", "channel", "row", "column")
    for draw in range(3):
        z = build.maps(given, ["layer2.1"], draw=draw)["layer2.1"]
        for image in (3, 0):
            shown = found["map"].sel(image=image, layer="layer2.1").isel(draw=draw)
            np.testing.assert_allclose(shown.values[:, :9, :9], z[image, [5, 1]], rtol=1e-4, atol=1e-5)


def test_draws_differ_where_dropout_came_before():
    found = pictures(objective(), layers="relu,layer3.0", draws=2)
    first, second = found["map"].isel(draw=0), found["map"].isel(draw=1)
    np.testing.assert_array_equal(first.sel(layer="relu"), second.sel(layer="relu"))
    assert not np.array_equal(first.sel(layer="layer3.0"), second.sel(layer="layer3.0"), equal_nan=True)


@pytest.mark.parametrize(("spec", "dropout"), [("cifar-resnet20:width=4", "fresh"), (None, "fixed")])
def test_passes_that_are_all_the_same_are_one(spec: str | None, dropout: str):
    given = objective(*([spec] if spec else []), dropout=dropout)
    found = pictures(given, draws=4)
    assert found.sizes["draw"] == found.attrs["draws"] == 1


def test_the_input_is_the_image_before_normalisation():
    given = objective()
    found = pictures(given, images=[2], layers="relu")
    assert found.input.dims == ("colour", "y", "x")
    np.testing.assert_allclose(found.input, given.samples.inputs[2].numpy() / 255, rtol=1e-6)
    assert int(found.image) == 2


def test_smaller_maps_and_missing_channels_are_padded():
    found = pictures(objective(), layers="relu,layer3.0", channels=(0, 7), draws=1).isel(draw=0)
    assert list(found.height.values) == [16, 5]
    assert np.isfinite(found["map"].sel(layer="relu", channel=0)).all()
    assert np.isnan(found["map"].sel(layer="relu", channel=7)).all()
    assert np.isfinite(found["map"].sel(layer="layer3.0", channel=7).values).sum() == 25


def test_it_is_saved(tmp_path: Path):
    found = stamp(
        pictures(objective(), layers="relu"), kind="maps", network={}, protocol={}, provenance=provenance(0.0)
    )
    save(found, tmp_path / "maps.zarr")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": [5]}, "no image 5: the samples are 0 to 4"),
        ({"images": []}, "need an image"),
        ({"draws": 0}, "0 draws"),
        ({"channels": (16,)}, r"channels \[16\] asked for, but the layers have 0 to 15"),
    ],
)
def test_what_does_not_exist_is_refused(options: dict, message: str):
    with pytest.raises(LandscapeError, match=message):
        pictures(objective(), **options)
