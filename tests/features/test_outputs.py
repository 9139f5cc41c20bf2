"""CKA of outputs: that of the formula, invariant to what it is invariant to, and with an error that holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landscape.errors import LandscapeError
from landscape.features.outputs import output_cka


def outputs(count: int = 60, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """HSIC₁ in the form with three terms (Song et al. 2012, eq. 5)."""
    n = len(k)
    k, m = (each - np.diag(np.diag(each)) for each in (k, m))
    one = np.ones(n)
    last = 2 / (n - 2) * one @ k @ m @ one
    return (np.trace(k @ m) + one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2)) - last) / (n * (n - 3))


def test_it_is_the_formula_over_mini_batches():
    first, second = outputs(seed=1), outputs(seed=1) + 0.8 * outputs(seed=2)
    sums = np.zeros(3)
    for start in (0, 20, 40):
        grams = [(each[start : start + 20] @ each[start : start + 20].T).numpy() for each in (first, second)]
        sums += [hsic(grams[0], grams[1]), hsic(grams[0], grams[0]), hsic(grams[1], grams[1])]
    value, ends = output_cka(first, second, batch_size=20)
    assert value == pytest.approx(sums[0] / np.sqrt(sums[1] * sums[2]))
    assert ends.low < value < ends.high


def test_a_rotation_a_shift_and_a_scale_change_nothing():
    first = outputs()
    turn = torch.linalg.qr(outputs(5, seed=3))[0]
    assert output_cka(first, 3 * first @ turn + 7)[0] == pytest.approx(1.0)


def test_outputs_that_do_not_vary_have_none():
    value, ends = output_cka(outputs(), torch.ones(60, 5, dtype=torch.float64))
    assert np.isnan([value, ends.low, ends.high]).all()


def test_one_mini_batch_has_no_error_and_three_samples_no_value():
    assert np.isnan(output_cka(outputs(20), outputs(20, seed=4))[1].low)
    with pytest.raises(LandscapeError, match="at least 4 samples"):
        output_cka(outputs(3), outputs(3))
