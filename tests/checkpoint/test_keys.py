"""Names matched through wrappers and prefixes; which set of weights is taken, and what is refused."""

import pytest
import torch
from torch import nn

from landscape.checkpoint.keys import find, tied
from landscape.errors import CheckpointError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.fc = nn.Linear(4, 5)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 4, bias=False)
        self.norm = nn.LayerNorm(4)
        self.out = nn.Linear(4, 4, bias=False)
        self.out.weight = self.embed.weight


STATE = Net().state_dict()
OTHER = Net().state_dict()


def below(prefix, state=STATE):
    return {prefix + key: value for key, value in state.items()}


def assert_found(tensors, expected=STATE, module=None):
    fit, notes = find(tensors, module or Net())
    assert fit.whole
    assert {name: tensors[key] is expected[name] for name, key in fit.keys.items()} == dict.fromkeys(
        expected, True
    )
    return notes


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "model.",
        "model._orig_mod.",
        "net.",
        "a.b.c.",
        "state_dict.0.module.",
        "anyones.name.",
    ],
)
def test_any_prefix_is_found(prefix):
    assert assert_found(below(prefix)) == (f"weights found under {prefix[:-1]!r}",)


@pytest.mark.parametrize(
    "wrapper",
    [
        "module",
        "_orig_mod",
        "_checkpoint_wrapped_module",
        "_fsdp_wrapped_module",
        "_forward_module",
        "anyones",
    ],
)
def test_wrappers_inside_names_count_for_nothing(wrapper):
    tensors = {key.replace("features.", f"features.{wrapper}."): value for key, value in STATE.items()}
    (note,) = assert_found(tensors)
    assert note.startswith("names of wrappers left out of 7 keys")
    assert f"'features.{wrapper}.0.weight' as 'features.0.weight'" in note


def test_a_network_in_a_wrapper_of_its_user_takes_a_bare_file():
    fit, _ = find(below("state_dict."), nn.ModuleDict({"net": Net()}))
    assert fit.whole
    assert fit.keys["net.fc.weight"] == "state_dict.fc.weight"


def test_a_wrapped_network_takes_a_bare_file_and_the_other_way_round():
    assert assert_found(below("module."), below("module."), nn.DataParallel(Net())) is not None
    fit, _ = find(STATE, nn.DataParallel(Net()))
    assert fit.whole
    assert fit.keys["module.fc.weight"] == "fc.weight"


def test_names_that_differ_in_wrappers_alone_are_kept_apart():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)
            self.module = nn.ModuleDict({"fc": nn.Linear(2, 2)})

    module = Both()
    assert assert_found(dict(state := module.state_dict()), state, module) == ()


def test_plain_files_have_no_notes():
    assert assert_found(STATE) == ()


@pytest.mark.parametrize(
    "counter", ["n_averaged", "total_ops", "fc.total_params", "fc.num_batches_tracked", "num_updates"]
)
def test_counters_are_left_aside_and_named(counter):
    (note,) = assert_found({**STATE, counter: torch.zeros(1)})
    assert note == f"left aside, no part of the network: {counter}"


def test_what_stands_beside_the_network_is_named():
    (note,) = assert_found({**below("model."), "criterion.weight": torch.ones(5)})
    assert note.endswith("; left aside, no part of the network: criterion.weight")


def test_a_criterion_beside_bare_names_is_left_aside():
    (note,) = assert_found({**STATE, "criterion.weight": torch.ones(5), "train_acc.total": torch.ones(1)})
    assert note == "left aside, no part of the network: criterion.weight, train_acc.total"


def test_what_stands_inside_the_network_is_refused():
    fit, notes = find({**below("model."), "model.blur.filter": torch.ones(3)}, Net())
    assert not fit.whole
    assert fit.unexpected == ("model.blur.filter",)
    assert notes == ()


@pytest.mark.parametrize(
    "name", ["model_ema", "ema_model.module", "swa", "params_ema", "modelEMA", "avg_model"]
)
@pytest.mark.parametrize("first", [True, False])
def test_raw_weights_come_before_averages_in_any_order(name, first):
    pair = [below("model."), below(f"{name}.", OTHER)]
    notes = assert_found({**pair[0], **pair[1]} if first else {**pair[1], **pair[0]})
    (choice,) = notes
    assert "holds 2 sets" in choice
    assert (
        f"'model' is taken (raw weights before averages, then the least nested, then the first), not '{name}"
        in choice
    )
    assert "(an average)" in choice


def test_averages_beside_bare_names_are_another_set():
    assert "not 'ema' (an average)" in " ".join(assert_found({**STATE, **below("ema.", OTHER)}))


def test_averages_alone_are_taken_and_said():
    assert assert_found(below("model_ema.")) == ("weights found under 'model_ema', an average",)


def test_of_equals_the_first_is_taken_and_the_others_named():
    tensors = {**below("state_dict.0."), **below("state_dict.1.", OTHER), **below("state_dict.2.", OTHER)}
    assert "not 'state_dict.1', 'state_dict.2'" in " ".join(assert_found(tensors))


def test_an_incomplete_average_is_no_choice():
    (note,) = assert_found({**below("model."), "ema.fc.weight": torch.zeros(5, 4)})
    assert note == "weights found under 'model'; left aside, no part of the network: ema.fc.weight"


def test_the_closest_set_is_reported():
    tensors = {**below("model."), "head.fc.weight": torch.zeros(5, 4)}
    del tensors["model.features.0.bias"]
    tensors["model.fc.bias"] = torch.zeros(7)
    fit, _ = find(tensors, Net())
    assert fit.prefix == "model"
    assert fit.missing == ("features.0.bias",)
    assert fit.wrong == ("fc.bias is (7,), expected (5,)",)


@pytest.mark.parametrize("gone", ["embed.weight", "out.weight"])
def test_of_tied_weights_one_name_is_enough(gone):
    tensors = {key: value for key, value in Tied().state_dict().items() if key != gone}
    fit, (note,) = find(tensors, Tied())
    assert fit.whole
    kept = {"embed.weight": "out.weight", "out.weight": "embed.weight"}[gone]
    assert note == f"tied weights that are stored once: {gone} (as {kept})"


def test_a_tied_weight_without_any_name_is_missing():
    fit, _ = find({"norm.weight": torch.ones(4), "norm.bias": torch.ones(4)}, Tied())
    assert fit.missing == ("embed.weight", "out.weight")
    assert tied(Tied())["out.weight"] == "embed.weight"


def test_lazy_layers_are_refused():
    with pytest.raises(CheckpointError, match=r"lazy layers without shapes .*run it once"):
        find(STATE, nn.Sequential(nn.LazyLinear(3)))
