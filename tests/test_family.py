"""The shipped family: one recipe, nine networks, each what its name says."""

from importlib.resources import files

import numpy as np
import pytest

import landscape as ls
from landscape import family
from landscape.analyses.reproduction import EXPERIMENTS
from landscape.errors import LandscapeError
from landscape.results import attribute
from landscape.zoo import parse


@pytest.fixture(scope="module")
def members():
    return {name: family.load(name) for name in family.NAMES}


def test_each_file_holds_the_network_its_name_says(members):
    for name, member in members.items():
        assert member.architecture == parse(family.MODELS[name]).name
        assert member.name == name
        assert member.normalisation is not None


def test_all_were_trained_by_one_recipe_on_all_images(members):
    recipes = [member.training["recipe"] for member in members.values()]
    assert all(recipe == recipes[0] for recipe in recipes)
    assert recipes[0]["epochs"] >= 15
    for member in members.values():
        assert member.training["data"]["samples"] == 50_000
        assert len(member.training["history"]) == recipes[0]["epochs"]


def test_they_fit_into_twenty_megabytes():
    sizes = [
        len(files("landscape.family").joinpath(f"{name}.safetensors").read_bytes()) for name in family.NAMES
    ]
    assert sum(sizes) < 20e6


@pytest.mark.parametrize("name", family.NAMES)
def test_predictions_on_the_embedded_images_are_those_of_a_trained_network(members, name):
    objective = ls.Objective(members[name], ls.data.demo("test").take(500))
    losses, correct = objective.sample_losses()
    # Test accuracies lie between 0.83 and 0.90; 500 images add a standard error of 0.015.
    assert float(correct.double().mean()) > 0.78
    assert np.isfinite(losses.numpy()).all()


def test_mc_dropout_is_on_in_the_mcd_members_alone(members):
    samples = ls.data.demo("test").take(20)
    for name, member in members.items():
        off, fixed = (ls.Objective(member, samples, dropout=mode).value().nll for mode in ("off", "fixed"))
        assert (off != fixed) == name.startswith("mcd-")


def test_an_unknown_member_is_refused_with_the_names():
    with pytest.raises(LandscapeError, match="gap-blur"):
        family.load("gap-blurred")


def test_what_was_measured_is_of_these_networks(members):
    results = family.measured()
    stems = list(dict.fromkeys(name.partition("-seed")[0] for name in results))
    assert stems[: len(family.NAMES)] == list(family.NAMES)
    assert set(stems[len(family.NAMES) :]) == {*EXPERIMENTS["narrow"].models, *EXPERIMENTS["few"].models}
    for name, member in members.items():
        kinds = results[f"{name}-seed0"]
        assert {"evaluation", "features", "spectrum", "flatness", "surface"} <= kinds.keys()
        assert {attribute(each, "network")["sha256"] for each in kinds.values()} == {member.sha256}
    for dataset in (each for kinds in results.values() for each in kinds.values()):
        assert "/" not in attribute(dataset, "network")["path"]
        assert "/" not in attribute(dataset, "protocol")["data"]["source"]


def test_a_network_is_shown_in_one_line():
    assert repr(family.load("gap")) == "<Network 'gap': cifar-resnet20-gap, 269,722 parameters>"
