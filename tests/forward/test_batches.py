"""How samples get to a device; a GPU is played by what records what it is asked."""

from unittest.mock import MagicMock

import torch

from landscape.forward.batches import _sent


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
