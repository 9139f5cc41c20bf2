"""reproduce: trains, measures and says what each factor changed, and goes on where it was."""

import json
from dataclasses import replace

import pytest

from landscape.analyses import reproduction
from landscape.cli.reading import read
from landscape.comparison.flattening import MATCHED, MEASURES, STEPS, steps
from landscape.comparison.way import ARMS, along
from landscape.results import attribute, load
from landscape.train import Recipe

IMAGES = 100


@pytest.fixture
def tiny(monkeypatch):
    """An experiment of two tiny networks, on the embedded images."""
    models = {"gap": "cifar-resnet8:width=4", "gap-blur": "cifar-resnet8:width=4,blur"}
    sizes = {"predictions": 50, "maps": 4, "span": 0.2, "steps": 3, "directions": 2}
    sizes |= {"batch_size": 4, "batches": 2}
    none = dict.fromkeys(("maps", "noise", "corrupted", "density", "masks"), 0)
    recipe = Recipe(epochs=2, batch_size=IMAGES)
    experiment = reproduction.Experiment(
        models, recipe, images=IMAGES, sizes=sizes, pictures=none | {"predictions": 4, "passes": 2}
    )
    monkeypatch.setitem(reproduction.EXPERIMENTS, "small", experiment)
    monkeypatch.setattr("landscape.cli.reproduce.SAMPLES", 8)
    monkeypatch.setattr("landscape.report.sections.FORMATS", ("svg",))  # drawing takes most of the time
    return experiment


@pytest.mark.full
def test_from_nothing_to_verdicts(run, tiny, tmp_path):
    found = run("reproduce", "--data", "demo", "--seeds", "2", "--out", "all", "--json").json
    names = ["gap-seed0", "gap-blur-seed0", "gap-seed1", "gap-blur-seed1"]
    assert [each["name"] for each in found["checkpoints"]] == names
    made = {path.stem for path in (tmp_path / "all" / "checkpoints").iterdir()}
    assert {name for name in made if "epoch" not in name} == set(names)
    told = {row["quantity"]: row for row in found["verdicts"]}
    assert told["NLL"]["over"] == "seeds"
    assert told["NLL"]["baseline"] == ["gap-seed0", "gap-seed1"]
    assert found["summary"] == json.loads((tmp_path / "all" / "summary.json").read_text())
    assert [row["seeds"] for row in found["summary"]] == [2, 2]
    again = run("verdicts", "all", "--json").json["verdicts"]
    assert again == found["verdicts"]
    _epochs_of_the_last_seed(run, tmp_path / "all" / "epochs" / "datasets")


def _epochs_of_the_last_seed(run, folder):
    """They became paths and half-trained networks, which are no seeds of the others."""
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{name}-seed1{end}" for name in ("gap", "gap-blur") for end in ("", "-epoch001")}
    path = load(folder / "gap-seed1" / "trajectory.zarr")
    assert path.name.values.tolist() == ["gap-seed1-epoch000", "gap-seed1-epoch001", "gap-seed1"]
    half = load(folder / "gap-seed1-epoch001" / "spectrum.zarr")
    training = attribute(half, "network")["training"]
    assert (training["done"], training["images"]) == (1, IMAGES)
    rows = run("verdicts", "all", "all/epochs", "--conditions", "--json").json["conditions"]
    assert "1 of 2 epochs" in {row["condition"] for row in rows}
    seeds = {tuple(row["baseline"]) for row in rows if row["condition"] == "reference"}
    assert seeds == {("gap-seed0", "gap-seed1")}


def test_a_forecast_trains_nothing(run, tiny, tmp_path):
    outcome = run(
        "reproduce", "--data", "demo", "--seeds", "3", "--only", "gap", "--forecast", "--out", "all"
    )
    assert outcome.status == 0
    assert outcome.out.splitlines()[-1].startswith("3 networks to train, one after the other: ")
    assert not (tmp_path / "all").exists()


def test_a_network_that_is_none_of_the_experiment_is_refused(run, tiny):
    outcome = run("reproduce", "--data", "demo", "--only", "vgg")
    assert outcome.status == 1
    assert "no network is called 'vgg'" in outcome.err


@pytest.fixture
def fair(monkeypatch, tiny):
    """The fair test with tiny networks and next to no images."""
    real = reproduction.EXPERIMENTS["fair"]
    sizes = {**real.sizes, "batch_size": 8, "batches": 2, "few": 1, "directions": 2, "traced": 8, "probes": 2}
    sizes |= {"maps": 4, "draws": 2, "predictions": 8, "passes": 2, "steps": 3}
    models = {name: model.replace("width=32", "width=4") for name, model in real.models.items()}
    models["mlp"] += ",hidden=8"
    recipe = replace(real.recipe, epochs=4, batch_size=16, precision="float32")
    made = replace(real, models=models, recipe=recipe, images=32, sizes=sizes, kept=2)
    monkeypatch.setitem(reproduction.EXPERIMENTS, "fair", made)


@pytest.mark.full
def test_the_fair_test_goes_from_nothing_to_steps(run, fair, tmp_path):
    outcome = run("reproduce", "--size", "fair", "--data", "demo", "--seeds", "2", "--out", "all")
    assert outcome.status == 0, outcome.err
    results = read(("all", "all/epochs"))
    found = steps(results)
    primary = [(each.step, each.seeds) for each in found if each.measure.role == "primary"]
    assert primary == [(step, (0, 1)) for step in STEPS]
    names = {measure.name for measure in MEASURES} | {MATCHED}
    assert {each.measure.name for each in found} <= names
    assert {"largest eigenvalue", MATCHED} <= {each.measure.name for each in found}
    points = along(results)
    assert [(point.arm, point.epoch) for point in points if point.seed] == [
        (arm, epoch) for arm in ARMS for epoch in (2, 4)
    ]
