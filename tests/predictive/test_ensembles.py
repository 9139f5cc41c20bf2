"""Ensemble curves against means of softmaxes taken one by one."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.network import Network
from landscape.objective import Objective
from landscape.predictive import ensemble, ensembles, evaluate
from landscape.samples import Samples
from tests import build

SPEC = "cifar-resnet20:width=2,dropout=0.4,classes=6"
PASSES = 4


SAMPLES = build.images(17, kind="uniform", classes=6)


def objective(spec: str = SPEC, samples: Samples = SAMPLES, network_seed: int = 0, **options) -> Objective:
    network = Network(build.zoo(spec, seed=network_seed), name=f"net-{network_seed}")
    return build.objective(network, samples, **{"micro_batch": 5, "seed": 3} | options)


def logits(measured: Objective, draw: int = 0) -> Tensor:
    return torch.cat([part for part, _ in measured.outputs(draw=draw)])


def expected(passes: list[Tensor], targets: Tensor) -> dict[str, float]:
    """Scores of the mean of softmaxes, plainly."""
    mean = torch.stack([one.softmax(1) for one in passes]).mean(0)
    losses = -mean[torch.arange(len(targets)), targets].log()
    return {
        "nll": float(losses.mean()),
        "nll_standard_error": float(losses.std()) / math.sqrt(len(targets)),
        "accuracy": float((mean.argmax(1) == targets).double().mean()),
        "brier": float((mean - F.one_hot(targets, 6)).square().sum(1).mean()),
    }


def test_every_size_is_the_mean_of_that_many_softmaxes():
    measured = objective(dropout="fresh")
    result = ensemble(measured, passes=PASSES)
    passes = [logits(measured, draw) for draw in range(PASSES)]
    assert list(result["size"].values) == [1, 2, 3, 4]
    for size in range(1, PASSES + 1):
        for name, value in expected(passes[:size], SAMPLES.targets).items():
            assert float(result[name].sel(size=size)) == pytest.approx(value, rel=1e-10), (name, size)
    assert result.attrs["kind_of_ensemble"] == "mc-dropout"
    assert result.attrs["members"] == ["net-0"]


def test_both_ends_equal_direct_evaluations():
    result = ensemble(objective(dropout="fresh"), passes=PASSES)
    single = evaluate(objective(dropout="fresh"))
    whole = evaluate(objective(dropout=f"ensemble:{PASSES}"))
    for size, direct in ((1, single), (PASSES, whole)):
        here = result.sel(size=size)
        for name in ("nll", "accuracy", "brier", "ece"):
            other = "mean_nll" if name == "nll" else name
            for suffix in ("", "_standard_error"):
                np.testing.assert_allclose(here[name + suffix], direct[other + suffix], rtol=1e-10)


def test_both_ends_in_single_precision():
    result = ensemble(objective(dropout="fresh", dtype=torch.float32), passes=PASSES)
    whole = evaluate(objective(dropout=f"ensemble:{PASSES}", dtype=torch.float32))
    assert abs(float(result.nll[-1] - whole.mean_nll)) < 1e-6


@pytest.mark.parametrize("micro_batch", [1, 17])
def test_micro_batches_and_chunks_do_not_change_the_curve(micro_batch: int, monkeypatch):
    whole = ensemble(objective(dropout="fresh"), passes=3, orders=2)
    monkeypatch.setattr(ensembles, "_CHUNK", 3 * 6 * 2)  # two samples at once
    parts = ensemble(objective(dropout="fresh", micro_batch=micro_batch), passes=3, orders=2)
    for name, variable in whole.data_vars.items():
        np.testing.assert_allclose(parts[name], variable, rtol=1e-10)


def test_items_may_run_in_any_order():
    def backwards(count, compute, label):
        return [compute(index) for index in reversed(range(count))][::-1]

    here = ensemble(objective(dropout="fresh"), passes=3)
    assert ensemble(objective(dropout="fresh"), passes=3, run=backwards).identical(here)


def test_orders_average_the_curve_and_keep_its_end(monkeypatch):
    measured = objective(dropout="fresh")
    every = [torch.tensor(order) for order in itertools.permutations(range(3))]
    monkeypatch.setattr(ensembles, "_permutations", lambda *_: every)
    result = ensemble(measured, passes=3, orders=6)
    passes = [logits(measured, draw) for draw in range(3)]
    pairs = [expected([passes[i], passes[j]], SAMPLES.targets) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert float(result.nll.sel(size=2)) == pytest.approx(np.mean([pair["nll"] for pair in pairs]), rel=1e-10)
    end = expected(passes, SAMPLES.targets)
    assert float(result.nll.sel(size=3)) == pytest.approx(end["nll"], rel=1e-10)
    assert float(result.nll_standard_error.sel(size=3)) == pytest.approx(end["nll_standard_error"], rel=1e-9)


def test_the_first_order_is_the_natural_one_and_the_others_have_a_seed():
    natural, second = ensembles._permutations(6, 2, 0)
    assert natural.tolist() == list(range(6))
    assert sorted(second.tolist()) == list(range(6))
    assert second.tolist() == ensembles._permutations(6, 2, 0)[1].tolist()
    assert second.tolist() != ensembles._permutations(6, 2, 1)[1].tolist()


def test_several_networks_make_a_deep_ensemble():
    members = [objective(network_seed=seed, micro_batch=4 + seed) for seed in range(3)]
    result = ensemble(members)
    passes = [logits(member) for member in members]
    for size in (1, 2, 3):
        for name, value in expected(passes[:size], SAMPLES.targets).items():
            assert float(result[name].sel(size=size)) == pytest.approx(value, rel=1e-10), (name, size)
    assert result.attrs["kind_of_ensemble"] == "deep"
    assert result.attrs["members"] == ["net-0", "net-1", "net-2"]
    assert result.attrs["passes"] == 1


def test_members_may_be_ensembles_themselves():
    members = [objective(network_seed=seed, dropout="ensemble:2") for seed in range(2)]
    draws = [objective(network_seed=seed, dropout="fresh") for seed in range(2)]
    found = float(ensemble(members).nll[-1])
    passes = [logits(one, draw) for one in draws for draw in range(2)]
    assert found == pytest.approx(expected(passes, SAMPLES.targets)["nll"], rel=1e-10)


def test_recalibrated_statistics_come_from_all_samples():
    measured = objective(dropout="fresh", batch_norm="recalibrate")
    result = ensemble(measured, passes=2)
    passes = [logits(measured, draw) for draw in range(2)]
    assert float(result.nll[-1]) == pytest.approx(expected(passes, SAMPLES.targets)["nll"], rel=1e-10)


def test_logits_that_are_far_apart_do_not_underflow():
    """The first network gives the target a probability of e⁻²⁰⁰⁰, which float64 cannot hold."""
    far, near = torch.tensor([[0.0, 2000.0]]).double(), torch.tensor([[0.0, 0.0]]).double()
    passes = torch.stack([far.log_softmax(1), near.log_softmax(1)])
    found = ensembles._sizes(passes, torch.tensor([0]))
    assert found["nll"][:, 0].tolist() == pytest.approx([2000, math.log(4)])


def test_passes_that_are_all_the_same_are_refused():
    with pytest.raises(LandscapeError, match="dropout is 'off'; give it dropout='fresh'"):
        ensemble(objective(), passes=2)
    with pytest.raises(LandscapeError, match="no dropout that can be on"):
        ensemble(objective("cifar-resnet20:width=2,classes=6", dropout="fresh"), passes=2)
    alone = ensemble(objective(), passes=1)
    assert float(alone.nll[0]) == pytest.approx(float(evaluate(objective()).mean_nll), rel=1e-12)


def test_members_that_do_not_belong_together_are_refused():
    with pytest.raises(LandscapeError, match="see different samples"):
        ensemble([objective(), objective(samples=SAMPLES.take(9))])
    brighter = replace(SAMPLES, inputs=SAMPLES.inputs * 2)
    with pytest.raises(LandscapeError, match="see different samples"):
        ensemble([objective(), objective(samples=brighter)])
    with pytest.raises(LandscapeError, match="6 and 7 classes"):
        ensemble([objective(), objective(SPEC.replace("=6", "=7"))])
    with pytest.raises(LandscapeError, match="at least one objective"):
        ensemble([])
    with pytest.raises(LandscapeError, match="at least 1 of passes, got 0"):
        ensemble(objective(dropout="fresh"), passes=0)


def test_the_module_is_left_as_it_was():
    measured = objective(dropout="fresh")
    module = measured.network.module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    ensemble(measured, passes=2)
    assert all(layer.training for layer in module.modules())
    assert build.hooks(module) == 0
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
