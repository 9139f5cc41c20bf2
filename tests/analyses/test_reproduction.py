"""The experiment from nothing: its runs, what is shipped or finished, and the time it will take."""

from dataclasses import replace

import pandas as pd
import pytest

from landscape import checkpoint, data, family
from landscape.analyses import reproduction
from landscape.analyses.reproduction import EXPERIMENTS, Experiment
from landscape.errors import LandscapeError
from landscape.train import Recipe
from landscape.zoo import parse

TINY = Experiment({"gap": "cifar-resnet20:width=4", "blur": "cifar-resnet20:width=4,blur"}, Recipe(epochs=1))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_specification_can_be_built(name: str):
    for model in EXPERIMENTS[name].models.values():
        assert parse(model).classes == 10


def test_seeds_come_family_by_family():
    names = [run.name for run in reproduction.runs(TINY, 2)]
    assert names == ["gap-seed0", "blur-seed0", "gap-seed1", "blur-seed1"]
    assert [run.name for run in reproduction.runs(TINY, 2, ["blur"])] == ["blur-seed0", "blur-seed1"]
    with pytest.raises(LandscapeError, match="no network is called 'blurr'; there are gap, blur"):
        reproduction.runs(TINY, 1, ["blurr"])


def test_the_shipped_family_is_seed_0_of_the_small_experiment(tmp_path):
    small = EXPERIMENTS["small"]
    wanted = reproduction.runs(small, 2)
    left = reproduction.missing(small, wanted, tmp_path)
    assert {run.seed for run in left} == {1}
    assert len(left) == len(family.NAMES)
    (path,) = reproduction.trained(
        small, reproduction.runs(small, 1, ["gap"]), data.demo(split="train"), tmp_path / "made"
    )
    assert path.name == "gap-seed0.safetensors"
    assert checkpoint.load(path).training == family.load("gap").training
    other = replace(small, recipe=replace(small.recipe, epochs=18))
    assert len(reproduction.missing(other, wanted, tmp_path)) == len(wanted)


def test_what_is_trained_is_there_the_next_time(tmp_path):
    samples, said = data.demo(split="train").take(32), list[str]()
    wanted = reproduction.runs(TINY, 1)
    first = list(reproduction.trained(TINY, wanted, samples, tmp_path, say=said.append))
    assert [path.stem for path in first] == ["gap-seed0", "blur-seed0"]
    assert said[0] == "[1/2] gap-seed0"
    assert "epoch 1: loss" in said[1]
    assert reproduction.missing(TINY, wanted, tmp_path) == []
    stamps = [path.stat().st_mtime_ns for path in first]
    again = list(reproduction.trained(TINY, wanted, samples, tmp_path))
    assert [path.stat().st_mtime_ns for path in again] == stamps


def test_a_forecast_grows_with_the_epochs():
    samples = data.demo(split="train").take(300)
    wanted = reproduction.runs(TINY, 2, ["gap"])
    short = reproduction.forecast(TINY, wanted, samples)
    assert list(short) == ["gap-seed0", "gap-seed1"]
    assert short["gap-seed0"] == short["gap-seed1"] > 0
    long = reproduction.forecast(replace(TINY, recipe=replace(TINY.recipe, epochs=100)), wanted, samples)
    assert long["gap-seed0"] > 10 * short["gap-seed0"]


def test_training_curves_of_all_runs_are_in_one_table(tmp_path):
    samples = data.demo(split="train").take(16)
    two = replace(TINY, recipe=replace(TINY.recipe, epochs=2))
    wanted = reproduction.runs(two, 1)
    networks = [checkpoint.load(path) for path in reproduction.trained(two, wanted, samples, tmp_path)]
    table = tmp_path / "training.csv"
    for some in ([networks[0]], networks, [networks[1]]):  # in any order, again and again
        reproduction.save_curves(some, table)
    rows = pd.read_csv(table)
    assert sorted(zip(rows.network, rows.epoch, strict=True)) == [
        *(("blur-seed0", 1), ("blur-seed0", 2), ("gap-seed0", 1), ("gap-seed0", 2))
    ]
    assert rows.loss[rows.network == "gap-seed0"].tolist() == [
        row["loss"] for row in networks[0].training["history"]
    ]


def test_single_runs_can_be_chosen():
    assert [run.name for run in reproduction.runs(TINY, 3, ["gap-seed2", "blur-seed0"])] == [
        *("blur-seed0", "gap-seed2")
    ]


def test_an_experiment_that_keeps_some_epochs_keeps_them_of_every_seed(tmp_path):
    some = replace(TINY, recipe=replace(TINY.recipe, epochs=4), kept=2)
    samples, wanted = data.demo(split="train").take(16), reproduction.runs(TINY, 2, ["gap"])
    list(reproduction.trained(some, wanted, samples, tmp_path))
    made = sorted(path.stem for path in tmp_path.glob("*-epoch*"))
    assert made == [f"gap-seed{seed}-epoch00{epoch}" for seed in (0, 1) for epoch in (0, 2, 4)]
