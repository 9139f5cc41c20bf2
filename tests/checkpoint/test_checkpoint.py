"""Checkpoint files: what comes back, what is found in other tools' files, and what is refused."""

import argparse
import collections
import contextlib
import datetime
import json
import os
import pickle
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from landscape.checkpoint import load, read, save
from landscape.errors import CheckpointError, LandscapeError
from landscape.samples import Normalisation
from landscape.zoo import ModelConfig, Smoothing, build, parse
from tests.build import checkpoint

TINY = "cifar-resnet20:width=4"
NORMALISATION = Normalisation((0.5, 0.4, 0.3), (0.25, 0.2, 0.1))


def image() -> torch.Tensor:
    return torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)


def state(spec: str = TINY, seed: int = 1) -> dict[str, torch.Tensor]:
    return build(parse(spec), seed=seed).state_dict()


def assert_same_state(module: nn.Module, expected: dict[str, torch.Tensor]) -> None:
    found = module.state_dict()
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def torch_file(tmp_path, content, name="net.pt"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


def safetensors_file(tmp_path, record, tensors=None):
    path = tmp_path / "net.safetensors"
    text = record if isinstance(record, str) else json.dumps(record)
    save_file(tensors or state(), path, metadata={"landscape": text})
    return path


# Round trips


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(width=4),
        ModelConfig(width=4, head="mlp", hidden=8, classes=7, dropout=0.2, activation="relu6"),
        ModelConfig(width=4, preactivation=True, smoothing=Smoothing(kernel=(1, 2, 1), stages=(1, 2))),
        ModelConfig(width=4, smoothing=Smoothing(kernel=(1,), prob="scale", temperature=3.0)),
        ModelConfig(architecture="vgg", depth=11, width=2, head="gap"),
    ],
    ids=lambda config: config.name,
)
def test_a_saved_file_rebuilds_itself(tmp_path, config):
    module = build(config, seed=3)
    training = {"recipe": {"epochs": 2}, "history": [{"loss": 1.5, "accuracy": 0.5}]}
    save(tmp_path / "net.safetensors", module, config=config, normalisation=NORMALISATION, training=training)
    network = load(tmp_path / "net.safetensors")
    assert_same_state(network.module, module.state_dict())
    assert torch.equal(network.module(image()), module(image()))
    assert not network.module.training
    assert network.normalisation == NORMALISATION
    assert network.training == training
    assert network.architecture == config.name
    assert network.name == "net"
    assert ModelConfig.from_dict(read(tmp_path / "net.safetensors").record["config"]) == config


def test_the_digest_is_that_of_the_file(tmp_path):
    import hashlib

    path = checkpoint(tmp_path / "net.safetensors", TINY)
    assert load(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_saving_twice_gives_the_same_bytes_readable_by_all(tmp_path):
    for name in ("a", "b"):
        checkpoint(tmp_path / name, TINY, normalisation=NORMALISATION)
    (tmp_path / "usual").touch()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_normalisation_may_be_absent(tmp_path):
    network = load(checkpoint(tmp_path / "net.safetensors", TINY))
    assert network.normalisation is None
    assert network.training == {}


def test_a_file_without_its_suffix_is_recognised(tmp_path):
    assert_same_state(load(checkpoint(tmp_path / "net.ckpt", TINY, seed=2)).module, state(seed=2))


def test_channels_last_and_tied_weights_are_saved(tmp_path):
    module = build(parse(TINY), seed=2).to(memory_format=torch.channels_last)
    save(tmp_path / "a.safetensors", module, config=parse(TINY))
    assert_same_state(load(tmp_path / "a.safetensors").module, state(seed=2))

    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    save(tmp_path / "b.safetensors", tied)
    assert torch.equal(read(tmp_path / "b.safetensors").tensors["1.weight"], tied[0].weight)


def test_a_given_model_takes_precedence_over_the_stored_one(tmp_path):
    network = load(checkpoint(tmp_path / "net.safetensors", TINY), TINY + ",blur")
    assert "blur" in network.architecture


# Torch files


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: tensors,
        lambda tensors: {"state_dict": tensors, "best_prec1": 91.7},
        lambda tensors: {"model": tensors, "ema_decay": torch.tensor(0.9)},
        lambda tensors: {
            "epoch": 3,
            "optimizer": {"state": {i: {"a": torch.zeros(1), "b": torch.ones(1)} for i in range(200)}},
            "optimizer_flat": {f"{k}.momentum{i}": v for k, v in tensors.items() for i in (1, 2)},
            "model_state_dict": tensors,
        },
        lambda tensors: {"a": {"b": {"c": tensors}}},
        lambda tensors: {"state_dict": {f"module.{k}": v for k, v in tensors.items()}},
        lambda tensors: {f"_orig_mod.{k}": v for k, v in tensors.items()},
        lambda tensors: {f"module._orig_mod.{k}": v for k, v in tensors.items()},
        lambda tensors: {f"_orig_mod.module.{k}": v for k, v in tensors.items()},
        lambda tensors: {k: v.double() for k, v in tensors.items()},
        lambda tensors: {k: nn.Parameter(v) if v.is_floating_point() else v for k, v in tensors.items()},
    ],
)
def test_the_state_dict_is_found_wherever_it_is(tmp_path, wrap):
    network = load(torch_file(tmp_path, wrap(state())))
    assert_same_state(network.module, state())


