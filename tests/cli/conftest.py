"""A tiny checkpoint, and the command line called in this process."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from landscape.cli import main
from tests import build


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


def call(*arguments: object) -> Outcome:
    """``landscape ARGUMENTS`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return Outcome(exit_.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture
def run(monkeypatch, tmp_path) -> Run:
    """Call ``landscape ARGUMENTS`` in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return call


@contextmanager
def undrawn() -> Iterator[None]:
    """Comparisons write no page while open: drawing takes seconds, and tests/cli/test_compare.py does it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("landscape.report.write_report", lambda results, place, **_: Path(place) / "index.html")
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A ResNet-8 of width 4 as it was initialised."""
    return build.checkpoint(
        tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors", normalisation=build.USUAL
    )


@pytest.fixture(scope="session")
def dropping(tmp_path_factory) -> Path:
    """A ResNet-8 of width 4 with smoothing and MC dropout, as it was initialised."""
    place = tmp_path_factory.mktemp("dropping") / "mcd.safetensors"
    return build.checkpoint(place, f"{build.SHORT},blur,dropout=0.2")
