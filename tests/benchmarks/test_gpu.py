"""The script for a GPU runs on a CPU, fills its table, and leaves nothing to decide."""

import pytest

from benchmarks import gpu
from benchmarks.gpu import BEGIN, END, PAGE, TINY, filled, measured, table


def test_it_runs_on_a_cpu_with_tiny_networks():
    rows = measured(TINY)
    cases = [row["case"] for row in rows]
    assert cases == [
        "cifar-resnet20:width=2: a product, 4 micro-batches",
        "cifar-resnet20:width=2: a point, 4 micro-batches",
        "cifar-resnet20:width=2: spectrum, 2 mini-batches of 4, top 5",
        "cifar-resnet20:width=2: top 5, 8 images",
        "cifar-resnet20:width=2: a point, 16 images of 32×32",
        "resnet18:width=2: a Hessian–vector product, 4 images of 32×32",
        "resnet18:width=2: a point, 4 images of 32×32",
    ]
    assert all(row["our_seconds"] > 0 for row in rows[2:])
    assert [row["peer"] for row in rows[2:]] == ["PyHessian in a loop", "", "plain loop", "", "plain loop"]
    text = table(rows, "a card")
    assert text.startswith("a card, PyTorch ")
    assert text.count("\n") == 3 + 5


def test_what_does_not_begin_in_time_is_left_out():
    rows = measured(TINY, longest=-1.0)
    assert [row["case"] for row in rows] == [f"{name}: left out, after -1 s" for name in gpu.CASES]
    assert table(rows, "a card").count("\n") == 3


def test_the_page_has_a_place_for_the_table():
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    once = filled(page, "| a | b |")
    assert filled(once, "| a | b |") == once
    assert once.replace("| a | b |", "") != once
    with pytest.raises(ValueError, match="no place"):
        filled("nothing", "| a | b |")