def test_the_old_format_of_torch_is_read(tmp_path):
    torch.save(state(), tmp_path / "net.th", _use_new_zipfile_serialization=False)
    assert_same_state(load(tmp_path / "net.th").module, state())


def test_what_was_done_to_find_the_tensors_is_noted(tmp_path):
    notes = load(torch_file(tmp_path, {"state_dict": {f"module.{k}": v for k, v in state().items()}})).notes
    assert notes[0] == "weights found under 'state_dict.module'"
    assert notes[1].startswith("architecture inferred from names and shapes: cifar-resnet20-gap")


def test_a_prefix_that_only_some_keys_have_stays(tmp_path):
    tensors = {f"module.{k}": v for k, v in state().items()} | {"n_averaged": torch.tensor(3)}
    assert "module.conv1.weight" in read(torch_file(tmp_path, tensors)).tensors


@pytest.mark.parametrize("prefix", ["net.", "model._orig_mod.", "module.model."])
def test_architectures_are_inferred_below_any_prefix(tmp_path, prefix):
    tensors = {prefix + key: value for key, value in state().items()}
    network = load(torch_file(tmp_path, {"state_dict": {**tensors, "criterion.weight": torch.ones(10)}}))
    assert_same_state(network.module, state())


@pytest.mark.parametrize("first", ["model", "model_ema"])
def test_raw_weights_are_taken_and_the_average_named(tmp_path, first):
    sets = {"model": state(), "model_ema": state(seed=2)}
    network = load(torch_file(tmp_path, {first: sets[first], **sets}))
    assert_same_state(network.module, state())
    assert any("2 sets of weights" in note and "'model_ema'" in note for note in network.notes)


def test_state_dicts_in_lists_are_found(tmp_path):
    network = load(torch_file(tmp_path, {"state_dict": [state(), state(seed=2)]}))
    assert_same_state(network.module, state())
    assert network.notes[0].startswith("weights found under 'state_dict.0'; the file holds 2 sets")


@pytest.mark.parametrize("depth", [20, 32, 44])
def test_pretrained_networks_are_recognised(shared_data, depth):
    files = sorted((shared_data / "pretrained").glob(f"resnet{depth}-*.th"))
    if not files:
        pytest.skip(f"no pretrained ResNet-{depth} in {shared_data / 'pretrained'}")
    network = load(files[0])
    assert network.architecture == f"cifar-resnet{depth}-gap"
    assert network.parameter_count() == {20: 269_722, 32: 464_154, 44: 658_586}[depth]
    assert torch.isfinite(network.module(image())).all()


