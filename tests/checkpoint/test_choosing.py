"""Which network a checkpoint is: by specification, under anyone's names, inferred, or refused."""

import re
import types

import pytest
import torch
from torch import nn

from landscape.checkpoint import load
from landscape.errors import CheckpointError, LandscapeError
from landscape.zoo import build, parse
from landscape.zoo import libraries as zoo_libraries

TINY = "cifar-resnet20:width=4,shortcut=B"


def state(seed=1, renamed=True):
    tensors = build(parse(TINY), seed=seed).state_dict()
    return (
        {re.sub("shortcut", "downsample", re.sub("linear", "fc", k)): v for k, v in tensors.items()}
        if renamed
        else tensors
    )


def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 5)).state_dict()


def file(tmp_path, content, name="net.pt"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


def assert_tiny(network, seed=1):
    for name, value in state(seed, renamed=False).items():
        assert torch.equal(network.module.state_dict()[name], value), name


FACTORY = """
from torch import nn
def net(width=4, classes=5):
    first = nn.Conv2d(3, width, 4, 2, 1)
    return nn.Sequential(first, nn.ReLU(), nn.Flatten(), nn.Linear(256 * width, classes))
"""


@pytest.fixture
def factory(tmp_path):
    (tmp_path / "nets.py").write_text(FACTORY)
    return tmp_path / "nets.py"


# Its own model


def test_a_checkpoint_carries_its_model(tmp_path, factory):
    path = file(tmp_path, plain())
    network = load(f"{path}@{factory}:net")
    assert network.path == path
    assert network.name == "net"
    assert network.architecture == f"{factory}:net"
    assert (
        load(f"{path}@{factory}:net,width=4,classes=5", "vgg11").parameter_count()
        == network.parameter_count()
    )
    with pytest.raises(LandscapeError, match=r"does not fit .*width=8"):
        load(f"{path}@{factory}:net,width=8")
    with pytest.raises(
        LandscapeError, match=r"raised TypeError: .*'depth'; a factory is called with depth=3"
    ):
        load(f"{path}@{factory}:net,depth=3")


def test_zoo_names_take_anyones_names_of_layers(tmp_path):
    network = load(f"{file(tmp_path, state())}@{TINY},dropout=0.2")
    assert_tiny(network)
    assert "14 of 128 differ, such as 'fc.weight' as 'linear.weight'" in network.notes[0]


# Inferred


@pytest.mark.parametrize(
    "wrap", [lambda t: t, lambda t: {"state_dict": {f"module.{k}": v for k, v in t.items()}}]
)
def test_renamed_networks_of_the_zoo_are_inferred(tmp_path, wrap):
    network = load(file(tmp_path, wrap(state())))
    assert_tiny(network)
    assert network.config["shortcut"] == "B"


def test_sets_under_anyones_names_are_all_named_and_chosen_by_key(tmp_path):
    path = file(tmp_path, {"state_dict": state(), "state_dict_ema": state(2)})
    network = load(path)
    assert_tiny(network)
    assert "not 'state_dict_ema' (an average); --state-key takes another" in network.notes[0]
    assert_tiny(load(path, state_key="state_dict_ema"), seed=2)
    with pytest.raises(CheckpointError, match=r"no tensors below 'ema'; names begin with state_dict"):
        load(path, state_key="ema")


@pytest.mark.parametrize(
    "content", [{"state_dict": [plain()], "err": 0.5}, [plain(), plain()], {"net": plain()}]
)
def test_plain_chains_are_inferred_in_lists_and_below_prefixes(tmp_path, content):
    network = load(file(tmp_path, content))
    assert network.architecture == "sequential:size=32,stride=2,padding=1,pools=0,activation=relu"
    assert network.input_size == (3, 32, 32)
    assert list(network.module.state_dict()) == list(plain())


def test_of_a_cascade_the_first_is_taken_unless_another_is_asked_for(tmp_path):
    sets = [plain(), plain(), plain()]
    path = file(tmp_path, {"state_dict": sets, "order": torch.arange(9000)})
    assert torch.equal(load(path).module[0].weight, sets[0]["0.weight"])
    assert "3 sets of weights that fit" in load(path).notes[0]
    assert torch.equal(load(path, state_key="state_dict.2").module[0].weight, sets[2]["0.weight"])


def test_the_head_of_something_larger_is_no_network(tmp_path):
    body = {f"blocks.{i}.attn.qkv.weight": torch.ones(30, 10) for i in range(9)}
    head = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 5)).state_dict()
    with pytest.raises(CheckpointError, match=r"cannot tell which .*blocks\.0\.attn\.qkv 10→30"):
        load(file(tmp_path, body | {f"head.{key}": value for key, value in head.items()}))


