"""The README's Python runs as it is printed."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_shows_python():
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("block", [b for b in BLOCKS if "landscape-out" not in b], ids=["opening", "python"])
def test_python_of_the_readme_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = files("landscape.family").joinpath("gap.safetensors")
    (tmp_path / "net.safetensors").write_bytes(network.read_bytes())
    exec(compile(block, "README.md", "exec"), {})
    if "savefig" in block:
        assert (tmp_path / "surface.pdf").stat().st_size > 1000