@pytest.mark.parametrize(
    "spec",
    [
        "resnet18:width=4",
        "resnet18:width=4,head=mlp,hidden=8,classes=100",
        "resnet34:width=4,kernel=1-2-1",
        "resnet50:width=4",
        "resnet50:width=4,stem=imagenet",
        "preresnet18:width=4",
        "preresnet50:width=4,classes=7",
        "vgg11:width=4,head=gap",
        "vgg16:width=4,hidden=8",
        "vgg16:width=4,head=gap,classes=100",
        "prevgg16:width=4,head=gap",
        "vgg19:width=4,hidden=8,kernel=1-4-6-4-1",
        "cifar-preresnet20:width=4",
        "cifar-resnet20:width=4,shortcut=B",
        "cifar-resnet20:width=4,head=mlp,hidden=8",
    ],
)
def test_known_layouts_are_inferred(tmp_path, spec):
    config = parse(spec)
    network = load(torch_file(tmp_path, state(spec)))
    assert network.architecture == config.name
    assert_same_state(network.module, state(spec))
    size = 64 if config.stem == "imagenet" else 32
    batch = torch.linspace(-1, 1, 3 * size * size).reshape(1, 3, size, size)
    assert torch.equal(network.module(batch), build(config, seed=1)(batch))


def test_what_keys_cannot_show_is_noted(tmp_path):
    notes = " ".join(load(torch_file(tmp_path, state(TINY + ",blur,dropout=0.2"))).notes)
    assert "shapes do not show smoothing by the 2×2 box (cifar-resnet20:width=4,blur)" in notes


def test_an_unknown_architecture_asks_for_the_model(tmp_path):
    path = torch_file(tmp_path, nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).state_dict())
    with pytest.raises(
        CheckpointError, match=r"cannot tell which architecture .*layers: 0 3→4 3×3\).* with --model"
    ):
        load(path)


@pytest.mark.parametrize("name", ["conv1.weight", "linear.weight", "linear.dense3.weight", "layer0.0.weight"])
def test_names_of_a_layout_on_odd_shapes_are_no_crash(tmp_path, name):
    for spec in (TINY, "resnet18:width=4"):
        for odd in (torch.tensor(1.0), torch.zeros(3), torch.zeros(0, 0, 0), torch.zeros(2, 2, 2, 2, 2)):
            with pytest.raises(LandscapeError):
                load(torch_file(tmp_path, state(spec) | {name: odd}))


# What is refused


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_beside_weights_is_not_executed(tmp_path, zipped):
    marker, path = tmp_path / "executed", tmp_path / "net.pt"
    torch.save(
        {"state_dict": state(), "epoch": Malicious(marker)}, path, _use_new_zipfile_serialization=zipped
    )
    network = load(path, TINY)
    assert not marker.exists()
    assert "nothing of them was run: posix.system" in network.notes[0]
    with pytest.raises(CheckpointError, match="cannot be read as a safetensors file"):
        load(path.rename(path.with_suffix(".safetensors")), TINY)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_is_nothing_but_code_is_refused(tmp_path, protocol):
    marker, path = tmp_path / "executed", tmp_path / "net.pt"
    path.write_bytes(pickle.dumps(Malicious(marker), protocol))
    with pytest.raises(CheckpointError, match=r"holds no tensors; .*posix\.system"):
        load(path)
    assert not marker.exists()


class OwnModule(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.BatchNorm1d(2)
        self.register_buffer("passing", torch.ones(1), persistent=False)
        self.shared = self.layer.weight


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("module", [OwnModule(), nn.Linear(2, 2), build(parse(TINY))])
def test_the_weights_of_a_pickled_module_are_read(tmp_path, module, zipped):
    path = tmp_path / "net.pt"
    torch.save(module, path, _use_new_zipfile_serialization=zipped)
    found, expected = read(path), module.state_dict()
    assert found.tensors.keys() == expected.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in expected.items())
    assert f"{type(module).__module__}.{type(module).__name__}" in found.notes[0]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (np.float64(93.2), "scalar"),
        (np.ones(2), "_reconstruct"),
        (argparse.Namespace(lr=0.1), "argparse.Namespace"),
        (datetime.datetime(2024, 1, 1), "datetime.datetime"),
        (Path("x"), "PosixPath"),
    ],
)
def test_objects_beside_weights_are_left_out_and_named(tmp_path, value, name, zipped):
    path = tmp_path / "net.pt"
    torch.save({"model": state(), "extra": value}, path, _use_new_zipfile_serialization=zipped)
    network = load(path, TINY)
    assert name in network.notes[0]
    assert all(torch.equal(network.module.state_dict()[key], found) for key, found in state().items())


