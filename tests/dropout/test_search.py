"""What is found of a network's dropout, what stays off by name, and what says so."""

import random
import re
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import landscape as ls
from landscape.dropout import OrdinaryDropout
from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.predictive import ensemble
from tests.build import report

from .networks import MASKED, Attention, Calling, DropPath, Packed, data, flat, functional, sequence


def objective(module: nn.Module, **options) -> Objective:
    return Objective(module, data(), **({"dropout": "fresh", "dtype": torch.float64} | options))


class Training(nn.Module):
    """A layer that does something else in training mode."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x) if self.training else x


def block(layer: nn.Module, x: Tensor) -> Tensor:
    keep = 1 - (torch.rand_like(x) < 0.2).to(x.dtype)
    return x * keep * keep.numel() / keep.sum()


def averaging(layer: nn.Module, x: Tensor) -> Tensor:
    layer.mean.mul_(0.9).add_(x.mean(), alpha=0.1)
    return F.dropout(x, 0.3)


OFF = {
    "LSTM's dropout over packed sequences": lambda: sequence(Packed()),
    "draws other random numbers": lambda: flat(Training(lambda _layer, x: x + torch.randn_like(x))),
    "which draws other random": lambda: flat(
        Training(lambda _layer, x: x * 0 if random.random() < 0.5 else x)
    ),
    "decides at random for all samples at once": lambda: flat(
        Training(lambda _layer, x: x * 0 if torch.rand(1) < 0.3 else x)
    ),
    "draws random numbers that are no masks": lambda: flat(
        Training(lambda _layer, x: x * torch.rand_like(x) * 2)
    ),
    "whose masks act across samples": lambda: flat(Training(block)),
    "changes its buffers in training mode": lambda: flat(Training(averaging)),
    "whose mean in training mode": lambda: flat(Training(lambda _layer, x: F.dropout(2 * x, 0.3))),
    "whose masks cannot be assigned": lambda: flat(
        Calling(lambda layer, x: F.dropout(torch.cat([x, x[:1]]), 0.3, layer.training)[:-1])
    ),
}


@pytest.mark.parametrize("reason", OFF)
def test_what_cannot_be_masked_stays_off_and_is_named(reason: str):
    module = OFF[reason]()
    one = objective(module)
    parts = one.stochastic()
    assert not parts
    assert not parts.complete
    assert reason in parts.sentence("fresh")
    assert "stays off: layer '" in parts.sentence("fresh")
    off = objective(module, dropout="off").value().nll
    assert one.value(draw=1).nll == pytest.approx(off, rel=1e-12)


@pytest.mark.parametrize("name", MASKED)
def test_what_is_masked_is_named(name: str):
    parts = objective(MASKED[name]()).stochastic()
    assert parts
    assert parts.complete
    assert not parts.off
    assert "stays off" not in parts.sentence("fixed")
    assert parts.sentence("fixed").startswith("Dropout (fixed) masks layer '")


def test_one_that_stays_off_leaves_the_others_on():
    module = nn.Sequential(flat(functional()), nn.Unflatten(1, (1, 4)), nn.LSTM(4, 4, 2)).double()
    packed = nn.Sequential(nn.Linear(8, 8), functional(), sequence(Packed())).double()
    parts = objective(packed).stochastic()
    assert list(parts.masked) == ["1"]
    assert list(parts.off) == ["2.1.lstm"]
    assert list(objective(nn.Sequential(module[0])).stochastic().masked) == ["0.2"]


def test_one_that_acts_across_samples_leaves_the_others_on():
    module = flat(
        nn.Sequential(DropPath(0.3, "floor"), Training(block), functional(), DropPath(0.2, "drawn"))
    )
    parts = objective(module).stochastic()
    assert list(parts.off) == ["2.1"]
    assert list(parts.masked) == ["2.0", "2.2", "2.3"]


def test_it_is_seen_though_the_weights_behind_it_are_zero():
    module = flat(Training(block))
    nn.init.zeros_(module[3].weight)
    assert list(objective(module).stochastic().off) == ["2"]


@pytest.mark.parametrize("error", [ValueError, TypeError])
def test_a_network_that_cannot_run_in_training_mode_is_looked_at_kind_by_kind(error: type[Exception]):
    class Demanding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = flat(DropPath(0.3, "filled"))

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                raise error("targets are needed in training mode")
            return self.inner(x)

    parts = objective(Demanding()).stochastic()
    assert list(parts.masked) == ["inner.2"]
    assert parts.complete


def test_a_layer_that_never_runs_is_named_unless_fused_attention_stands_in_for_it():
    fused = objective(sequence(Attention())).stochastic()
    assert list(fused.masked) == ["1"]
    assert not fused.off
    module = flat(functional())
    module[2].unused = nn.Dropout(0.5)
    parts = objective(module).stochastic()
    assert parts.idle == ("2.unused",)
    assert "layer '2.unused' (Dropout, which never runs)" in parts.sentence("fixed")
    assert parts.complete  # nothing is missing in what runs


def test_dropout_for_training_only_stays_off_without_a_word():
    def ordinary(layer: nn.Module, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, layer.training)

    module = flat(nn.Sequential(OrdinaryDropout(0.5), Calling(ordinary, mc_dropout=False)))
    one = objective(module)
    parts = one.stochastic()
    assert not parts.masked
    assert not parts.off
    assert one.value(draw=1).nll == objective(module, dropout="off").value().nll


@pytest.mark.parametrize("dropout", [F.alpha_dropout, F.feature_alpha_dropout, torch.alpha_dropout])
def test_dropout_that_is_more_than_a_mask_is_refused_by_name(dropout):
    module = flat(Calling(lambda layer, x: dropout(x, 0.5, layer.training)))
    with pytest.raises(LandscapeError, match=r"layer '2' \(Calling\) calls .*alpha_dropout.*--dropout off"):
        objective(module).value()
    assert objective(module, dropout="off").value().nll > 0


def test_more_calls_than_at_first_are_refused():
    def sometimes(layer: nn.Module, x: Tensor) -> Tensor:
        return F.dropout(F.dropout(x, 0.3, layer.training), 0.3 if len(x) > 5 else 0.0, layer.training)

    with pytest.raises(LandscapeError, match="more often than in the first pass"):
        objective(flat(Calling(sometimes)), micro_batch=7).value()


@pytest.mark.parametrize(
    ("module", "passed", "message"),
    [
        (flat(functional()), True, r"Dropout \(fixed\) masks layer '2' \(F.dropout\)\."),
        (flat(nn.Identity()), True, "Dropout is fixed, but the network has no dropout"),
        (sequence(Packed()), False, r"stays off: layer '1.lstm' \(LSTM's dropout over packed sequences\)"),
    ],
)
def test_the_trust_report_says_what_is_masked(module: nn.Module, passed: bool, message: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the report says it, and nothing else does
        result = ls.analyses.evaluation(objective(module, dropout="fixed"))
    found = report(result)["dropout"]
    assert found.passed is passed
    assert re.search(message, found.message)
    assert "dropout" not in report(ls.analyses.evaluation(objective(module, dropout="off")))


@pytest.mark.parametrize("mode", ["fixed", "fresh", "ensemble:2"])
def test_without_a_report_a_warning_says_it_once(mode: str):
    one = objective(flat(nn.Identity()), dropout=mode)
    with pytest.warns(UserWarning, match=f"Dropout is {mode}, but the network has no dropout"):
        one.value()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one.value()
        objective(flat(functional()), dropout=mode).value()


def test_ensembles_and_their_refusal_know_of_functional_dropout():
    found = ensemble(objective(flat(functional())), passes=3)
    assert float(found.prediction_variance) > 0
    with pytest.raises(LandscapeError, match="no dropout that can be on"):
        ensemble(objective(flat(nn.Identity())), passes=3)
