"""Bad input: status 1 or 2, one message that says what to do, no traceback, and nothing half-written."""

import os

import numpy as np
import pytest
import torch

from landscape.samples import Normalisation
from tests import build

MEASURING = ("evaluate", "hessian", "surface", "features")
QUICK = {"surface": ("--steps", "3"), "hessian": ("--top-k", "1")}


WRONG_USAGE = {
    "--mean and --std belong together",
    "a margin of -1.0",
    "choose --repeats or --masks",
    "choose auto, cpu or cuda[:i]",
    "learning rate must be positive",
    "momentum must lie in",
    "need at least 6 products, 3 are allowed",
    "odd number of points per side, at least 3, got 4",
    "the operator has size 5006",
    "the span must be positive",
    "the span must be positive and finite",
    "the tolerance must lie between 0 and 1",
    "unknown data set 'mnist'",
    "unknown data set 'mnist'; expected one of: demo",
    "unknown device 'tpu'",
    "unknown model 'lenet'",
    "unknown model 'own.py:Net'",
    "weight decay must",
    "weight decay must be finite and not negative",
}
"""What is said of values that no network and no data set would make right."""


def assert_refused(outcome, message, status=None):
    status = status or (2 if message in WRONG_USAGE else 1)
    assert outcome.status == status, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert "unexpected " not in outcome.err
    if status == 1:
        assert outcome.err.count("landscape: ") == 1
    assert message in outcome.err


def assert_nothing_written(folder, *but):
    assert sorted(path.name for path in folder.iterdir()) == sorted(but)


def npz(path, count=8, size=32, channels=3, classes=10):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, channels, size, size), dtype=np.uint8)
    np.savez(path, images=images, labels=np.arange(count) % classes)
    return f"npz:{path}"


def tiny(path, spec=build.SHORT, change=lambda state: None):
    return build.checkpoint(path, spec, change=lambda module: change(module.state_dict()))