class Answering(torch.Tensor):
    """A tensor that says of itself what it likes."""

    def is_floating_point(self):
        return False


def test_attributes_of_stored_tensors_answer_no_question(tmp_path):
    tensors = state()
    tensors["conv1.weight"][0] = torch.nan
    tensors["conv1.weight"].is_floating_point = collections.OrderedDict  # false when called
    path = torch_file(tmp_path, tensors)
    assert not torch.load(path, weights_only=True)["conv1.weight"].is_floating_point()
    assert not vars(read(path).tensors["conv1.weight"])
    with pytest.raises(CheckpointError, match=r"not finite .* in conv1\.weight"):
        load(path)


def test_tensors_of_other_classes_are_refused(tmp_path):
    path = torch_file(tmp_path, state() | {"conv1.weight": state()["conv1.weight"].as_subclass(Answering)})
    with (
        torch.serialization.safe_globals([Answering]),
        pytest.raises(CheckpointError, match=r"another class"),
    ):
        load(path)


def test_two_tensors_of_one_name_are_refused(tmp_path):
    path = torch_file(tmp_path, {"a.b": torch.ones(1), "a": {"b": torch.zeros(1)}})
    with pytest.raises(CheckpointError, match=r"two tensors that are called a\.b"):
        read(path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ""])
@pytest.mark.parametrize(
    "content", [b"", b"x", b"\0" * 100, b"not a checkpoint" * 50, b"PK\3\4" + b"\1" * 60]
)
def test_junk_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"^{path}"):
        load(path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".th"])
def test_truncated_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    if suffix == ".safetensors":
        checkpoint(path, TINY)
    else:
        torch.save(state(), path, _use_new_zipfile_serialization=suffix == ".pt")
    whole = path.read_bytes()
    for share in (0.001, 0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(CheckpointError, match=f"^{path}"):
            load(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_flipped_bytes_raise_nothing_else(tmp_path):
    rng = random.Random(0)
    for suffix in (".pt", ".th", ".safetensors"):
        path = tmp_path / f"net{suffix}"
        if suffix == ".safetensors":
            checkpoint(path, TINY, normalisation=NORMALISATION)
        else:
            torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=suffix == ".pt")
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(3):
                damaged[rng.randrange(min(len(whole), 2000))] = rng.randrange(256)
            path.write_bytes(damaged)
            with contextlib.suppress(LandscapeError):
                load(path, TINY)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*net\.pt: it is nowhere to be found"):
        load(tmp_path / "net.pt")


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="it is a folder; name the file in it"):
        load(tmp_path)


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b"])
def test_impossible_paths_are_said(path):
    with pytest.raises(CheckpointError):
        load(path)


@pytest.mark.parametrize("content", [[1, 2], "text", {"epoch": 3}, {}, 7, None, {"x": {"y": 1}}])
def test_a_file_without_tensors_says_what_it_holds(tmp_path, content):
    with pytest.raises(CheckpointError, match=r"holds no tensors; found a"):
        load(torch_file(tmp_path, content))


def test_safetensors_without_tensors_is_refused(tmp_path):
    save_file({}, tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match="holds no tensors"):
        load(tmp_path / "net.safetensors")


def test_sparse_quantised_and_meta_tensors_are_refused(tmp_path):
    whole = state()
    for odd in (whole["linear.weight"].to_sparse(), torch.empty(10, 16, device="meta")):
        with pytest.raises(CheckpointError, match=r"without plain values .*linear\.weight"):
            load(torch_file(tmp_path, whole | {"linear.weight": odd}))


