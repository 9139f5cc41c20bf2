"""A tiny checkpoint, and the command line called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from landscape.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout; anything else there is an error."""
        assert self.status == 0, self.err
        assert self.out.count("\n") == 1
        found = json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert isinstance(found, dict)
        return found


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys, monkeypatch, tmp_path) -> Run:
    """Call ``landscape ARGUMENTS`` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(exit_.value.code or 0, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A ResNet-20 of width 4 as it was initialised."""
    from landscape.checkpoint import save
    from landscape.samples import Normalisation
    from landscape.zoo import build, parse

    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    config = parse("cifar-resnet20:width=4")
    save(path, build(config), config=config, normalisation=Normalisation((0.5,) * 3, (0.25,) * 3))
    return path


@pytest.fixture(scope="session")
def dropping(tmp_path_factory) -> Path:
    """A ResNet-20 of width 4 with smoothing and MC dropout, as it was initialised."""
    from landscape.checkpoint import save
    from landscape.zoo import build, parse

    path = tmp_path_factory.mktemp("dropping") / "mcd.safetensors"
    config = parse("cifar-resnet20:width=4,blur,dropout=0.2")
    save(path, build(config), config=config)
    return path
