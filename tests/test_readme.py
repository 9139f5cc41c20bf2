"""The README's Python runs: on a few samples, and as it is printed by `make full`."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
ALONE = [block for block in BLOCKS if "landscape-out" not in block]
SMALLER = {"take(200)": "take(8)", "batch_size=50": "batch_size=4", "steps=11": "steps=3"}


def test_the_readme_shows_python():
    assert len(BLOCKS) == 3


@pytest.mark.parametrize(
    "smaller", [SMALLER, pytest.param({}, marks=pytest.mark.full)], ids=["small", "as printed"]
)
@pytest.mark.parametrize("block", ALONE, ids=["opening", "python"])
def test_python_of_the_readme_runs(block, smaller, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = files("landscape.family").joinpath("gap.safetensors")
    (tmp_path / "net.safetensors").write_bytes(network.read_bytes())
    assert not smaller or "take(200)" in block
    for printed, small in smaller.items():
        block = block.replace(printed, small)
    exec(compile(block, "README.md", "exec"), {})
    if "savefig" in block:
        assert (tmp_path / "surface.pdf").stat().st_size > 1000