def test_every_disagreement_is_listed(tmp_path):
    tensors = state()
    del tensors["bn1.weight"]
    tensors["bn1.gamma"] = torch.ones(4)
    tensors["linear.weight"] = torch.zeros(3, 5)
    with pytest.raises(CheckpointError) as caught:
        load(torch_file(tmp_path, tensors), TINY)
    message = str(caught.value)
    assert "does not fit cifar-resnet20-gap" in message
    assert "missing: bn1.weight" in message
    assert "unexpected: bn1.gamma" in message
    assert "wrong shape: linear.weight is (3, 5), expected (10, 16)" in message
    assert "--model" in message
    assert "\n" not in message


def test_a_long_list_is_cut_short(tmp_path):
    with pytest.raises(CheckpointError, match=r"unexpected: .* and \d+ more"):
        load(torch_file(tmp_path, state("resnet18:width=4")), TINY)


def test_a_missing_batch_counter_is_nothing(tmp_path):
    tensors = {k: v for k, v in state().items() if not k.endswith("num_batches_tracked")}
    assert_same_state(load(torch_file(tmp_path, tensors)).module, state())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["layer2.1.conv2.weight", "bn1.running_var"])
def test_weights_that_are_not_finite_are_named(tmp_path, value, key):
    tensors = state()
    tensors[key].view(-1)[3] = value
    with pytest.raises(CheckpointError, match=rf"not finite .* in {key}: .*diverged"):
        load(torch_file(tmp_path, tensors))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_low_precision_weights_are_widened(tmp_path, dtype):
    tensors = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state().items()}
    module = load(torch_file(tmp_path, tensors)).module
    assert module.state_dict()["conv1.weight"].dtype == torch.float32
    assert torch.equal(module.state_dict()["conv1.weight"], tensors["conv1.weight"].float())


# Hostile metadata


@pytest.mark.parametrize(
    "record",
    [
        "{",
        "\x00",
        "[" * 100_000,
        "[" + "[]," * 3_000_000 + "1]",
        [1, 2],
        3,
        {"config": [1]},
        {"config": "resnet18"},
        {"config": {"width": "4"}},
        {"config": {"width": 4.5}},
        {"config": {"width": -4}},
        {"config": {"width": 10**9}},
        {"config": {"width": 4, "depth": [20]}},
        {"config": {"width": 4, "classes": None}},
        {"config": {"width": 4, "classes": 10.0}},
        {"config": {"width": 4, "depth": 20.0}},
        {"config": {"width": 4, "preactivation": "false"}},
        {"config": {"width": 4, "preactivation": 0}},
        {"config": {"width": 4, "smoothing": {"stages": [True]}}},
        {"config": {"width": 4, "smoothing": {"kernel": [True, True]}}},
        {"config": {"width": 4, "smoothing": {"kernel": [1.0, 1.0]}}},
        {"config": {"width": 4, "head": ["gap"]}},
        {"config": {"width": 4, "dropout": "a lot"}},
        {"config": {"width": 4, "dropout": float("nan")}},
        {"config": {"width": 4, "smoothing": "blur"}},
        {"config": {"width": 4, "smoothing": [1]}},
        {"config": {"width": 4, "smoothing": {"kernel": 3}}},
        {"config": {"width": 4, "smoothing": {"kernel": [9, 9]}}},
        {"config": {"width": 4, "smoothing": {"stages": 2}}},
        {"config": {"width": 4, "smoothing": {"stages": ["a", 1]}}},
        {"config": {"width": 4, "smoothing": {"stages": [[1]]}}},
        {"config": {"width": 4, "smoothing": {"temperature": "hot"}}},
        {"config": {"width": 4, "smoothing": {"temperature": float("nan")}}},
        {"config": {"width": 4, "smoothing": {"colour": "blue"}}},
        {"config": {"width": 4, "colour": "blue"}},
        {"config": {"architecture": "alexnet"}},
        {"normalisation": [1, 2]},
        {"normalisation": "cifar"},
        {"normalisation": {"mean": [0.5] * 3}},
        {"normalisation": {"mean": 0.5, "std": 0.5}},
        {"normalisation": {"mean": ["a"] * 3, "std": [1] * 3}},
        {"normalisation": {"mean": [None] * 3, "std": [1] * 3}},
        {"normalisation": {"mean": [0.5] * 3, "std": [0] * 3}},
        {"normalisation": {"mean": [0.5] * 3, "std": [1] * 2}},
        {"normalisation": {"mean": [[0.5]], "std": [[1]]}},
        {"training": [1]},
        {"training": "long"},
        {"training": {"recipe": [1]}},
        {"training": {"recipe": {"weight_decay": "5e-4"}}},
        {"training": {"recipe": {"weight_decay": 11}}},
        {"training": {"recipe": {"weight_decay": True}}},
        {"training": {"recipe": {"weight_decay": float("nan")}}},
        {"training": {"recipe": {"seed": [0]}}},
        {"training": {"recipe": None}},
        {"normalisation": {"mean": "123", "std": "123"}},
        {"normalisation": {"mean": [10**400] * 3, "std": [1] * 3}},
        {"normalisation": {"mean": [True] * 3, "std": [1] * 3}},
        {"normalisation": {"mean": [0.1] * 3, "std": [1e-320] * 3}},
        {"config": {"width": 10**30}},
        {"config": {"classes": 10**400}},
        {"config": {"classes": True}},
        {"config": {"hidden": 10**7, "head": "mlp"}},
        {"config": {"width": 4, "smoothing": {"temperature": 1e308}}},
        {"config": {"width": 4, "smoothing": {"temperature": 1e-320}}},
        {"config": {"width": 4, "smoothing": {"temperature": True}}},
        {"config": {"\x1b[31mwidth": 4}},
    ],
    ids=lambda record: str(record)[:60].encode("unicode_escape").decode(),
)
def test_hostile_metadata_is_refused_in_words(tmp_path, record):
    with pytest.raises(LandscapeError) as caught:
        load(safetensors_file(tmp_path, record))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("conv1.weight", 3e38, r"a weight of 3e\+38 in conv1\.weight, beyond"),
        ("bn1.running_var", -1.0, r"a negative variance in bn1\.running_var"),
    ],
)
def test_values_that_no_training_gives_are_refused(tmp_path, name, value, message):
    tensors = state()
    tensors[name][0] = value
    with pytest.raises(CheckpointError, match=message):
        load(torch_file(tmp_path, tensors), TINY)


