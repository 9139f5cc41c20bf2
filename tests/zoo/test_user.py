"""Factories in files of the user's own, beside helpers that go by the same names."""

from pathlib import Path

import pytest
import torch

import landscape as ls
from landscape.zoo import user

HELPER = "from torch import nn\n\nACTIVATION = nn.{}\n"
FACTORY = """from torch import nn

from model_parts import ACTIVATION


def make():
    return nn.Sequential(nn.Linear(4, 8), ACTIVATION(), nn.Linear(8, 3))
"""


@pytest.mark.parametrize("package", [False, True])
def test_each_run_has_the_helpers_beside_its_own_factory(package: bool, tmp_path: Path):
    kinds = {"a": "ReLU", "b": "Tanh"}
    for run, kind in kinds.items():
        folder = tmp_path / run
        helper = folder / ("model_parts/__init__.py" if package else "model_parts.py")
        helper.parent.mkdir(parents=True)
        helper.write_text(HELPER.format(kind))
        (folder / "build.py").write_text(FACTORY)
        namespace: dict = {}
        exec(FACTORY.replace("from model_parts import", "ACTIVATION = nn." + kind + "  #"), namespace)
        torch.save(namespace["make"]().state_dict(), folder / "net.pt")
    for run, kind in [*kinds.items(), *kinds.items()]:
        loaded = ls.load(f"{tmp_path / run}/net.pt@{tmp_path / run}/build.py:make")
        assert type(loaded.module[1]).__name__ == kind


def test_what_is_installed_is_never_forgotten(tmp_path: Path):
    (tmp_path / "torch.py").touch()
    (tmp_path / "data.py").write_text("import torch\n\nTENSOR = torch.ones(2)\n")
    assert torch.equal(user.named(f"{tmp_path}/data.py:TENSOR"), torch.ones(2))
