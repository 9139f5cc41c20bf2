"""The README's Python runs: on a few samples, and as it is printed by `make full`."""

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
ALONE = [block for block in BLOCKS if "landscape-out" not in block]
SMALLER = {"take(200)": "take(8)", "batch_size=50": "batch_size=4", "steps=11": "steps=3"}
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def test_the_readme_shows_python():
    assert len(BLOCKS) == 3


@pytest.mark.parametrize(
    "smaller", [SMALLER, pytest.param({}, marks=pytest.mark.full)], ids=["small", "as printed"]
)
@pytest.mark.parametrize("block", ALONE, ids=["opening", "python"])
def test_python_of_the_readme_runs(block, smaller, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not smaller or "take(200)" in block
    for printed, small in smaller.items():
        block = block.replace(printed, small)
    exec(compile(block, "README.md", "exec"), {})
    assert max(path.stat().st_size for path in tmp_path.glob("surface.*")) > 1000


def anchors(page: Path) -> set[str]:
    """What headings of a page are called in addresses."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def test_links_of_the_readme_lead_somewhere():
    text = README.read_text(encoding="utf-8")
    links = LINK.findall(text) + re.findall(r"^\[[\w-]+\]: (?!https?:)()(\S+)$", text, re.MULTILINE)
    assert len(links) > 40
    for place, anchor in links:
        page = README.parent / (place or "README.md")
        assert page.exists(), place
        assert not anchor or page.suffix != ".md" or anchor in anchors(page) or not place, f"{place}#{anchor}"


def test_the_finding_of_the_readme_is_what_was_measured():
    """The sentence in the opening, against the results page, which follows from the measurements."""
    results = (README.parent / "docs" / "results.md").read_text(encoding="utf-8")
    agrees, contradicts, open_ = map(
        int, re.search(r"^\| landscape \| (\d+) \| (\d+) \| (\d+) \|$", results, re.M).groups()
    )
    for page in (README, README.parent / "docs" / "index.md"):
        text = page.read_text(encoding="utf-8")
        assert agrees == contradicts == 0, f"{page.name} says that no comparison is significant"
        assert f"none of {open_} comparisons of the loss landscape shows a significant change" in text
