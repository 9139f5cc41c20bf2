"""evaluate, hessian, surface and features: the JSON is what was promised, and agrees with what was saved."""

import hashlib
import math

import numpy as np
import pytest
import torch

from landscape import results
from landscape.results import attribute
from tests import build

COMMON = {"command", "checkpoint", "protocol", "result", "seconds", "checks"}
DEMO = ("--data", "demo", "--samples", "32")


def assert_common(found, command, checkpoint, keys):
    """The keys that every measuring command shares, and its own."""
    assert set(found) == COMMON | keys
    assert found["command"] == command
    network = found["checkpoint"]
    assert set(network) == {
        "name",
        "path",
        "sha256",
        "architecture",
        "parameters",
        "config",
        "surgery",
        "training",
    }
    assert network["path"] == str(checkpoint)
    assert network["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert network["architecture"] == "cifar-resnet8-gap"
    assert network["parameters"] == 5006
    assert found["protocol"]["data"]["source"] == "demo"
    assert found["protocol"]["data"]["samples"] == 32
    assert found["seconds"] > 0
    assert all(set(check) == {"name", "passed", "message"} for check in found["checks"])
    dataset = results.load(found["result"])
    for name in ("protocol", "checks", "network"):
        assert attribute(dataset, name) == found["checkpoint" if name == "network" else name]
    return dataset


def test_evaluate(run, checkpoint):
    found = run("evaluate", checkpoint, *DEMO, "--json").json
    scores = {"nll", "accuracy", "ece", "signed_ece", "brier", "top5", "iou", "acc_90", "unc_90", "freq_90"}
    own = scores | {"samples", "standard_error", "ece_debiased", "ece_interval"}
    dataset = assert_common(found, "evaluate", checkpoint, own)
    assert found["result"] == "landscape-out/tiny-evaluation.zarr"
    assert found["samples"] == dataset.sizes["sample"] == 32
    assert found["nll"] == pytest.approx(float(dataset.nll.mean()))
    assert found["accuracy"] == pytest.approx(float(dataset.correct.mean()))
    for name in ("ece", "signed_ece", "brier", "top5", "iou"):
        assert found[name] == float(dataset[name])
    assert set(found["standard_error"]) == scores
    assert found["standard_error"]["nll"] == pytest.approx(float(dataset.nll.std(ddof=1)) / 32**0.5)


def test_evaluate_agrees_with_the_published_network(run, shared_data):
    file = next((shared_data / "pretrained").glob("resnet20-*.th"), None)
    if file is None or not (shared_data / "cifar-10-batches-bin").is_dir():
        pytest.skip(f"no pretrained ResNet-20 or CIFAR-10 in {shared_data}")
    found = run(
        "evaluate", file, "--data", f"cifar10:{shared_data / 'cifar-10-batches-bin'}", "--samples", "200",
        "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--json",
    ).json  # fmt: skip
    assert found["nll"] == pytest.approx(0.393565, abs=2e-5)
    assert found["accuracy"] == 0.91


def test_hessian(run, checkpoint):
    found = run("hessian", checkpoint, *DEMO, "--top-k", "3", "--json").json
    own = {
        "loss",
        "eigenvalues",
        "residuals",
        "error_bounds",
        "converged",
        "rank_risks",
        "rank_certain",
        "hvps",
    }
    dataset = assert_common(found, "hessian", checkpoint, own)
    assert found["eigenvalues"] == dataset.eigenvalue.values.tolist()
    assert found["eigenvalues"] == sorted(found["eigenvalues"], reverse=True)
    assert found["residuals"] == dataset.residual.values.tolist()
    assert found["converged"] == [True] * 3
    assert found["hvps"] == int(dataset.products) > 3
    evaluated = run("evaluate", checkpoint, *DEMO, "--json").json
    assert found["loss"] == pytest.approx(evaluated["nll"], rel=1e-6)


def test_the_loss_of_the_hessian_has_both_terms(run, checkpoint):
    options = (*DEMO, "--samples", "8", "--json")
    plain = run("hessian", checkpoint, *options, "--top-k", "1").json
    decayed = run("hessian", checkpoint, *options, "--top-k", "1", "--weight-decay", "0.5").json
    assert decayed["eigenvalues"][0] == pytest.approx(plain["eigenvalues"][0] + 0.5, rel=1e-4)
    assert decayed["loss"] > plain["loss"] + 1


def test_hessian_spectrum(run, checkpoint):
    found = run(
        "hessian", checkpoint, *DEMO, "--top-k", "1", "--spectrum", "--spectrum-batch", "16",
        "--spectrum-k", "2", "--out", "out/eigen.zarr", "--json",
    ).json  # fmt: skip
    own = {
        "loss",
        "eigenvalues",
        "residuals",
        "error_bounds",
        "converged",
        "rank_risks",
        "rank_certain",
        "hvps",
        "spectrum",
    }
    assert_common(found, "hessian", checkpoint, own)
    assert found["result"] == "out/eigen.zarr"
    spectrum = found["spectrum"]
    promised = {"batch_size", "k", "values", "ape", "nep"}
    assert set(spectrum) == promised | {
        "ape_standard_error",
        "ape_interval",
        "nep_interval",
        "result",
        "checks",
    }
    assert (spectrum["batch_size"], spectrum["k"]) == (16, 2)
    values = np.array(spectrum["values"])
    assert values.shape == (2, 2)
    assert spectrum["ape"] == pytest.approx(values[values > 0].mean())
    assert spectrum["nep"] == (values < 0).mean()
    dataset = results.load(spectrum["result"])
    assert dataset.attrs["kind"] == "spectrum"
    assert dataset.eigenvalue.values.tolist() == spectrum["values"]


def test_surface(run, checkpoint):
    found = run("surface", checkpoint, *DEMO, "--steps", "3", "--weight-decay", "0.001", "--json").json
    own = {"center", "minimum", "maximum", "not_finite", "not_computed", "span", "roughness"}
    dataset = assert_common(found, "surface", checkpoint, own)
    names = {check["name"] for check in found["checks"]}
    assert names == {"centre", "deterministic", "directions", "finite", "movement", "sampling"}
    assert all(check["passed"] for check in found["checks"])
    middle = dataset.sel(x=0.0, y=0.0)
    assert found["center"] == {name: float(middle[name]) for name in ("nll", "l2", "accuracy")}
    assert found["center"]["l2"] > 0
    for name, value in [("minimum", float(dataset.nll.min())), ("maximum", float(dataset.nll.max()))]:
        assert set(found[name]) == {"x", "y", "nll"}
        assert found[name]["nll"] == value
        assert float(dataset.nll.sel(x=found[name]["x"], y=found[name]["y"])) == value
    assert found["not_finite"] == 0
    evaluated = run("evaluate", checkpoint, *DEMO, "--json").json
    assert found["center"]["nll"] == pytest.approx(evaluated["nll"], rel=1e-6)
    assert found["center"]["accuracy"] == evaluated["accuracy"]


def test_a_surface_that_overflows_counts_and_keeps_what_is_not_finite(run, checkpoint):
    found = run(
        "surface", checkpoint, *DEMO, "--samples", "4", "--steps", "3", "--span", "1e30", "--json"
    ).json
    nll = results.load(found["result"]).nll
    assert found["not_finite"] == int((~np.isfinite(nll)).sum()) == 8
    assert found["minimum"] == found["maximum"] == {"x": 0.0, "y": 0.0, "nll": found["center"]["nll"]}
    assert [c["passed"] for c in found["checks"] if c["name"] == "finite"] == [False]


def test_features(run, checkpoint):
    found = run("features", checkpoint, *DEMO, "--json").json
    dataset = assert_common(found, "features", checkpoint, {"layers"})
    layers = found["layers"]
    assert len(layers) == dataset.sizes["layer"] == 4
    promised = {
        "name",
        "depth",
        "height",
        "width",
        "spatial_variance",
        "delta_log_amplitude",
        "high_frequency",
    }
    assert all(set(layer) == promised | {"kind", "sample_variance", "model_variance"} for layer in layers)
    assert [layer["name"] for layer in layers] == [str(name) for name in dataset.layer.values]
    assert layers[0]["depth"] == 0
    assert layers[-1]["depth"] == 1
    for layer in layers:
        amplitude = layer["delta_log_amplitude"]
        assert len(amplitude) == math.ceil(layer["height"] / 2)
        assert amplitude[0] == 0
        assert amplitude[-1] == layer["high_frequency"]


def test_features_of_odd_maps_lose_no_frequency(run, tmp_path):
    blurred = build.checkpoint(tmp_path / "blur.safetensors", "cifar-resnet8:width=4,blur")
    layers = run("features", blurred, *DEMO, "--samples", "4", "--json").json["layers"]
    odd = [layer for layer in layers if layer["height"] % 2]
    assert odd
    for layer in odd:
        assert len(layer["delta_log_amplitude"]) == (layer["height"] + 1) // 2
        assert layer["delta_log_amplitude"][-1] == layer["high_frequency"]


def test_chosen_layers(run, checkpoint):
    found = run("features", checkpoint, *DEMO, "--layers", "layer3.*.relu2, conv1", "--json").json
    assert [layer["name"] for layer in found["layers"]] == ["conv1", "layer3.0.relu2"]


@pytest.mark.parametrize("command", ["evaluate", "surface", "features", "hessian"])
def test_the_same_protocol_gives_the_same_numbers(run, checkpoint, command):
    options = {"surface": ("--steps", "3"), "hessian": ("--top-k", "1")}.get(command, ())
    first, second = (
        run(command, checkpoint, *DEMO, "--samples", "8", *options, "--seed", "3", "--json").json
        for _ in range(2)
    )
    assert first.pop("seconds") > 0
    assert second.pop("seconds") > 0
    assert first == second


def test_the_seed_chooses_the_directions(run, checkpoint):
    corners = [
        run("surface", checkpoint, *DEMO, "--samples", "4", "--steps", "3", "--seed", seed, "--json").json[
            "maximum"
        ]
        for seed in (0, 1)
    ]
    assert corners[0]["nll"] != corners[1]["nll"]


def test_the_micro_batch_changes_next_to_nothing(run, checkpoint):
    losses = [
        run("evaluate", checkpoint, *DEMO, "--batch-size", size, "--json").json["nll"] for size in (1, 5, 32)
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_options_reach_the_protocol(run, checkpoint):
    found = run(
        "evaluate", checkpoint, *DEMO, "--split", "train", "--sample-seed", "7", "--augment", "3",
        "--seed", "5", "--mean", "0.1,0.2,0.3", "--std", "1,2,3", "--dtype", "float64", "--batch-size", "9",
        "--device", "cpu", "--weight-decay", "0.25", "--dropout", "fresh", "--params", "conv1*", "--json",
    ).json["protocol"]  # fmt: skip
    assert found["data"]["split"] == "train"
    assert found["data"]["augmentation"] == {"kind": "crop+flip", "padding": 4, "seed": 3}
    assert found["normalisation"] == {"mean": [0.1, 0.2, 0.3], "std": [1.0, 2.0, 3.0]}
    expected = {
        "dtype": "float64", "micro_batch": 9, "weight_decay": 0.25, "dropout": "fresh", "params": "conv1*",
        "device": "cpu", "seed": 5, "batch_norm": "eval",
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected


def test_people_read_lines_and_progress_goes_to_stderr(run, checkpoint):
    outcome = run("surface", checkpoint, *DEMO, "--samples", "4", "--steps", "3")
    assert outcome.status == 0
    assert outcome.out.startswith("centre   NLL ")
    assert "3×3 points, 0 not finite" in outcome.out
    assert outcome.out.endswith("saved landscape-out/tiny-surface.zarr\n")
    assert "ok   The surface's centre is" in outcome.err


@pytest.mark.parametrize("command", ["evaluate", "hessian", "surface", "features"])
def test_quiet_is_silent_on_stderr(run, checkpoint, command):
    options = {"surface": ("--steps", "3"), "hessian": ("--top-k", "1")}.get(command, ())
    outcome = run(command, checkpoint, *DEMO, "--samples", "4", *options, "--quiet")
    assert outcome.status == 0
    assert outcome.err == ""
    assert outcome.out
    silent = run(command, checkpoint, *DEMO, "--samples", "4", *options, "--quiet", "--json")
    assert silent.err == ""
    assert silent.json["command"] == command


def test_notes_on_loading_go_to_stderr(run, tmp_path):
    torch.save(build.zoo(build.SHORT).state_dict(), tmp_path / "net.pt")
    outcome = run("evaluate", tmp_path / "net.pt", *DEMO, "--json")
    assert "net: architecture inferred from names and shapes: cifar-resnet8-gap" in outcome.err
    assert outcome.json["command"] == "evaluate"


def test_info(run, checkpoint):
    found = run("info", checkpoint, "--json").json
    parts = {
        "command",
        "checkpoint",
        "normalisation",
        "training",
        "beside",
        "origins",
        "input",
        "layers",
        "notes",
    }
    assert set(found) == parts
    assert found["checkpoint"]["architecture"] == "cifar-resnet8-gap"
    assert found["normalisation"] == {"mean": [0.5] * 3, "std": [0.25] * 3}
    assert found["input"] == [3, 32, 32]
    assert sum(layer["parameters"] for layer in found["layers"]) == 5_006
    assert found["layers"][-1] == {
        "name": "linear", "kind": "Linear", "weight": [10, 16], "parameters": 170, "output": [10]
    }  # fmt: skip
    outcome = run("info", checkpoint)
    assert outcome.out.startswith("cifar-resnet8-gap, 5,006 parameters\nSHA-256 ")
    assert outcome.err == ""


def test_info_of_another_input_in_latex(run, checkpoint):
    outcome = run("info", checkpoint, "--input", "3,64,48", "--format", "latex")
    assert (
        r"layer3.0.conv2 & Conv2d & 16$\times$16$\times$3$\times$3 & 2,304 & 16$\times$16$\times$12 \\"
        in outcome.out
    )
    assert r"total & & & 5,006 & \\" in outcome.out
    failed = run("info", checkpoint, "--input", "1,32,32").out
    assert "no output sizes: the network does not run on one image of 1×32×32" in failed


def test_checkpoints_carry_their_models_and_keys_choose_weights(run, tmp_path):
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def net(width=4): return nn.Sequential("
        "nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))\n"
    )
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    net.append(torch.nn.Linear(6, 10))
    averaged = {key: value + 1 for key, value in net.state_dict().items()}
    torch.save({"state_dict": net.state_dict(), "state_dict_ema": averaged}, tmp_path / "net.pt")
    given = f"{tmp_path}/net.pt@{tmp_path}/nets.py:net,width=6"
    losses = [
        run("evaluate", given, *DEMO, *more, "--out", tmp_path / "x.zarr", "--json").json["nll"]
        for more in ([], ["--model", "vgg11"], ["--state-key", "state_dict_ema"])
    ]
    assert losses[0] == losses[1] != losses[2]
    assert "names begin with state_dict" in run("info", given, "--state-key", "other").err


@pytest.mark.parametrize("history", [3, "long", [], [7], {"a": 1}, [{"epoch": 1}]])
def test_info_takes_any_training_record(run, tmp_path, history):
    network = build.checkpoint(tmp_path / "net.safetensors", training={"history": history})
    assert run("info", network).status == 0
    assert run("info", network, "--json").json["training"] == {"history": history}


def test_a_small_data_set_is_taken_whole_unless_a_number_is_asked_for(run, checkpoint, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "few.npz", images=pixels, labels=np.arange(12) % 10)
    data = ("--data", f"npz:{tmp_path / 'few.npz'}", "--json")
    assert run("features", checkpoint, *data).json["protocol"]["data"]["samples"] == 12
    refused = run("features", checkpoint, *data, "--samples", "13")
    assert refused.status == 1
    assert "13 samples asked for" in refused.err
