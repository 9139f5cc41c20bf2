"""The zoo's transformers and mixers take timm's weights, and its wide and grouped ResNets torchvision's."""

from typing import Any

import pytest
import torch

import landscape as ls
from tests.foreign.libraries import models, timm
from tests.foreign.test_checkpoints import full, opened, seeded

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("zoo")]
SMALL = {"img_size": 32, "patch_size": 8, "num_classes": 7}


@pytest.mark.parametrize(
    ("build", "size", "spec"),
    [
        (
            lambda: timm.create_model("vit_tiny_patch16_224", depth=2, **SMALL),
            32,
            "vit_ti:depth=2,patch=8,classes=7",
        ),
        (
            lambda: timm.models.mlp_mixer.MlpMixer(num_blocks=2, embed_dim=64, **SMALL),
            32,
            "mixer2:width=64,patch=8,classes=7",
        ),
        full(lambda: timm.create_model("vit_small_patch16_224"), 224, "vit_s:stem=imagenet,classes=1000"),
    ],
)
def test_timms_weights_load_under_their_own_names(build: Any, size: int, spec: str, tmp_path: Any):
    module, images = seeded(build, size)
    network = opened(tmp_path, module, spec, images)
    assert network.input_size == (3, size, size)
    assert list(network.module.state_dict()) == list(module.state_dict())


@pytest.mark.parametrize(
    ("build", "architecture"),
    [
        full(lambda: models.resnext50_32x4d(num_classes=7), "resnext50-gap"),
        full(lambda: models.wide_resnet50_2(num_classes=7), "wideresnet50-gap"),
    ],
)
def test_torchvisions_wide_and_grouped_networks_open_as_the_zoos(
    build: Any, architecture: str, tmp_path: Any
):
    module, images = seeded(build)
    assert opened(tmp_path, module, None, images).architecture == architecture


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pit_ti_224", {"img_size": 64}),
        full("swin_tiny_patch4_window7_224", {"img_size": 56, "window_size": 7}),
    ],
)
def test_pit_and_swin_through_timm(name: str, options: dict[str, int], tmp_path: Any):
    module, images = seeded(lambda: timm.create_model(name, num_classes=5, **options), options["img_size"])
    spec = f"timm:{name},{','.join(f'{key}={value}' for key, value in options.items())}"
    network = opened(tmp_path, module, spec, images)
    samples = ls.Samples(images, torch.tensor([0, 1]))
    assert ls.Objective(network, samples).value().nll > 0
