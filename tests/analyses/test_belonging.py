"""The trust report says where network and data set may not belong together, and is silent elsewhere."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from landscape import Network, Normalisation, Objective, Samples, analyses
from landscape.analyses.checks import belonging
from landscape.results import attribute

IMAGES = Samples(
    torch.rand(6, 3, 4, 4), torch.arange(6) % 3, source="images:DIR", class_names=("a", "b", "c")
)
NORMALISATION = Normalisation((0.5,) * 3, (0.5,) * 3)


def network(outputs, normalisation=NORMALISATION):
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, outputs))
    return Network(module, normalisation=normalisation, name="net")


def test_outputs_without_a_class_fail():
    dataset = analyses.evaluation(Objective(network(1000), IMAGES))
    (check,) = [check for check in attribute(dataset, "checks") if check["name"] == "classes"]
    assert not check["passed"]
    assert check["message"].startswith("net has 1000 outputs and images:DIR 3 classes (a, b, c): ")
    assert "--data" not in check["message"]


def test_of_the_embedded_images_the_option_is_named():
    (check,) = belonging(Objective(network(1000), replace(IMAGES, source="demo")))
    assert check.message.endswith("demo is the default, name the network's own with --data.")


@pytest.mark.parametrize("samples", [IMAGES, replace(IMAGES, class_names=())])
def test_networks_that_fit_have_no_line(samples):
    assert belonging(Objective(network(3), samples)) == []


def test_classes_without_names_are_not_judged():
    assert belonging(Objective(network(7), replace(IMAGES, class_names=()))) == []


@pytest.mark.parametrize(
    ("source", "normalisation", "lines"),
    [
        ("images:DIR", None, 1),
        ("npz:FILE", None, 1),
        ("tensors", None, 0),
        ("images:DIR", NORMALISATION, 0),
    ],
)
def test_images_without_a_normalisation_are_noted(source, normalisation, lines):
    found = belonging(Objective(network(3, normalisation), replace(IMAGES, source=source)))
    assert [check.name for check in found] == ["normalisation"] * lines
    assert all(check.passed and "give --mean and --std" in check.message for check in found)
