"""Freed memory is kept while a computation goes on, and changes no number."""

import gc
import resource
import sys

import pytest
import torch

from landscape import allocation, hessian
from landscape.allocation import SWITCH, memory_kept
from tests import build

glibc = pytest.mark.skipif(
    not sys.platform.startswith("linux") or allocation._glibc() is None, reason="glibc's allocator"
)
MEGABYTES = 2**18
"""Entries of float32."""


def faults(rounds: int = 20) -> int:
    """Pages that the system had to give while two arrays of 64 MB came and went, over and over."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        first, second = torch.ones(64 * MEGABYTES), torch.ones(64 * MEGABYTES)
        del first, second
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.fixture
def resident():
    """Bytes of this process in memory, now."""

    def read() -> int:
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    return read


@glibc
def test_pages_are_taken_once_and_given_back(resident):
    before = resident()
    outside = faults()
    with memory_kept():
        faults(6)  # pieces of the heap settle
        assert faults() < outside / 50
        with memory_kept():
            faults(1)
        assert faults() < outside / 50  # the inner one has given nothing back
    assert resident() < before + 40e6


@glibc
def test_the_switch_leaves_the_allocator_alone(monkeypatch):
    with memory_kept():
        pass
    monkeypatch.setenv(SWITCH, "system")
    with memory_kept():
        assert not allocation._open
    monkeypatch.delenv(SWITCH)
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")  # whoever sets glibc's own variables has chosen
    with memory_kept():
        assert not allocation._open


def test_an_error_inside_closes_it():
    with pytest.raises(ZeroDivisionError), memory_kept():
        raise ZeroDivisionError
    assert not allocation._open


def test_numbers_are_the_same_bit_for_bit(monkeypatch):
    found = []
    for choice in ("", "system"):
        monkeypatch.setenv(SWITCH, choice)
        objective = build.objective(build.zoo("cifar-resnet20:width=4"), count=32, size=16, classes=10)
        found.append(hessian.top_eigenvalues(objective, 2))
    assert found[0].eigenvalue.values.tobytes() == found[1].eigenvalue.values.tobytes()
    assert found[0].residual.values.tobytes() == found[1].residual.values.tobytes()
