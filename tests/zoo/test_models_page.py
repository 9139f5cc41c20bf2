"""The table of architectures in docs/models.md says what the zoo builds."""

import re
from contextlib import suppress
from pathlib import Path

import pytest

from landscape.errors import LandscapeError
from landscape.zoo import parse
from landscape.zoo.networks import skeleton

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def rows() -> list[list[str]]:
    """Cells of the rows whose networks are the zoo's own."""
    table = PAGE.read_text(encoding="utf-8").split("| architecture | the line |")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return [row for row in cells if "@timm:" not in row[1] and "hf:" not in row[1]]


def count(spec: str) -> str:
    return f"{sum(each.numel() for each in skeleton(parse(spec)).parameters()):,}"


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0].split(" ")[0]) for row in rows()])
def test_parameters_lines_and_keys(row):
    specs = re.findall(r"@([\w:=,-]+)", row[1])
    assert row[2] == count(specs[0])
    number, _, which = row[3].partition(" ")
    if number != "–":
        large = next(spec for spec in specs if spec.endswith("_s")) if which == "(S)" else specs[0]
        assert number == count(f"{large}:stem=imagenet,classes=1000")
    for spec in specs:
        parse(spec)
    keys = set(skeleton(parse(specs[0])).state_dict())
    with suppress(LandscapeError):  # which only transformers and mixers have
        keys |= set(skeleton(parse(f"{specs[0]}:dialect=p2")).state_dict())
    named = re.findall(r"`([\w.]+\.(?:weight|pos_embedding))`", row[4])
    assert not named or any(key in keys for key in named) or "dialect=p2" in row[4]
    assert row[5].startswith("✓")


def test_the_table_has_every_architecture():
    assert len(rows()) == 10
