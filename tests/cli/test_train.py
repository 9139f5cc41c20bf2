"""train: from the command line to a checkpoint that the others read."""

import json

TRAIN = (
    "train", "--model", "cifar-resnet8:width=4", "--data", "demo", "--samples", "128", "--epochs", "1",
    "--batch-size", "64", "--learning-rate", "0.05",
)  # fmt: skip


def test_train_then_info_then_evaluate(run, tmp_path):
    outcome = run(*TRAIN, "--out", "net.safetensors", "--json")
    found = outcome.json
    assert set(found) == {"command", "checkpoint", "result", "training", "seconds"}
    assert found["command"] == "train"
    assert found["result"] == "net.safetensors"
    assert found["training"]["recipe"]["epochs"] == 1
    assert found["training"]["data"]["samples"] == 128
    assert len(found["training"]["history"]) == 1
    assert "epoch 1: loss " in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]

    info = run("info", "net.safetensors", "--json").json
    assert info["training"] == found["training"]
    assert info["checkpoint"] == found["checkpoint"]
    said = run("info", "net.safetensors").out
    assert "trained for 1 epochs; the last one: " in said
    assert json.dumps(found["training"]["history"][-1]) in said
    assert run("evaluate", "net.safetensors", "--samples", "8", "--json").json["samples"] == 8


def test_quiet_training_says_where_the_file_is(run):
    outcome = run(*TRAIN, "--out", "net.safetensors", "--quiet")
    assert (outcome.status, outcome.out, outcome.err) == (0, "saved net.safetensors\n", "")


def test_calling_again_trains_nothing(run, tmp_path):
    run(*TRAIN, "--out", "net.safetensors")
    before = (tmp_path / "net.safetensors").stat().st_mtime_ns
    assert "epoch" not in run(*TRAIN, "--out", "net.safetensors").err
    assert (tmp_path / "net.safetensors").stat().st_mtime_ns == before
    other = run(*TRAIN, "--out", "net.safetensors", "--seed", "1")
    assert other.status == 1
    assert "is there already, from another run (it differs in recipe.seed)" in other.err
