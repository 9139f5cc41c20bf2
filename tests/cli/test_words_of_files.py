"""Names from files, folders and servers reach the terminal as words, never as commands or lines."""

from __future__ import annotations

import shutil

import pytest
import torch

from landscape.errors import printable

HOSTILE = ("\x1b]0;title\x07\x1b[31mred", "a\nok   verified", "\u202egnp.x", "a\rb", "\x00", "\ud800")


@pytest.mark.parametrize("word", HOSTILE)
def test_what_is_printable(word):
    assert printable(word).isprintable()
    assert printable("a plain word, λ ± 95 %") == "a plain word, λ ± 95 %"


def test_what_is_endless_is_cut():
    assert len(printable("x" * 10**6, 100)) < 110
    assert printable("begin" + "x" * 10**6 + "end", 100).startswith("begin")
    assert printable("begin" + "x" * 10**6 + "end", 100).endswith("end")


@pytest.mark.parametrize("word", HOSTILE[:4])
def test_keys_of_a_checkpoint(run, tmp_path, word):
    path = tmp_path / "x.pt"
    torch.save({word: torch.zeros(3)}, path)
    outcome = run("info", path)
    assert outcome.status == 1
    assert outcome.err.count("\n") == 1
    assert outcome.err.rstrip("\n").isprintable()


@pytest.mark.parametrize("word", HOSTILE[:4])
def test_names_of_files(run, checkpoint, tmp_path, word):
    path = shutil.copy(checkpoint, tmp_path / f"{word}.safetensors")
    outcome = run("evaluate", path, "--samples", 4, "--out", tmp_path / "x.zarr")
    assert outcome.status == 0
    assert all(line.isprintable() for line in (outcome.out + outcome.err).replace("\r", "\n").split("\n"))
    assert not any(line.startswith("ok   verified") for line in outcome.out.splitlines())


def test_words_of_wrong_usage(run):
    outcome = run("plot", "--quantity", "\x1b[31mred")
    assert outcome.status == 2
    assert "\x1b" not in outcome.err
