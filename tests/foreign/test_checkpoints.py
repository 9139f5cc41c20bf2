"""Checkpoints of torchvision's and timm's networks: by specification, inferred from shapes, and refused."""

from typing import Any

import pytest
import torch

import landscape as ls
from landscape.zoo.known import known
from tests.foreign.libraries import models, timm
from tests.foreign.networks import lively

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("checkpoints")]
segmentation = models.segmentation


def full(*values: Any) -> Any:
    """A row that is too long for every change."""
    return pytest.param(*values, marks=pytest.mark.full)


def seeded(build: Any, size: int = 64, channels: int = 3) -> tuple[Any, torch.Tensor]:
    """A network with weights that let images through, and images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        images = torch.rand(2, channels, size, size)
        return lively(build(), images), images


def opened(tmp_path: Any, module: Any, spec: str | None, images: torch.Tensor) -> ls.Network:
    """The network of its state dict, which has to compute the same."""
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, tmp_path / "net.pt")
    network = ls.load(tmp_path / "net.pt" if spec is None else f"{tmp_path}/net.pt@{spec}")
    with torch.no_grad():
        found, expected = network.module(images), module(images)
    if isinstance(expected, dict):
        found, expected = found["out"], expected["out"]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    return network


@pytest.mark.parametrize(
    ("build", "architecture", "origin"),
    [
        (lambda: models.resnet18(num_classes=10), "resnet18-gap", None),
        full(lambda: timm.create_model("resnet34", num_classes=7), "resnet34-gap", None),
        full(lambda: models.resnet50(num_classes=10), "resnet50-gap", None),
        full(
            lambda: timm.create_model("resnet26d", num_classes=7),
            "timm:resnet26d",
            "7, from the checkpoint's fc.bias",
        ),
        (
            lambda: timm.create_model("resnet10t", num_classes=7),
            "timm:resnet10t",
            "7, from the checkpoint's fc.bias",
        ),
        (
            lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=5),
            "timm:vit_tiny_patch16_224",
            "5, from the checkpoint's head.bias",
        ),
    ],
)
def test_networks_are_inferred_from_names_and_shapes(tmp_path, build, architecture, origin):
    module, images = seeded(build)
    network = opened(tmp_path, module, None, images)
    assert network.architecture == architecture
    assert network.origins.get("num_classes") == origin


@pytest.mark.parametrize(
    ("build", "spec", "size", "classes"),
    [
        (lambda: models.resnet18(num_classes=10), "torchvision:resnet18", 64, "10"),
        (
            lambda: models.googlenet(num_classes=6, aux_logits=False, init_weights=False),
            "torchvision:googlenet",
            96,
            "6",
        ),
        (
            lambda: segmentation.lraspp_mobilenet_v3_large(
                weights=None, weights_backbone=None, num_classes=4
            ),
            "torchvision:lraspp_mobilenet_v3_large",
            64,
            "4",
        ),
        (
            lambda: timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=10),
            "timm:vit_tiny_patch16_224,img_size=64",
            64,
            "10",
        ),
    ],
)
def test_specifications_open_networks_of_any_classes(tmp_path, build, spec, size, classes):
    module, images = seeded(build, size)
    network = opened(tmp_path, module, spec, images)
    assert network.origins["num_classes"].startswith(f"{classes}, from the checkpoint's ")
    assert network.normalisation is not None
    assert network.beside == {"epoch": 3}
    assert ("transform_input" in network.origins) == (spec == "torchvision:googlenet")


def test_grey_images_have_no_normalisation_of_three_channels(tmp_path):
    module, images = seeded(lambda: timm.create_model("resnet10t", num_classes=4, in_chans=1), channels=1)
    network = opened(tmp_path, module, "timm:resnet10t", images)
    assert network.origins["in_chans"].startswith("1, ")
    assert network.normalisation is None


@pytest.mark.full
def test_the_head_of_segmentation_that_only_training_needs_is_built_where_it_is_stored(tmp_path):
    options = {"weights": None, "weights_backbone": None, "num_classes": 3, "aux_loss": True}
    module, images = seeded(lambda: segmentation.fcn_resnet50(**options))
    assert opened(tmp_path, module, "torchvision:fcn_resnet50", images).origins["aux_loss"].startswith("True")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("timm:resnet1", "timm has no network called 'resnet1'; perhaps resnet"),
        ("torchvision:fasterrcnn_resnet50_fpn", "no network that classifies or segments images called"),
        ("torchvision:resnet18,img=3", "unexpected keyword argument 'img'; it is called with"),
        ("torchvision:resnet34", "does not fit torchvision:resnet34"),
    ],
)
def test_others_are_refused(tmp_path, spec, words):
    torch.save(models.resnet18(num_classes=3).state_dict(), tmp_path / "net.pt")
    with pytest.raises(ls.LandscapeError, match=words):
        ls.load(tmp_path / "net.pt", spec)


@pytest.mark.parametrize(
    "name", ["resnet101", "resnext50_32x4d", "wide_resnet50_2", "alexnet", "vgg11_bn", "vit_b_16"]
)
def test_torchvisions_names_are_known(name):
    with torch.device("meta"):
        module = models.get_model(name, num_classes=4)
    assert (
        known({key: tuple(value.shape) for key, value in module.state_dict().items()})
        == f"torchvision:{name}"
    )


@pytest.mark.parametrize(
    "name", ["resnet26", "resnet50d", "resnet14t", "seresnet50", "vit_small_patch16_224"]
)
def test_timms_names_are_known(name):
    with torch.device("meta"):
        module = timm.create_model(name, num_classes=4)
    assert known({key: tuple(value.shape) for key, value in module.state_dict().items()}) == f"timm:{name}"
