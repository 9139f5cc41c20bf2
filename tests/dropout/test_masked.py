"""Dropout that is no layer: masked by sample, differentiable twice, and right against masks written out."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.dropout import dropout_masks, keep_mask
from landscape.errors import LandscapeError
from landscape.objective import Objective

from .networks import MASKED, WAYS, Calling, DropPath, MultiHead, data, flat, functional, sequence

SEED, DRAW = 3, 2
OFF_IN_EVAL_MODE = [name for name in MASKED if name != "F.dropout always"]  # or there is no function at all
PLACES = 2**31  # keys of calls begin here; those of dropout layers with 0


def objective(module: nn.Module, **options) -> Objective:
    return Objective(module, data(), **({"dropout": "fresh", "seed": SEED, "dtype": torch.float64} | options))


def outputs(module: nn.Module, draw: int = DRAW, **options) -> Tensor:
    return torch.cat([logits for logits, _ in objective(module, **options).outputs(draw=draw)])


def kept(shape: tuple[int, ...], place: int, use: int = 0, rate: float = 0.4) -> Tensor:
    """What the module at a place multiplies by."""
    keep = keep_mask(torch.Size(shape), rate, (SEED, DRAW, PLACES + place, use), 0)
    return keep.double() / (1 - round(rate * 65536) / 65536)


@pytest.mark.parametrize("name", MASKED)
def test_draws_differ_and_do_not_depend_on_the_micro_batch(name: str):
    module = MASKED[name]()
    whole = outputs(module)
    assert not torch.allclose(outputs(module, draw=DRAW + 1), whole)
    assert not torch.allclose(outputs(module, dropout="off"), whole)
    for micro_batch in (1, 3):
        torch.testing.assert_close(outputs(module, micro_batch=micro_batch), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OFF_IN_EVAL_MODE)
def test_derivatives_are_those_of_the_masked_network(name: str):
    one = objective(MASKED[name](), micro_batch=3)
    gradient = one.gradient(draw=DRAW)
    rng = np.random.default_rng(1)
    along = {key: torch.from_numpy(rng.standard_normal(value.shape)) for key, value in gradient.items()}

    def inner(other: dict[str, Tensor]) -> float:
        return float(sum((other[key] * along[key]).sum() for key in along))

    ends = [
        {key: value + sign * 1e-5 * along.get(key, 0) for key, value in one.parameters.items()}
        for sign in (1, -1)
    ]
    up, down = (one.value(end, draw=DRAW).nll for end in ends)
    assert inner(gradient) == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-8)
    up, down = (inner(one.gradient(end, draw=DRAW)) for end in ends)
    assert inner(one.hvp(along, draw=DRAW)) == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", OFF_IN_EVAL_MODE)
def test_the_module_is_left_as_it_was(name: str):
    module = MASKED[name]()
    module[0].train()
    before = {key: (id(part), part.training, dict(part.__dict__)) for key, part in module.named_modules()}
    state, numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    objective(module, dropout="ensemble:2").value()
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy)  # noqa: NPY002
    for key, part in module.named_modules():
        assert (id(part), part.training) == before[key][:2]
        assert part.__dict__.keys() == before[key][2].keys()
        assert not part._forward_hooks
        assert not part._forward_pre_hooks


def test_functional_dropout_against_its_mask_written_out():
    module = flat(functional())
    first, _, _, last = module
    hidden = torch.tanh(first(data()[0]))
    torch.testing.assert_close(outputs(module), last(hidden * kept(hidden.shape, place=3)))


def test_each_call_of_a_layer_has_a_mask_of_its_own():
    module = MASKED["twice in a pass"]()
    first, _, _, last = module
    hidden = torch.tanh(first(data()[0]))
    once = torch.tanh(hidden * kept(hidden.shape, place=4))
    torch.testing.assert_close(outputs(module), last(once * kept(hidden.shape, place=4, use=1)))


def test_a_layer_beside_functional_dropout_keeps_its_own_mask():
    alone = flat(nn.Dropout(0.4))
    both = nn.Sequential(*alone[:3], functional(0.5), alone[3])
    first, _, _, last = alone
    hidden = torch.tanh(first(data()[0]))
    with dropout_masks(nn.Sequential(alone[2]).eval(), seed=SEED, draw=DRAW):
        dropped = alone[2](hidden)
    torch.testing.assert_close(outputs(alone), last(dropped))
    torch.testing.assert_close(outputs(both), last(dropped * kept(hidden.shape, place=4, rate=0.5)))


@pytest.mark.parametrize("way", WAYS)
def test_stochastic_depth_keeps_or_drops_whole_samples(way: str):
    module = flat(DropPath(0.4, way))
    first, _, _, last = module
    hidden = torch.tanh(first(data()[0]))
    dropped, scaled = last(torch.zeros_like(hidden)), last(hidden / 0.6)
    found = outputs(module)
    for row in range(len(found)):
        assert torch.allclose(found[row], dropped[row]) or torch.allclose(found[row], scaled[row])


@pytest.mark.parametrize("weights", [False, True])
def test_attention_drops_its_weights(weights: bool):
    module = sequence(MultiHead(weights=weights)).eval()
    attention, last = module[1].attention, module[3]
    h = module[0](data()[0])
    count, steps, width = h.shape
    q, k, v = F.linear(h, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
    q, k, v = (each.view(count, steps, 2, width // 2).transpose(1, 2) for each in (q, k, v))
    probabilities = (q @ k.transpose(-1, -2) / (width // 2) ** 0.5).softmax(-1)
    # Samples and their heads lie in one dimension where PyTorch is asked for weights: a sample's are its own.
    mixed = (
        (probabilities * kept((count, 2, steps, steps), place=3) @ v)
        .transpose(1, 2)
        .reshape(count, steps, width)
    )
    torch.testing.assert_close(outputs(module), last(attention.out_proj(mixed).mean(1)))


def test_recurrent_layers_drop_between_them():
    module = MASKED["LSTM"]()
    lstm, last = module[1], module[3]
    h = module[0](data()[0])
    for index in range(3):
        layer = nn.LSTM(8, 8, batch_first=True).double()
        own = {key: getattr(lstm, key.replace("l0", f"l{index}")) for key in layer.state_dict()}
        layer.load_state_dict(own)
        h, _ = layer(h)
        if index < 2:
            h = h * kept(h.shape, place=2, use=index)
    torch.testing.assert_close(outputs(module), last(h.mean(1)))


def test_all_states_of_a_recurrent_layer_are_returned():
    def ends(layer: nn.Module, x: Tensor) -> Tensor:
        return torch.cat([state.transpose(0, 1).flatten(1) for state in layer.lstm(x)[1]], 1)

    reader = Calling(ends, lstm=nn.LSTM(8, 2, 2, dropout=1e-9, batch_first=True))
    torch.manual_seed(0)
    module = nn.Sequential(Calling(lambda _layer, x: x[:, None]), reader).double()
    torch.testing.assert_close(outputs(module), outputs(module, dropout="off"))


def test_a_dropped_weight_is_the_same_for_all_samples():
    module = MASKED["a dropped weight"]()
    first, _, middle, last = module
    weight = middle.w * kept((1, 8, 8), place=3)[0]
    torch.testing.assert_close(outputs(module), last(torch.tanh(first(data()[0])) @ weight.T))


@pytest.mark.parametrize(
    ("dropout", "shape"),
    [
        (F.dropout1d, (4, 2)),
        (F.dropout2d, (4, 2, 1)),
        (F.dropout3d, (2, 2, 2, 1)),
        (torch.feature_dropout, (4, 2)),
    ],
)
def test_functional_channel_dropout_drops_whole_channels(dropout, shape: tuple[int, ...]):
    def channels(layer: nn.Module, x: Tensor) -> Tensor:
        return dropout(x.unflatten(1, shape), 0.4, layer.training).flatten(1)

    module = flat(Calling(channels))
    first, _, _, last = module
    hidden = torch.tanh(first(data()[0])).unflatten(1, shape)
    factor = kept((7, shape[0], *(1 for _ in shape[1:])), place=3)
    torch.testing.assert_close(outputs(module), last((hidden * factor).flatten(1)))


@pytest.mark.parametrize("name", ["F.dropout", "stochastic depth floor", "stochastic depth filled"])
def test_the_mean_over_draws_is_the_network_without_masks(name: str):
    module = MASKED[name]()
    count = 400
    one = objective(module)
    draws = torch.stack([next(one.outputs(draw=draw))[0] for draw in range(count)])
    error = draws.std(0) / count**0.5
    assert ((draws.mean(0) - outputs(module, dropout="off")).abs() <= 5 * error).all()


def test_the_rate_of_stochastic_depth_is_its_own():
    module = flat(DropPath(0.3, "compared"))
    nothing = module[3].bias
    one = objective(module)
    dropped = [torch.isclose(next(one.outputs(draw=draw))[0], nothing).all(1) for draw in range(300)]
    share = torch.stack(dropped).double().mean()
    assert abs(float(share) - 0.3) < 5 * (0.3 * 0.7 / (300 * 7)) ** 0.5


def has_recurrent_bfloat16() -> bool:
    """Whether this processor has PyTorch's LSTM in bfloat16; some have none."""
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            nn.LSTM(2, 2)(torch.zeros(1, 1, 2))
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("name", ["F.dropout", "fused attention", "multi-head attention", "LSTM"])
def test_bfloat16_passes_have_the_same_masks(name: str):
    module = MASKED[name]().float()
    options = {"dtype": torch.float32}
    if name == "LSTM" and not has_recurrent_bfloat16():
        with pytest.raises(LandscapeError, match="could not create a primitive"):
            outputs(module, precision="bfloat16", **options)
        return
    reduced = outputs(module, precision="bfloat16", **options)
    torch.testing.assert_close(reduced, outputs(module, **options), rtol=0.05, atol=0.02)