def test_empty_metadata_is_none(tmp_path):
    network = load(safetensors_file(tmp_path, {"config": None, "normalisation": {}, "training": None}))
    assert network.architecture == "cifar-resnet20-gap"
    assert network.normalisation is None


# Networks of the user's own

FACTORY = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.layer = nn.Linear(4, classes)
    def forward(self, x):
        return self.layer(x)

def fails():
    raise KeyError("no such thing")

def leaves():
    raise SystemExit("usage: train.py DIR")

def wrong():
    return {"a": 1}

def needs(classes):
    return Net(classes)

number = 3
"""


@pytest.fixture
def factory(tmp_path):
    path = tmp_path / "my_net.py"
    path.write_text(FACTORY)
    return path


@pytest.fixture
def own_state(tmp_path):
    return torch_file(tmp_path, nn.ModuleDict({"layer": nn.Linear(4, 10)}).state_dict(), "own.pt")


def test_a_factory_in_a_file_builds_the_network(factory, own_state):
    network = load(own_state, f"{factory}:Net")
    assert network.architecture == f"{factory}:Net"
    assert network.module(torch.ones(2, 4)).shape == (2, 10)


def test_a_factory_in_a_package_builds_the_network(factory, own_state, monkeypatch):
    package = factory.parent / "own_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "nets.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(factory.parent)
    assert load(own_state, "own_package.nets:Net").parameter_count() == 50
    for name in ("own_package", "own_package.nets"):
        monkeypatch.delitem(sys.modules, name)


def test_a_factory_beside_the_user_is_found_and_the_path_is_put_back(factory, own_state, monkeypatch):
    monkeypatch.chdir(factory.parent)
    (factory.parent / "beside_me.py").write_text("from my_net import Net")
    before = list(sys.path)
    assert load(own_state, "beside_me:Net").parameter_count() == 50
    assert load(own_state, "beside_me.py:Net").parameter_count() == 50
    assert sys.path == before
    for name in ("beside_me", "my_net"):
        monkeypatch.delitem(sys.modules, name)


def test_a_module_called_like_an_architecture_is_the_users(factory, own_state, monkeypatch):
    (factory.parent / "resnet.py").write_text(FACTORY)
    monkeypatch.chdir(factory.parent)
    assert load(own_state, "resnet:Net").architecture == "resnet:Net"
    assert load(own_state, "resnet.py:Net").architecture == "resnet.py:Net"
    monkeypatch.delitem(sys.modules, "resnet")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{folder}/none.py:Net", "no Python file at"),
        ("{file}:None", "has no callable 'None'; it has Net, "),
        ("{file}:number", "has no callable 'number'"),
        ("{file}:", "has no callable ''"),
        ("{file}:fails", "raised KeyError: 'no such thing'; a factory is called without arguments"),
        ("{file}:leaves", "raised SystemExit: usage"),
        ("{file}:needs", "raised TypeError: .*missing 1 required positional argument"),
        ("{file}:wrong", "returned a dict, expected a torch.nn.Module"),
        ("{folder}/broken.py:Net", "importing .*broken.py raised SyntaxError"),
        ("{folder}/leaving.py:Net", "importing .*leaving.py raised SystemExit"),
        (
            "no_such_package.nets:Net",
            "cannot import 'no_such_package.nets' for --model .*ModuleNotFoundError",
        ),
        ("torch.no_such_module:Net", "cannot import 'torch.no_such_module'"),
        ("json:no_such_thing", "json has no callable 'no_such_thing'; it has "),
        (":Net", "cannot import ''"),
        (".relative:Net", "cannot import '.relative'"),
        ("resnet19", "depth of resnet is 19; choose one of 18, 34, 50"),
        ("resnet18:colour=blue", "unknown option 'colour'"),
        ("lenet", "unknown model 'lenet'.*file.py:factory"),
        ("", "unknown model ''"),
    ],
)
def test_models_that_cannot_be_built_are_said(factory, own_state, spec, message):
    (factory.parent / "broken.py").write_text("def Net(:")
    (factory.parent / "leaving.py").write_text("raise SystemExit(2)")
    with pytest.raises(LandscapeError, match=message):
        load(own_state, spec.format(folder=factory.parent, file=factory))


def test_modules_and_callables_serve_as_models(own_state):
    mine = nn.ModuleDict({"layer": nn.Linear(4, 10)})
    before = {key: value.clone() for key, value in mine.state_dict().items()}
    stored = torch.load(own_state)
    for model in (mine, lambda: nn.ModuleDict({"layer": nn.Linear(4, 10)}), nn.DataParallel(mine)):
        network = load(own_state, model)
        assert all(
            torch.equal(a, b) for a, b in zip(network.module.parameters(), stored.values(), strict=True)
        )
    assert_same_state(mine, before)
    assert load(own_state, mine).architecture == "ModuleDict"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "the model is a int, expected a specification"),
        (dict, "dict returned a dict, expected a torch.nn.Module"),
        (nn.Linear, "Linear raised TypeError"),
        (nn.Linear(2, 2), "does not fit Linear"),
    ],
)
def test_other_models_are_refused(own_state, model, message):
    with pytest.raises(LandscapeError, match=message):
        load(own_state, model)


def test_a_module_that_cannot_be_copied_is_said(own_state):
    module = nn.Linear(2, 2)
    module.cached = module.weight * 2
    with pytest.raises(LandscapeError, match=r"Linear cannot be copied .*give a function that builds it"):
        load(own_state, module)


def test_an_own_network_that_does_not_fit_is_listed(factory, tmp_path):
    path = torch_file(tmp_path, nn.ModuleDict({"layer": nn.Linear(4, 7)}).state_dict())
    with pytest.raises(CheckpointError, match=r"layer\.weight is \(7, 4\), expected \(10, 4\)"):
        load(path, f"{factory}:Net")
