"""The glossary of CONTRIBUTING, held against what users read: `--help`, captions and the documentation."""

import re
from pathlib import Path

import click
import pytest

from landscape.cli import group

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

_OF = "nats?|curve|points?|samples|eigenvalues?|value|number|line|seconds?|products?|figure|command|file|one"
_PER = "sample|image|point|layer|mini-batch|batch|probe|network|second|factor|map|epoch|class|frame|row|side"
_RANDOM = "dropout|masks?|directions?|crop|seeds?|samples?"
AVOIDED = {
    "per sample": rf"\b({_OF}) an? ({_PER})\b",
    "distinguishable": r"\b(be|is|are|was|were|nowhere|not|never|cannot be) told\b",
    "inserted smoothing": r"\bput[ -]in\b",
    "WARN": r"(?-i:\bLOOK\b)",
    "seeds, masks, samples": rf"\bdropout draws?\b|\bdraws? of (the )?({_RANDOM})\b",
}
"""What each word of the glossary stands in for."""

FIRST = {"feature map": r"\bmaps?\b(?! (a|of conditions)\b)", "Hessian–vector product": r"\bproducts?\b"}
"""Words that are short for others, which a text must have said before."""


def prose(text: str) -> str:
    """A page without code, commands, addresses and headings of sections that are names of figures."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(
        r"^=== .*$|`[^`]*`|--[a-z-]+|\]\([^)]*\)|<[^>]*>|^### \S+$|^---.*?^---$",
        " ",
        text,
        flags=re.MULTILINE,
    )
    return re.sub(r"\s+", " ", text)


def help_of(name: str) -> str:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return prose(command.get_help(click.Context(command, info_name=name)))


def pages() -> dict[str, str]:
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {file.name: prose(file.read_text(encoding="utf-8")) for file in files if "api" not in file.parts}


def captions() -> dict[str, str]:
    """Captions, trust reports and whatever else tests hold as snapshots."""
    files = [
        file for file in (ROOT / "tests").rglob("*.txt") if file.stem not in ("durations", "requirements")
    ]
    return {f"{file.parent.name}/{file.name}": prose(file.read_text(encoding="utf-8")) for file in files}


TEXTS = (
    {f"{name} --help": help_of(name) for name in group.list_commands(click.Context(group))}
    | pages()
    | captions()
)


def complaints(text: str) -> list[str]:
    """What a text says otherwise than the glossary has it, with the words around it."""
    found = []
    for word, pattern in AVOIDED.items():
        found += [f"{word}: …{around(text, match)}…" for match in re.finditer(pattern, text, re.IGNORECASE)]
    for word, short in FIRST.items():
        match = re.search(short, text, re.IGNORECASE)
        if match and word.lower() not in text.lower():
            found.append(f"{word}: …{around(text, match)}…")
    return found


def around(text: str, match: re.Match) -> str:
    return text[max(0, match.start() - 30) : match.end() + 30].strip()


@pytest.mark.parametrize("name", TEXTS)
def test_what_users_read_keeps_to_the_glossary(name: str):
    assert complaints(TEXTS[name]) == []


@pytest.mark.parametrize("word", [*AVOIDED, *FIRST])
def test_the_glossary_has_every_word(word: str):
    assert re.search(rf"^\| [^|]*{word}", GLOSSARY, re.MULTILINE | re.IGNORECASE)


def test_complaints_are_found():
    text = "Seconds a point. It cannot be told. Smoothing put in. LOOK at dropout draws and products of maps."
    assert [line.split(":")[0] for line in complaints(text)] == [*AVOIDED, *FIRST]
    assert (
        complaints("Look at seconds per point; Hessian–vector products, then products; what told us.") == []
    )
