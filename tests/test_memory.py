"""What may stay in memory follows from what the device has, and from who shares it."""

import os
import sys

import pytest
import torch

from landscape import memory
from landscape.derivatives.graphs import keepable

CPU = torch.device("cpu")


@pytest.fixture
def limited(monkeypatch, tmp_path):
    """Writes what a control group allows."""

    def write(text: str) -> None:
        file = tmp_path / "memory.max"
        file.write_text(text)
        monkeypatch.setattr(memory, "_LIMITS", (str(tmp_path / "missing"), str(file)))

    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    return write


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of its memory")
def test_a_machine_has_the_memory_it_has(limited):
    limited("max")
    with open("/proc/meminfo") as lines:
        total = int(next(lines).split()[1]) * 1024
    assert memory.machine() == pytest.approx(total, rel=0.05)
    assert memory.spare(CPU) == memory.machine() // 4


@pytest.mark.parametrize("text", ["max", "", "9223372036854771712", "\xff"])
def test_no_limit_is_no_limit(limited, text: str):
    limited(text)
    assert memory.machine() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_a_container_has_what_it_may_take(limited):
    limited(f"{2**30}\n")
    assert memory.machine() == 2**30


def test_ranks_of_a_machine_share_its_memory(limited, monkeypatch):
    limited(str(2**30))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert memory.spare(CPU) == 2**25


def test_where_nothing_is_known_graphs_have_what_any_machine_has(limited, monkeypatch):
    def unknown(name: str) -> int:
        raise ValueError(name)

    limited("max")
    monkeypatch.setattr(os, "sysconf", unknown)
    assert memory.machine() == 0
    assert keepable(CPU) == 7 * 2**28


def test_a_large_device_keeps_more_graphs(limited, monkeypatch):
    limited("max")
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PHYS_PAGES": 2**24, "SC_PAGE_SIZE": 2**12}[name])
    assert keepable(CPU) == 2**34
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**37, 2**38))
    assert keepable(torch.device("cuda")) == 2**35
