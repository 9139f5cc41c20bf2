"""reproduce: trains, measures and says what each factor changed, and goes on where it was."""

import pytest

from landscape.analyses import reproduction
from landscape.train import Recipe


@pytest.fixture
def tiny(monkeypatch):
    """An experiment of two tiny networks, on the embedded images."""
    models = {"gap": "cifar-resnet20:width=4", "gap-blur": "cifar-resnet20:width=4,blur"}
    sizes = {
        "predictions": 50,
        "maps": 4,
        "batch_size": 16,
        "batches": 2,
        "span": 0.2,
        "steps": 3,
        "directions": 2,
    }
    experiment = reproduction.Experiment(models, Recipe(epochs=1, batch_size=500), sizes)
    monkeypatch.setitem(reproduction.EXPERIMENTS, "small", experiment)
    monkeypatch.setattr("landscape.cli.reproduce.SAMPLES", 8)
    return experiment


def test_from_nothing_to_verdicts(run, tiny, tmp_path):
    found = run("reproduce", "--data", "demo", "--seeds", "2", "--out", "all", "--json").json
    names = ["gap-seed0", "gap-blur-seed0", "gap-seed1", "gap-blur-seed1"]
    assert [each["name"] for each in found["checkpoints"]] == names
    assert {path.stem for path in (tmp_path / "all" / "checkpoints").iterdir()} == set(names)
    told = {row["quantity"]: row for row in found["verdicts"]}
    assert told["NLL"]["over"] == "seeds"
    assert told["NLL"]["baseline"] == ["gap-seed0", "gap-seed1"]
    again = run("verdicts", "all", "--json").json["verdicts"]
    assert again == found["verdicts"]


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