@pytest.mark.parametrize("command", [*MEASURING, "info"])
def test_no_checkpoint(run, tmp_path, command):
    assert_refused(run(command, "none.pt"), "no checkpoint at none.pt")
    assert_refused(run(command, tmp_path), "is a folder")
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize("content", [b"", b"junk", os.urandom(3000), b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint(run, tmp_path, content):
    (tmp_path / "net.pt").write_bytes(content)
    assert_refused(run("evaluate", "net.pt", "--samples", "4"), "net.pt")
    assert_nothing_written(tmp_path, "net.pt")


def test_keys_and_shapes_that_do_not_fit(run, checkpoint):
    outcome = run("evaluate", checkpoint, "--model", "cifar-resnet14:width=4", "--samples", "4")
    assert_refused(outcome, "missing: layer1.1.conv1.weight")
    outcome = run("evaluate", checkpoint, "--model", "cifar-resnet8:width=8", "--samples", "4")
    assert_refused(outcome, "wrong shape: conv1.weight is (4, 3, 3, 3), expected (8, 3, 3, 3)")


def test_a_model_that_does_not_exist(run, checkpoint):
    assert_refused(run("info", checkpoint, "--model", "lenet"), "unknown model 'lenet'")
    assert_refused(run("info", checkpoint, "--model", "net.py:Net"), "no Python file at net.py")


def test_weights_that_are_not_finite(run, tmp_path):
    def spoil(state):
        state["layer1.0.conv1.weight"][0] = torch.nan

    tiny(tmp_path / "net.safetensors", change=spoil)
    outcome = run("evaluate", "net.safetensors", "--samples", "4")
    assert_refused(outcome, "not finite (NaN or infinity) in layer1.0.conv1.weight")


@pytest.mark.parametrize("command", MEASURING)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--samples", "1001"), "1001 samples asked for, but demo (test) holds 1000"),
        (("--mean", "0.5,0.5,0.5"), "--mean and --std belong together"),
        (("--std", "0.5,0.5,0.5"), "--mean and --std belong together"),
        (("--mean", "0.5", "--std", "0.5"), "give one --mean and one --std value per channel"),
        (("--mean", "0.5,0.5", "--std", "0.5,0.5,0.5"), "both need one value per channel"),
        (("--mean", "0,0,0", "--std", "1,0,1"), "standard deviations must be positive and finite"),
        (("--mean", "nan,0,0", "--std", "1,1,1"), "means must be finite"),
        (("--data", "mnist"), "unknown data set 'mnist'; expected one of: demo"),
        (("--data", "cifar10:nowhere"), "nowhere"),
        (("--data", "npz:nowhere.npz"), "there is no file nowhere.npz"),
        (("--data", "images:nowhere"), "there is no folder nowhere"),
        (("--params", "nothing*"), "no parameter matches 'nothing*'"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--device", "meta"), "choose auto, cpu or cuda[:i]"),
        (("--device", "mps"), "choose auto, cpu or cuda[:i]"),
        (("--weight-decay", "-1"), "weight decay must"),
        (("--weight-decay", "nan"), "weight decay must"),
        (("--weight-decay", "inf"), "weight decay must"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_cannot_be_met(run, checkpoint, tmp_path, command, options, message):
    samples = () if "--samples" in options else ("--samples", "4")
    assert_refused(run(command, checkpoint, *samples, *QUICK.get(command, ()), *options), message)
    assert_nothing_written(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:99"])
def test_a_device_that_is_not_there(run, checkpoint, device):
    outcome = run("evaluate", checkpoint, "--samples", "4", "--device", device)
    assert_refused(outcome, "no usable CUDA device; choose --device cpu or auto")


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("surface", ("--steps", "4"), "odd number of points per side, at least 3, got 4"),
        ("surface", ("--span", "0"), "the span must be positive"),
        ("surface", ("--span", "-1"), "the span must be positive"),
        ("surface", ("--span", "nan"), "the span must be positive"),
        ("surface", ("--span", "inf"), "the span must be positive and finite"),
        ("surface", ("--params", "*bn*"), "names biases and BatchNorm only"),
        ("hessian", ("--tolerance", "0"), "the tolerance must lie between 0 and 1"),
        ("hessian", ("--tolerance", "nan"), "the tolerance must lie between 0 and 1"),
        ("hessian", ("--top-k", "20000"), "the operator has size 5006"),
        ("hessian", ("--top-k", "5", "--max-products", "3"), "need at least 6 products, 3 are allowed"),
        ("hessian", ("--spectrum", "--spectrum-batch", "5"), "take more --samples"),
        (
            "hessian",
            ("--spectrum", "--spectrum-batch", "2", "--spectrum-batches", "3"),
            "take more --samples",
        ),
        ("features", ("--layers", "layer9"), "no layer is named 'layer9'"),
        ("features", ("--layers", "linear"), "no feature map"),
        ("features", ("--layers", "layer1.*,nothing*"), "no layer is named 'nothing*'"),
    ],
)
def test_requests_that_cannot_be_met(run, checkpoint, tmp_path, command, options, message):
    assert_refused(run(command, checkpoint, "--samples", "4", *options), message)
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Usage: landscape"),
        (("--nonsense",), "No such option"),
        (("nonsense",), "No such command 'nonsense'"),
        (("evaluate",), "Missing argument 'CKPT[@SPEC]'"),
        (("evaluate", "a", "b"), "unexpected extra argument"),
        (("evaluate", "a", "--samples", "-1"), "Invalid value for '--samples'"),
        (("evaluate", "a", "--samples", "many"), "Invalid value for '--samples'"),
        (("evaluate", "a", "--mean", "a,b,c"), "is not a list of numbers"),
        (("evaluate", "a", "--mean", ""), "is not a list of numbers"),
        (("evaluate", "a", "--split", "validation"), "Invalid value for '--split'"),
        (("evaluate", "a", "--dtype", "float16"), "Invalid value for '--dtype'"),
        (("evaluate", "a", "--dropout", "on"), "Invalid value for '--dropout'"),
        (("evaluate", "a", "--seed", "-1"), "Invalid value for '--seed'"),
        (("evaluate", "a", "--seed", "99999999999999999999999"), "Invalid value for '--seed'"),
        (("evaluate", "a", "--augment", "-1"), "Invalid value for '--augment'"),
        (("evaluate", "a", "--sample-seed", "-1"), "Invalid value for '--sample-seed'"),
        (("evaluate", "a", "--batch-size", "-1"), "Invalid value for '--batch-size'"),
        (("evaluate", "a", "--bins", "0"), "Invalid value for '--bins'"),
        (("hessian", "a", "--top-k", "0"), "Invalid value for '--top-k'"),
        (("hessian", "a", "--method", "guess"), "Invalid value for '--method'"),
        (("surface", "a", "--steps", "1"), "Invalid value for '--steps'"),
        (("compare",), "Missing argument 'CKPT[@SPEC]...'"),
        (("plot",), "Missing argument 'RESULT...'"),
        (("train", "--out", "x"), "Missing option '--model'"),
        (("train", "--model", "resnet18"), "'--out'"),
    ],
)
def test_wrong_usage_has_status_two(run, tmp_path, arguments, message):
    outcome = run(*arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert message in outcome.err
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize("command", MEASURING)
def test_data_without_images(run, checkpoint, tmp_path, command):
    np.savez(tmp_path / "none.npz", images=np.zeros((0, 3, 32, 32), np.uint8), labels=np.zeros(0, int))
    outcome = run(command, checkpoint, "--data", "npz:none.npz", "--samples", "0")
    assert_refused(outcome, "npz:none.npz holds no samples; at least one is needed")
    assert_nothing_written(tmp_path, "none.npz")


@pytest.mark.parametrize("command", MEASURING)
def test_more_classes_in_the_data_than_in_the_network(run, checkpoint, tmp_path, command):
    data = npz(tmp_path / "many.npz", count=100, classes=100)
    outcome = run(command, checkpoint, "--data", data, "--samples", "0", *QUICK.get(command, ()))
    assert_refused(outcome, "is none of the 10 classes (0 to 9) of tiny")
    assert_nothing_written(tmp_path, "many.npz")


def test_more_classes_in_the_network_than_in_the_data_are_fine(run, tmp_path):
    tiny(tmp_path / "net.safetensors", "cifar-resnet8:width=4,classes=100")
    found = run("evaluate", "net.safetensors", "--samples", "8", "--json").json
    assert found["nll"] > 0


def test_two_classes_have_no_top5(run, tmp_path):
    tiny(tmp_path / "net.safetensors", "cifar-resnet8:width=4,classes=2")
    data = npz(tmp_path / "two.npz", classes=2)
    outcome = run("evaluate", "net.safetensors", "--data", data, "--json")
    assert outcome.json["top5"] is None


@pytest.mark.parametrize("command", MEASURING)
def test_images_that_the_network_does_not_take(run, checkpoint, tmp_path, command):
    data = npz(tmp_path / "grey.npz", channels=1)
    outcome = run(
        command,
        checkpoint,
        "--data",
        data,
        "--samples",
        "0",
        "--mean",
        "0.5",
        "--std",
        "0.5",
        *QUICK.get(command, ()),
    )
    assert_refused(outcome, "tiny fails on inputs of shape (1, 32, 32)")
    tiny(tmp_path / "vgg.safetensors", "vgg11:width=2,head=gap")
    data = npz(tmp_path / "small.npz", size=8)
    outcome = run(command, "vgg.safetensors", "--data", data, "--samples", "0", *QUICK.get(command, ()))
    assert_refused(outcome, "vgg fails on inputs of shape (3, 8, 8)")


OWN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, output=lambda y: y):
        super().__init__()
        self.layer = nn.Linear(3072, 10)
        self.output = output
    def forward(self, x):
        return self.output(self.layer(x.flatten(1)))

def pair():
    return Net(lambda y: (y, y))

def flat():
    return Net(lambda y: y.mean())

def image():
    return Net(lambda y: y[:, :, None, None])

def fails():
    return Net(lambda y: y.no_such_attribute)

def empty():
    return nn.Flatten()
"""


@pytest.mark.parametrize("command", MEASURING)
@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("pair", "returns a tuple of 2, expected one tensor"),
        ("flat", "net returns shape (), expected logits"),
        ("image", "net returns shape (2, 10, 1, 1), expected logits"),
        ("fails", "net fails on inputs of shape (3, 32, 32)"),
    ],
)
def test_networks_that_return_no_logits(run, tmp_path, command, factory, message):
    (tmp_path / "own.py").write_text(OWN)
    torch.save({"layer.weight": torch.zeros(10, 3072), "layer.bias": torch.zeros(10)}, tmp_path / "net.pt")
    options = ("--model", f"own.py:{factory}", "--samples", "4", *QUICK.get(command, ()))
    assert_refused(run(command, "net.pt", *options), message)


def test_a_network_without_feature_maps(run, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    torch.save({"layer.weight": torch.zeros(10, 3072), "layer.bias": torch.zeros(10)}, tmp_path / "net.pt")
    assert_refused(run("features", "net.pt", "--model", "own.py:Net", "--samples", "4"), "feature map")


@pytest.mark.parametrize("command", MEASURING)
def test_a_network_that_overflows_ends_in_words(run, tmp_path, command):
    def inflate(state):
        for name, value in state.items():
            if name.endswith("conv1.weight") or name.endswith("bn2.weight"):
                value.mul_(1e30)

    tiny(tmp_path / "net.safetensors", change=inflate)
    outcome = run(command, "net.safetensors", "--samples", "4", *QUICK.get(command, ()), "--json")
    if command == "hessian":
        assert_refused(outcome, "not finite")
    else:
        assert outcome.json["command"] == command
        assert not all(check["passed"] for check in outcome.json["checks"])


@pytest.mark.parametrize("command", MEASURING)
def test_a_network_of_zeros_has_results(run, tmp_path, command):
    def empty(state):
        for value in state.values():
            value.zero_()

    tiny(tmp_path / "net.safetensors", change=empty)
    outcome = run(command, "net.safetensors", "--samples", "4", *QUICK.get(command, ()), "--json")
    assert outcome.json["command"] == command


@pytest.mark.parametrize("command", MEASURING)
def test_places_that_cannot_be_written(run, checkpoint, tmp_path, command):
    (tmp_path / "file").write_text("years of work")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").touch()
    for place in ("file/out.zarr", "file", "folder", ".", ".."):
        # Said before anything is measured: with these samples, that would be noticed.
        outcome = run(command, checkpoint, "--samples", "2000", *QUICK.get(command, ()), "--out", place)
        assert outcome.status == 1
        assert outcome.err.splitlines()[-1].startswith("landscape: ")
        assert "--out" in outcome.err or "cannot write" in outcome.err
        assert "unexpected" not in outcome.err
    assert (tmp_path / "file").read_text() == "years of work"
    assert (tmp_path / "folder" / "thesis.tex").exists()
    assert_nothing_written(tmp_path, "file", "folder")


TRAIN = (
    "train",
    "--model",
    "cifar-resnet8:width=4",
    "--samples",
    "16",
    "--epochs",
    "1",
    "--out",
    "net.safetensors",
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "lenet"), "unknown model 'lenet'"),
        (("--model", "own.py:Net"), "unknown model 'own.py:Net'"),
        (("--model", "cifar-resnet8:width=4,classes=3"), "is none of the 3 classes"),
        (("--model", "cifar-resnet8:width=0.5"), "option 'width' cannot be '0.5'"),
        (("--data", "mnist"), "unknown data set 'mnist'"),
        (("--samples", "2000"), "2000 samples asked for"),
        (("--learning-rate", "-1"), "learning rate must be positive"),
        (("--learning-rate", "1e30", "--batch-size", "4"), "lower the learning rate"),
        (("--momentum", "2"), "momentum must lie in"),
        (("--weight-decay", "-1"), "weight decay must be finite and not negative"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--out", "file/net.safetensors"), "cannot write"),
        (("--out", "folder"), "folder"),
        (("--out", "file"), "file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_training_that_cannot_be_done(run, tmp_path, options, message):
    (tmp_path / "file").write_text("years of work")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").touch()
    assert_refused(run(*TRAIN, "--quiet", *options), message)
    assert (tmp_path / "file").read_text() == "years of work"
    assert (tmp_path / "folder" / "thesis.tex").exists()
    assert_nothing_written(tmp_path, "file", "folder")


def test_an_interruption_leaves_nothing_behind(run, checkpoint, tmp_path, monkeypatch):
    from landscape.objective import Objective

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Objective, "scores", interrupted)
    outcome = run("surface", checkpoint, "--samples", "4", "--steps", "3", "--quiet")
    assert outcome.status == 130
    assert outcome.err.strip() == "landscape: interrupted"
    assert_nothing_written(tmp_path)


def test_debug_shows_where_it_failed(run):
    outcome = run("--debug", "info", "none.pt")
    assert outcome.status == 1
    assert "Traceback (most recent call last)" in outcome.err
    assert "CheckpointError" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("landscape: no checkpoint at none.pt")


@pytest.mark.parametrize("command", ["verdicts", "plot"])
@pytest.mark.parametrize("suffix", ["", ".zarr", ".csv", ".zip"])
def test_a_name_that_no_file_can_have(run, command, suffix):
    outcome = run(command, "x" * 300 + suffix, "--out", "out")
    assert_refused(outcome, "too long")
    assert len(outcome.err) < 400


def test_what_nobody_foresaw_is_still_one_message(run, checkpoint, monkeypatch):
    import landscape.checkpoint

    def broken(*args, **options):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(landscape.checkpoint, "load", broken)
    outcome = run("info", checkpoint)
    assert outcome.status == 1
    assert outcome.err.startswith("landscape: unexpected ZeroDivisionError: division by zero; ")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)
def test_running_out_of_memory_says_what_to_do(run, checkpoint, monkeypatch, error):
    import landscape.checkpoint

    def broken(*args, **options):
        raise error

    monkeypatch.setattr(landscape.checkpoint, "load", broken)
    outcome = run("info", checkpoint)
    assert outcome.status == 1
    assert outcome.err == "landscape: out of memory; use fewer --samples or a smaller --batch-size\n"


def test_a_stored_normalisation_for_other_channels_is_said(run, tmp_path):
    build.checkpoint(tmp_path / "net.safetensors", normalisation=Normalisation((0.5,), (0.5,)))
    outcome = run("evaluate", "net.safetensors", "--samples", "4")
    assert_refused(outcome, "the images have 3 channels, the normalisation 1")


def test_a_forgotten_data_set_is_said(run, tmp_path):
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def large(): return nn.Sequential(nn.Flatten(), nn.Linear(300, 10))\n"
        "def two(): return nn.Sequential(nn.Flatten(), nn.Linear(3072, 2))\n"
    )
    for name, outputs, inputs in (("large", 10, 300), ("two", 2, 3072)):
        torch.save({"1.weight": torch.zeros(outputs, inputs), "1.bias": torch.zeros(outputs)}, f"{name}.pt")
        arguments = ("evaluate", f"{name}.pt", "--model", f"nets.py:{name}", "--samples", "10")
        assert_refused(run(*arguments), "no --data was given, and the default, demo, is the embedded part")
        assert "no --data" not in run(*arguments, "--data", "demo").err
        assert "no --data" not in run(*arguments, "--data=demo").err


def test_inputs_that_declare_more_than_is_allowed(run, tmp_path, checkpoint):
    data = npz(tmp_path / "x.npz", count=40)
    assert_refused(run("info", checkpoint, "--max-input", "1kB"), "up to 1,000 are read; allow more with")
    asked = ("evaluate", checkpoint, "--data", data, "--out", tmp_path / "x.zarr", "--max-input", "100KiB")
    assert_refused(run(*asked), "declares arrays of 123,200 bytes, and up to 102,400 are read")
    assert run(*asked, "--samples", 4).status == 0
    assert_refused(run("info", checkpoint, "--max-input", "much"), "is not an amount of memory", status=2)
    assert run("info", checkpoint).status == 0  # the bound ended with its command
