"""Maps in tokens, windows and folds, against what the same network gives when it is undone by hand."""

import pytest
import torch
from torch import Tensor, nn

from landscape.features import capture, measure, similarity
from landscape.layout import Follow, map_layout, watch
from landscape.layout.axes import Factor, lost, reshaped, single, size
from landscape.objective import Objective
from tests.layout.networks import ChannelsLast, Folded, Gated, Permute, Registers, Windowed


def images(count: int = 4, height: int = 16, width: int = 16) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def objective(module: nn.Module, inputs: Tensor | None = None, **options) -> Objective:
    inputs = images() if inputs is None else inputs
    targets = torch.zeros(len(inputs), dtype=torch.int64)
    return Objective(module.eval(), (inputs, targets), **{"dtype": torch.float64} | options)


def seen_map(module: nn.Module, name: str, inputs: Tensor) -> Tensor:
    found: list[Tensor] = []
    with torch.no_grad(), capture(module.eval(), [name], lambda _, maps: found.append(maps.clone())):
        module(inputs)
    (one,) = found
    return one


class Bare(nn.Module):
    """In place of a block: what it is given, so that the map is known by hand."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


@pytest.mark.parametrize("shape", [(16, 16), (16, 24)])
@pytest.mark.parametrize("kind", [Windowed, Folded])
def test_windows_and_folds_are_laid_out_as_the_map_they_stand_for(kind: type, shape: tuple[int, int]):
    module = kind()
    module.block = Bare()
    stem = module.patch if kind is Windowed else module.stem
    inputs = images(3, *shape)
    with torch.no_grad():
        expected = 2 * stem(inputs)
    assert torch.equal(seen_map(module, "block", inputs), expected)


@pytest.mark.parametrize("extra", [0, 1, 3, 5])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_tokens_behind_any_number_of_others(extra: int, count: int):
    module, inputs = Registers(extra), images(count, 16, 32)
    module.blocks = nn.Sequential(Bare())
    with torch.no_grad():
        expected = 2 * module.patch(inputs)
    assert torch.equal(seen_map(module, "blocks.0", inputs), expected)


@pytest.mark.parametrize("module", [Windowed(), Folded(), Registers(5), ChannelsLast()])
def test_every_layer_found_is_measured(module: nn.Module):
    result = measure(objective(module))
    assert result.attrs["left_out"] == 0
    table = similarity(objective(module))
    assert table.attrs["left_out"] == 0
    assert list(table.layer_a.values) == list(result.layer.values)


def test_the_variance_of_windowed_tokens_is_that_of_the_map():
    module = Windowed(roll=0)
    given = objective(module)
    result = measure(given, "block")
    tokens: list[Tensor] = []
    handle = module.block.register_forward_hook(lambda _m, _a, out: tokens.append(out))
    list(given.outputs())
    handle.remove()
    whole = torch.cat(tokens).view(4, 2, 2, 16, 8).permute(0, 4, 1, 2, 3).reshape(4, 8, 64)
    assert result.spatial_variance.item() == pytest.approx(float(whole.var(2).mean()), rel=1e-10)


def test_square_maps_with_as_many_channels_are_told_by_how_they_came_to_be():
    inputs = images(2, 8, 8)
    conv = nn.Conv2d(3, 8, 1)
    module = nn.Sequential(conv, Permute(0, 2, 3, 1), Permute(0, 3, 1, 2), nn.Flatten(), nn.Linear(512, 2))
    with torch.no_grad():
        expected = conv(inputs)
    for name in ("0", "1", "2"):
        assert torch.equal(seen_map(module, name, inputs), expected)


class Shuffled(nn.Module):
    """Takes rows apart in a way that no rule follows."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2)[:, :, torch.arange(x.shape[2] * x.shape[3]).flip(0)].view(x.shape)


def test_what_cannot_be_followed_is_listed_not_guessed():
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), Shuffled(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(576, 5)
    )
    result = measure(objective(module))
    assert list(result.layer.values) == ["0", "2"]
    assert result.attrs["warnings"][0] == (
        "1 of 5 layers found are not measured: 1 "
        "(no rows and columns of a map could be followed to its output)"
    )


@pytest.mark.parametrize("micro_batch", [2, 4])
def test_a_branch_that_does_not_always_run_is_listed(micro_batch: int):
    inputs = torch.cat([images(2).abs(), -images(2).abs()])
    never, partly = -inputs.abs(), inputs
    for data, reason in ((never, "did not run"), (partly, "maps for")):
        if data is partly and micro_batch == 4:
            continue  # one batch, in which it runs or not as a whole
        result = measure(objective(Gated(), data, micro_batch=micro_batch))
        assert list(result.layer.values) == ["stem"]
        assert result.attrs["left_out"] == 1
        assert reason in " ".join(result.attrs["not_measured"])
        assert similarity(objective(Gated(), data, micro_batch=micro_batch)).attrs["left_out"] == 1


def test_following_changes_nothing_and_leaves_no_hooks():
    module = Windowed().eval()
    with torch.no_grad():
        expected = module(images())
        kept: list[Tensor] = []
        watch(module, lambda: kept.append(module(images())))
    assert torch.equal(kept[0], expected)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def test_a_reshape_keeps_what_fits_and_loses_what_does_not():
    layout = (single("sample", 2), single("channel", 3), single("row", 8), single("column", 6))
    parted = reshaped(layout, (2, 3, 4, 2, 6))
    assert [size(axis) for axis in parted] == [2, 3, 4, 2, 6]
    assert reshaped(parted, (2, 3, 8, 6)) == layout
    assert reshaped(layout, (2, 3, 12, 4))[2:] == lost((12, 4))
    assert reshaped(layout, (2, 3, 12, 4))[:2] == layout[:2]


def test_weights_of_attention_are_no_map():
    tokens = (*single("row", 4), *single("column", 4))
    assert map_layout((single("sample", 2), single("channel", 2), tokens, tokens)) is None
    assert map_layout((single("sample", 2), tokens, single("channel", 2))) is not None
    assert map_layout((single("sample", 2), (*single("channel", 2), *tokens))) is None  # features
    assert (
        map_layout((single("sample", 2), single("other", 4), single("row", 4), single("column", 4))) is None
    )


def test_a_map_is_put_back_where_it_was():
    joined = Factor("joined", 17, parts=((Factor("other", 1),), (*single("row", 4), *single("column", 4))))
    layout = map_layout((single("sample", 2), (joined,), single("channel", 3)))
    assert layout is not None
    tokens = torch.randn(5, 17, 3)
    maps = layout.to_map(tokens)
    assert torch.equal(maps, tokens[:, 1:].transpose(1, 2).view(5, 3, 4, 4))
    assert torch.equal(layout.from_map(maps, tokens), tokens)
    changed = layout.from_map(maps + 1, tokens)
    assert torch.equal(changed[:, 0], tokens[:, 0])
    assert torch.equal(changed[:, 1:], tokens[:, 1:] + 1)


def test_a_tensor_of_no_network_has_no_layout():
    follow = Follow()
    with follow:
        assert follow.map_layout(torch.ones(2, 3, 4, 4)) is None