def test_options_of_a_chain_are_said_with_the_model(tmp_path):
    network = load(f"{file(tmp_path, plain())}@sequential:activation=tanh,stride=2")
    assert isinstance(network.module[1], nn.Tanh)
    with pytest.raises(CheckpointError, match="holds no plain chain"):
        load(file(tmp_path, state(), "b.pt"), "sequential:activation=tanh")


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("resnet-blur.pt", {}),
        ("net.pt", {"arch": "resnet_smoothing_20"}),
        ("net.pt", {"args": {"model": "antialiased"}}),
    ],
)
def test_what_calls_itself_smoothed_opens_with_a_loud_word(tmp_path, name, beside):
    path = file(tmp_path, {"state_dict": state(), **beside}, name)
    (loud,) = [note for note in load(path).notes if note.startswith("WARN")]
    assert f"opens WITHOUT it; if it was trained with it, say --model {TINY},blur" in loud
    assert not any(note.startswith("WARN") for note in load(path, f"{TINY},blur").notes)


def test_kernels_in_the_file_are_smoothing(tmp_path):
    spec = "cifar-resnet20:width=4,kernel=1-2-1"
    tensors = build(parse(spec)).state_dict()
    assert load(file(tmp_path, tensors)).config["smoothing"]["kernel"] == (1, 2, 1)
    with pytest.raises(CheckpointError, match=r"unexpected: smooth1\.0\.blur\.filter"):
        load(file(tmp_path, tensors), "cifar-resnet20:width=4")


def test_what_stands_beside_the_weights_is_kept(tmp_path):
    args = types.SimpleNamespace(lr=0.1, arch="resnet20")
    content = {"state_dict": plain(), "epoch": 3, "args": args, "optimizer": {"lr": 1}, "text": "x" * 1000}
    assert load(file(tmp_path, content)).beside == {"epoch": 3, "args.lr": 0.1, "args.arch": "resnet20"}


# Libraries


class Fake(nn.Module):
    """A network of a library: two heads of one number of classes."""

    def __init__(self, num_classes=7, in_chans=3):
        super().__init__()
        self.conv = nn.Conv2d(in_chans, 4, 3)
        self.head = nn.Linear(4, num_classes)
        self.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "input_size": (3, 64, 64)}


@pytest.fixture
def timm(monkeypatch):
    fake = types.SimpleNamespace(
        is_model=lambda name: name == "fake",
        list_models=lambda: ["fake"],
        create_model=lambda model_name, pretrained, **options: Fake(**options),
    )
    monkeypatch.setattr(zoo_libraries, "_imported", lambda *words: fake)


@pytest.mark.usefixtures("timm")
def test_classes_channels_and_normalisation_come_from_head_and_library(tmp_path):
    path = file(tmp_path, Fake(5).state_dict())
    network = load(path, "timm:fake")
    assert network.module.head.out_features == 5
    assert network.normalisation.mean == (0.5, 0.5, 0.5)
    assert network.input_size == (3, 64, 64)
    assert network.origins == {
        "num_classes": "5, from the checkpoint's head.bias",
        "normalisation": "timm's pretrained_cfg of fake",
        "input size": "3×64×64, from timm's pretrained_cfg of fake",
    }
    assert load(file(tmp_path, Fake(5, 1).state_dict()), "timm:fake").normalisation is None
    with pytest.raises(CheckpointError, match=r"does not fit timm:fake,num_classes=6"):
        load(path, "timm:fake,num_classes=6")
    with pytest.raises(LandscapeError, match="timm has no network called 'other'; it has fake"):
        load(path, "timm:other")


@pytest.mark.usefixtures("timm")
def test_the_protocol_says_where_things_come_from(tmp_path):
    from tests.build import USUAL, images

    network, samples = load(file(tmp_path, Fake(5).state_dict()), "timm:fake"), images(2)
    assert network.normalised_for(samples).origins["normalisation"] == "timm's pretrained_cfg of fake"
    assert network.normalised_for(samples, USUAL).origins["normalisation"] == "given"


@pytest.mark.parametrize("source", ["timm", "torchvision", "hf"])
def test_a_missing_library_is_said_in_one_sentence(tmp_path, monkeypatch, source):
    monkeypatch.setattr(zoo_libraries, "installed", lambda name: False)
    with pytest.raises(
        LandscapeError, match=rf"not installed here: pip install 'landscape-toolkit\[{source}\]'$"
    ):
        load(file(tmp_path, plain()), f"{source}:any")


def test_networks_of_libraries_are_refused_with_their_specification(tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.checkpoint.choosing.installed", lambda name: False)
    places = [f"layer{i}.{j}" for i, count in enumerate((3, 4, 23, 3), 1) for j in range(count)]
    one = torch.zeros(64, 64, 1, 1)
    blocks = {f"{place}.conv{n}.weight": one for place in places for n in (1, 2, 3)}
    content = blocks | {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.weight": torch.zeros(5, 64)}
    with pytest.raises(
        CheckpointError, match=r"holds what torchvision:resnet101 has, .*net\.pt@torchvision:resnet101"
    ):
        load(file(tmp_path, content))


def test_no_architecture_is_looked_for_in_countless_tensors(tmp_path):
    one = torch.zeros(1)
    path = file(tmp_path, {f"layer{i}.weight": one for i in range(10_001)})
    with pytest.raises(CheckpointError, match=r"which architecture .* of 10,001 tensors is; name it"):
        load(path)
