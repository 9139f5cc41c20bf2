"""The variance of the loss over ensembles of one size: by hand, and 1/N where the theory holds."""

import math

import numpy as np
import pytest
import torch

from landscape.predictive import ensemble
from landscape.predictive.spread import exponent, group_sizes, group_sums, prediction_variance, variance
from tests.cases import DROPOUT


def random_passes(
    count: int, samples: int = 6, classes: int = 4, noise: float = 1.0, seed: int = 0
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, samples, classes, generator=generator, dtype=torch.float64)
    jitter = torch.randn(count, samples, classes, generator=generator, dtype=torch.float64)
    return (logits + noise * jitter).log_softmax(2)


def test_groups_are_disjoint_and_averaged_as_probabilities():
    passes, targets = random_passes(5), torch.tensor([0, 1, 2, 3, 0, 1])
    sums, sizes = group_sums(passes, targets).numpy(), group_sizes(5)
    assert sizes.tolist() == [1] * 5 + [2] * 2
    pairs = [passes[:2].exp().mean(0), passes[2:4].exp().mean(0)]
    expected = [-float(pair[torch.arange(6), targets].log().sum()) for pair in pairs]
    assert sums[sizes == 2] == pytest.approx(expected, rel=1e-12)
    values, errors = variance(sums, 6, 5)
    assert values[1] == pytest.approx(np.var(np.array(expected) / 6, ddof=1))
    assert errors[1] == pytest.approx(values[1] * math.sqrt(2))
    assert np.isnan(values[2:]).all()


def test_small_noise_falls_as_one_over_the_size():
    found = []
    for seed in range(40):
        passes = random_passes(200, samples=20, noise=0.02, seed=seed)
        values, _ = variance(group_sums(passes, torch.arange(20) % 4).numpy(), 20, 200)
        found.append(exponent(values))
    slopes, errors = np.array(found).T
    assert slopes.mean() == pytest.approx(-1, abs=3 * slopes.std(ddof=1) / 40**0.5)
    assert errors.mean() == pytest.approx(slopes.std(ddof=1), rel=0.5)


def test_an_exponent_is_that_of_the_power_but_for_the_bias_of_logarithms():
    sizes = np.arange(1, 4097.0)
    values = np.where(sizes <= 2048, 3.0 * sizes**-0.7, np.nan)
    assert exponent(values)[0] == pytest.approx(-0.7, abs=0.01)


def test_too_few_passes_have_no_exponent():
    assert all(math.isnan(each) for each in exponent(np.array([1.0, np.nan, np.nan])))
    assert group_sums(random_passes(1), torch.zeros(6, dtype=torch.long)).shape == (0,)


def test_the_curve_does_not_depend_on_the_micro_batch():
    found = [ensemble(DROPOUT.objective(dropout="fresh", micro_batch=size), passes=12) for size in (2, 5)]
    assert found[0].nll_variance.values == pytest.approx(found[1].nll_variance.values, rel=1e-9, nan_ok=True)
    assert found[0].attrs["nll_variance_exponent"] == pytest.approx(found[1].attrs["nll_variance_exponent"])


def test_the_variance_of_predictions_by_hand():
    passes = random_passes(5, samples=3)
    probabilities = passes.exp().numpy()
    expected = probabilities.var(axis=0, ddof=1).sum(-1)
    assert prediction_variance(passes).numpy() == pytest.approx(expected, rel=1e-12)
    assert prediction_variance(passes[:1]).isnan().all()


def test_an_ensemble_states_it_whatever_the_micro_batch():
    objectives = [DROPOUT.objective(dropout="fresh", micro_batch=size) for size in (2, 5)]
    first, second = (ensemble(objective, passes=3) for objective in objectives)
    assert float(first.prediction_variance) > 0
    for name in ("prediction_variance", "prediction_variance_standard_error"):
        assert float(first[name]) == pytest.approx(float(second[name]), rel=1e-9)
    assert np.isnan(ensemble(objectives[0], passes=1).prediction_variance)
