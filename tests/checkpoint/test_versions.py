"""Layers that convert older weights, state that is no tensor, and what parametrizes a weight."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import landscape as ls
from landscape.errors import CheckpointError
from tests import build

X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


class Turned(nn.Linear):
    """Its second version holds rows in another order, and converts those of the first."""

    _version = 2

    def _load_from_state_dict(self, state: dict, prefix: str, metadata: dict, *rest: Any) -> None:
        version = metadata.get("version")
        if version is None or version < 2:
            state[f"{prefix}weight"] = state[f"{prefix}weight"].flip(0)
        super()._load_from_state_dict(state, prefix, metadata, *rest)


def network() -> nn.Module:
    return nn.Sequential(Turned(6, 6), nn.ReLU(), nn.Linear(6, 3))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net.state_dict(),
        lambda net: {"state_dict": nn.DataParallel(net).state_dict(), "epoch": 3},
        lambda net: {"model": net},
        lambda net: dict(net.state_dict()),
    ],
)
def test_new_weights_are_not_converted_again(wrap, tmp_path: Path):
    trained = network()
    torch.save(wrap(trained), tmp_path / "net.pt")
    assert torch.equal(ls.load(tmp_path / "net.pt", network()).module(X), trained(X))


def test_ours_neither(tmp_path: Path):
    trained = network()
    ls.save(tmp_path / "net.safetensors", trained)
    assert torch.equal(ls.load(tmp_path / "net.safetensors", network()).module(X), trained(X))


@pytest.mark.parametrize("inside", [False, True])
def test_weights_of_an_older_version_are_converted_as_by_pytorch(inside: bool, tmp_path: Path):
    state = network().state_dict()
    state._metadata["0"]["version"] = 1
    torch.save({"state_dict": state} if inside else state, tmp_path / "net.pt")
    expected = network()
    expected.load_state_dict(state)
    assert torch.equal(ls.load(tmp_path / "net.pt", network()).module(X), expected(X))


class Scaled(nn.Linear):
    scale = 1.0

    def get_extra_state(self) -> dict[str, float]:
        return {"scale": self.scale}

    def set_extra_state(self, state: dict[str, float]) -> None:
        self.scale = state["scale"]

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * super().forward(x)


def test_state_that_is_no_tensor_is_not_left_out(tmp_path: Path):
    net = nn.Sequential(Scaled(6, 3))
    torch.save(net.state_dict(), tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=r"keeps state that is no tensor \(0\._extra_state\)"):
        ls.load(tmp_path / "net.pt", net)
    with pytest.raises(CheckpointError, match=r"cannot .*_extra_state"):
        ls.save(tmp_path / "net.safetensors", net)


def test_complex_numbers_that_the_format_lacks_are_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="complex numbers of 128 bits"):
        ls.save(tmp_path / "net.safetensors", nn.Linear(2, 3, dtype=torch.complex128))


class Symmetric(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.triu() + x.triu(1).mT


def test_what_parametrizes_a_weight_is_not_the_weight(tmp_path: Path):
    net = nn.Sequential(nn.Linear(6, 6))
    parametrize.register_parametrization(net[0], "weight", Symmetric())
    torch.save(net.state_dict(), tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=r"missing: 0\.weight; unexpected: 0\.parametrizations"):
        ls.load(tmp_path / "net.pt", nn.Sequential(nn.Linear(6, 6)))


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda net: {"a": {"model": net}, "epoch": 3}])
def test_pickled_modules_are_read_however_deep_their_layers_lie(wrap, tmp_path: Path):
    net = build.zoo("resnet18:width=4")
    torch.save(wrap(net), tmp_path / "net.pt")
    images = build.images(2, 32).inputs
    loaded = ls.load(tmp_path / "net.pt")
    assert torch.equal(loaded.module(images.float()), net(images.float()))
