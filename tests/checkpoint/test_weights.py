"""Stored values are loaded as what they are, or refused; only weights have to be finite."""

import pytest
import torch
from torch import nn

from landscape.checkpoint.keys import tied
from landscape.checkpoint.weights import fill
from landscape.errors import CheckpointError


class Net(nn.Module):
    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.fc = nn.Linear(4, 5)
        self.norm = nn.BatchNorm1d(5)
        self.w = nn.Parameter(torch.randn(3, dtype=dtype))
        self.register_buffer("mask", torch.zeros(2, 2))
        self.register_buffer("index", torch.arange(3))


def filled(changes, module=None):
    module = module or Net()
    stored = {**Net().state_dict(), **changes}
    notes = fill(module, stored, tied(module), "net.pt")
    return module, stored, notes


def test_equal_types_are_loaded_without_a_word():
    module, stored, notes = filled({})
    assert notes == ()
    assert all(torch.equal(value, stored[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_another_precision_is_noted(dtype):
    module, stored, notes = filled({"fc.weight": torch.randn(5, 4).to(dtype)})
    assert notes == (f"1 tensors stored as {str(dtype)[6:]}, taken as float32",)
    assert torch.equal(module.fc.weight, stored["fc.weight"].float())


@pytest.mark.parametrize(
    "value", [torch.ones(3, dtype=torch.int8), torch.ones(3) > 0, torch.ones(3, dtype=torch.complex64)]
)
def test_weights_of_another_kind_are_refused(value):
    with pytest.raises(CheckpointError, match=rf"w is {str(value.dtype)[6:]}, expected float32"):
        filled({"w": value})


def test_real_values_do_not_become_complex_weights():
    with pytest.raises(CheckpointError, match="w is float32, expected complex64"):
        filled({}, Net(torch.complex64))


def test_complex_weights_stay_complex_and_must_be_finite():
    value = torch.randn(3, dtype=torch.complex64)
    module, _, notes = filled({"w": value}, Net(torch.complex64))
    assert torch.equal(module.w, value)
    assert notes == ()
    value.imag[1] = torch.nan
    with pytest.raises(CheckpointError, match=r"not finite .* in w: .*diverged"):
        filled({"w": value}, Net(torch.complex64))


def test_buffers_change_their_kind_only_where_values_stay():
    module, _, _ = filled({"index": torch.tensor([2.0, 1.0, 0.0]), "mask": torch.eye(2) > 0})
    assert module.index.tolist() == [2, 1, 0]
    assert torch.equal(module.mask, torch.eye(2))
    with pytest.raises(CheckpointError, match="index is float32, expected int64"):
        filled({"index": torch.tensor([0.5, 1.0, 2.0])})


def test_a_counter_that_its_type_cannot_hold_is_passed_over():
    module, _, _ = filled({"norm.num_batches_tracked": torch.tensor(78_200).half()})
    assert module.norm.num_batches_tracked == 0


@pytest.mark.parametrize("value", [float("-inf"), float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["fc.weight", "norm.weight", "norm.running_mean", "norm.running_var"])
def test_weights_and_statistics_must_be_finite(name, value):
    with pytest.raises(CheckpointError, match=rf"not finite .* in {name}: "):
        filled({name: torch.full_like(Net().state_dict()[name], value)})


def test_values_beyond_the_networks_precision_are_not_finite():
    with pytest.raises(CheckpointError, match=r"not finite .* in fc\.weight"):
        filled({"fc.weight": torch.full((5, 4), 1e300, dtype=torch.float64)})


def test_masks_may_hold_infinity():
    mask = torch.full((2, 2), float("-inf")).triu(1)
    module, _, notes = filled({"mask": mask})
    assert torch.equal(module.mask, mask)
    assert notes == ("buffers with values that are not finite, as stored: mask",)


def test_two_values_of_one_tied_weight_are_refused():
    module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    module[1].weight = module[0].weight
    value = torch.randn(3, 3)
    fill(module, {"0.weight": value, "1.weight": value.clone()}, tied(module), "net.pt")
    assert torch.equal(module[1].weight, value)
    with pytest.raises(CheckpointError, match=r"two values of one tied weight, 0\.weight and 1\.weight"):
        fill(module, {"0.weight": value, "1.weight": value + 1}, tied(module), "net.pt")
