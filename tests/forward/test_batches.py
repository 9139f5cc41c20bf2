"""How samples get to a device; a GPU is played by what records what it is asked."""

from unittest.mock import MagicMock

import pytest
import torch

from landscape.forward.batches import _room, _sent


def test_to_a_gpu_samples_go_out_of_pinned_memory():
    card, leaf = torch.device("cuda", 1), MagicMock(is_cuda=False)
    assert _sent(leaf, card) is leaf.pin_memory().to.return_value
    leaf.pin_memory().to.assert_called_once_with(card, non_blocking=True)
    leaf.to.assert_not_called()


def test_what_is_there_stays_there():
    card, leaf = torch.device("cuda", 1), MagicMock(is_cuda=True)
    assert _sent(leaf, card) is leaf.to.return_value
    tensor = torch.arange(3)
    assert _sent(tensor, torch.device("cpu")) is tensor


@pytest.mark.parametrize(("free", "room"), [(2**27, 2**28), (2**34, 2**32)])
def test_a_gpu_keeps_what_fits_in_a_quarter_of_its_memory(monkeypatch, free, room):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    assert _room(torch.device("cuda")) == room
    assert _room(torch.device("cpu")) == 2**28
