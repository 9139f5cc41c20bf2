"""Dropout masks: a function of seed, draw, layer and sample, and of nothing else."""

import math

import pytest
import torch
from torch import Tensor, nn

from landscape.dropout import OrdinaryDropout, dropout_layers, dropout_masks, keep_mask
from landscape.errors import LandscapeError
from tests.build import hooks, objective

DROPPING = "cifar-resnet20:width=4,dropout=0.3"


def network(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers).eval()


def masked(module: nn.Module, inputs: Tensor, **options) -> Tensor:
    with dropout_masks(module, **options):
        return module(inputs)


def mask(count: int, *shape: int, rate: float = 0.3, start: int = 0) -> Tensor:
    return keep_mask(torch.Size([count, *shape]), rate, (0, 0, 0), start)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (16,), (3, 4, 4), (7, 3, 3)])
@pytest.mark.parametrize("start", [1, 6, 9])
def test_a_samples_mask_does_not_depend_on_where_its_batch_begins(shape: tuple[int, ...], start: int):
    assert torch.equal(mask(10 - start, *shape, start=start), mask(10, *shape)[start:])


@pytest.mark.parametrize("micro_batch", [1, 3, 7])
def test_losses_do_not_depend_on_the_micro_batch(micro_batch: int):
    whole, parts = (
        objective(DROPPING, count=7, micro_batch=size, dropout="fixed").sample_losses()[0]
        for size in (7, micro_batch)
    )
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)


def test_a_subset_keeps_the_masks_of_its_samples():
    whole = objective(DROPPING, count=7, dropout="fixed")
    part, _ = whole.subset(2, 6).subset(1, 3).sample_losses()
    torch.testing.assert_close(part, whole.sample_losses()[0][3:5], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("change", [{"seed": 1}, {"draw": 1}])
def test_seed_and_draw_name_the_mask(change: dict[str, int]):
    module = network(nn.Dropout(0.5))
    ones = torch.ones(4, 100)
    first = masked(module, ones, seed=0)
    assert torch.equal(masked(module, ones, seed=0, draw=0), first)
    assert not torch.equal(masked(module, ones, **{"seed": 0, **change}), first)


def test_layers_and_samples_have_masks_of_their_own():
    ones = torch.ones(2, 256)
    rows = masked(network(nn.Dropout(0.5)), ones, seed=0)
    assert not torch.equal(rows[0], rows[1])
    second = network(nn.Dropout(0.5), nn.Dropout(0.5))
    kept = (masked(second, ones, seed=0) != 0).double().mean()
    assert abs(float(kept) - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 512)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.9])
def test_the_share_dropped_is_the_rate(rate: float):
    count = 200_000
    dropped = 1 - float(mask(200, 1000, rate=rate).double().mean())
    assert abs(dropped - rate) < 5 * math.sqrt(rate * (1 - rate) / count) + 1 / 65536


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
def test_the_expectation_is_the_input(rate: float):
    out = masked(network(nn.Dropout(rate)), torch.ones(200, 1000, dtype=torch.float64), seed=3)
    spread = math.sqrt(rate / (1 - rate) / out.numel())
    assert abs(float(out.mean()) - 1) < 5 * spread
    assert len(out.unique()) == 2


def test_elements_of_one_mask_are_not_correlated():
    kept = mask(2000, 8, 8, rate=0.5).double() - 0.5
    along = (kept[:, :, 1:] * kept[:, :, :-1]).mean() / 0.25
    across = (kept[1:] * kept[:-1]).mean() / 0.25
    assert abs(float(along)) < 5 / math.sqrt(kept[:, :, 1:].numel())
    assert abs(float(across)) < 5 / math.sqrt(kept[1:].numel())


@pytest.mark.parametrize("rate", [0.999995, 0.99])
def test_rates_close_to_one_stay_finite(rate: float):
    out = masked(network(nn.Dropout(rate)), torch.ones(100, 1000, dtype=torch.float64), seed=0)
    assert out.isfinite().all()
    assert (out == 0).double().mean() > 0.98


def test_a_rate_of_one_drops_everything():
    assert not masked(network(nn.Dropout(1.0)), torch.ones(2, 8), seed=0).any()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout1d(0.5), (4, 50, 3)),
        (nn.Dropout2d(0.5), (4, 50, 3, 3)),
        (nn.Dropout3d(0.5), (4, 50, 2, 2, 2)),
    ],
)
def test_channel_dropout_drops_whole_channels(layer: nn.Module, shape: tuple[int, ...]):
    out = masked(network(layer), torch.ones(shape), seed=0).flatten(2)
    assert torch.equal(out.amin(2), out.amax(2))
    assert set(out.unique().tolist()) == {0.0, 2.0}


def test_ordinary_dropout_is_off_unless_training():
    module = network(OrdinaryDropout(0.5))
    ones = torch.ones(2, 64)
    assert torch.equal(masked(module, ones, seed=0), ones)
    assert not torch.equal(masked(module, ones, seed=0, training=True), ones)
    assert list(dropout_layers(module)) == []
    assert list(dropout_layers(module, training=True)) == ["0"]


def test_a_users_dropout_can_be_marked_as_ordinary():
    module = network(nn.Dropout(0.5), nn.Dropout(0.5), nn.Dropout(0.0))
    module[1].mc_dropout = False
    assert list(dropout_layers(module)) == ["0"]


@pytest.mark.parametrize("layer", [nn.AlphaDropout(0.1), nn.FeatureAlphaDropout(0.1)])
def test_unsupported_kinds_are_refused_by_name(layer: nn.Module):
    module = network(nn.Dropout(0.5), layer)
    with (
        pytest.raises(LandscapeError, match=f"layer '1' is {type(layer).__name__}.*--dropout off"),
        dropout_masks(module, seed=0),
    ):
        pass
    assert hooks(module) == 0


def test_hooks_are_removed_after_a_run_and_after_an_error():
    module = network(nn.Dropout(0.5), nn.Linear(3, 2))
    masked(module, torch.ones(1, 3), seed=0)
    assert hooks(module) == 0
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        masked(module, torch.ones(1, 4), seed=0)
    assert hooks(module) == 0


def test_other_hooks_see_the_masked_output():
    module = network(nn.Dropout(0.5))
    seen: list[Tensor] = []
    handle = module[0].register_forward_hook(lambda _m, _a, output: seen.append(output))
    out = masked(module, torch.ones(2, 64), seed=0)
    handle.remove()
    assert torch.equal(seen[0], out)


def test_torchs_random_state_is_neither_read_nor_changed():
    before = torch.get_rng_state()
    module = network(nn.Dropout(0.5))
    first = masked(module, torch.ones(4, 64), seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        torch.rand(17)
        assert torch.equal(masked(module, torch.ones(4, 64), seed=0), first)


def test_off_fixed_and_fresh():
    def losses(mode: str, draw: int) -> Tensor:
        one = objective(DROPPING, count=4, dropout=mode, dtype=torch.float32)
        return one.sample_losses(draw=draw)[0]

    assert torch.equal(losses("off", 0), losses("off", 1))
    assert torch.equal(losses("fixed", 0), losses("fixed", 1))
    assert torch.equal(losses("fixed", 0), losses("fresh", 0))
    assert not torch.equal(losses("fresh", 0), losses("fresh", 1))
    assert not torch.equal(losses("off", 0), losses("fixed", 0))


def test_gradients_pass_through_kept_elements():
    ones = torch.ones(2, 64, requires_grad=True)
    out = masked(network(nn.Dropout(0.5)), ones, seed=0)
    (gradient,) = torch.autograd.grad(out.sum(), ones)
    assert torch.equal(gradient, out)
