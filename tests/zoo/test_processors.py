"""How transformers' processors bring images to their size, by the rules of its documentation."""

from typing import Any

import pytest

from landscape.data.pictures import Shaping
from landscape.errors import LandscapeError
from landscape.zoo.libraries import _shaping
from landscape.zoo.processors import stated

MEAN: dict[str, Any] = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}


def shaping(config: dict[str, Any]) -> Shaping | None:
    values, size = stated(MEAN | config, "preprocessor_config.json")
    found = _shaping(values, size)
    return Shaping(**found) if found else None


CASES: dict[str, tuple[dict[str, Any], Shaping | None]] = {
    "shorter side, then a square": (
        {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224, "resample": 3},
        Shaping(resize=256, crop=224, interpolation="bicubic"),
    ),
    "ViT: whatever the proportions": (
        {"size": {"height": 224, "width": 224}, "resample": 2},
        Shaping(squash=224),
    ),
    "ViT of before": ({"size": 224, "resample": 3}, Shaping(squash=224, interpolation="bicubic")),
    "ConvNeXt": (
        {"size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3},
        Shaping(resize=256, crop=224, interpolation="bicubic"),
    ),
    "ConvNeXt, large": (
        {"size": {"shortest_edge": 384}, "crop_pct": 1.0, "resample": 3},
        Shaping(squash=384, interpolation="bicubic"),
    ),
    "shorter side alone, no square": ({"size": {"shortest_edge": 256}, "resample": 2}, None),
    "a way to resize that is unknown": ({"size": 224, "resample": 5}, None),
    "no change of size": ({"size": 224, "do_resize": False}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_images_get_their_size_as_the_folder_states(case: str):
    config, expected = CASES[case]
    assert shaping(config) == expected


@pytest.mark.parametrize(
    "odd", [{"do_flip_channel_order": True}, {"do_rescale": False}, {"rescale_factor": 1 / 127.5}]
)
def test_other_images_than_rgb_from_0_to_1_are_refused(odd: dict[str, Any]):
    with pytest.raises(LandscapeError, match=f"states {next(iter(odd))} = .* RGB images from 0 to 1"):
        stated(MEAN | {"size": 224} | odd, "preprocessor_config.json")


def test_the_usual_scale_is_that_of_bytes():
    values, size = stated(MEAN | {"size": 224, "rescale_factor": 0.00392156862745098}, "file")
    assert (values["mean"], values["std"], size) == ([0.5] * 3, [0.25] * 3, (3, 224, 224))
