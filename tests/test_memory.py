"""What may stay in memory follows from what a GPU has free."""

import pytest
import torch

from landscape.derivatives.graphs import keepable
from landscape.memory import spare


@pytest.mark.parametrize(("free", "room"), [(2**27, 2**28), (2**34, 2**32)])
def test_a_gpu_keeps_what_fits_in_a_quarter_of_its_free_memory(monkeypatch, free: int, room: int):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    assert spare(torch.device("cuda"), 2**28) == room
    assert spare(torch.device("cpu"), 2**28) == 2**28


def test_graphs_that_stay_follow_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**37, 2**38))
    assert keepable(torch.device("cuda")) == 2**35
    assert keepable(torch.device("cpu")) == 7 * 2**28
