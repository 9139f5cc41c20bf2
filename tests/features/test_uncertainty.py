"""Model variance over draws of MC dropout, and what smoothing layers do to the three variances."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from landscape import data, family
from landscape.errors import LandscapeError, ResultError
from landscape.features import measure, smoothing_effect
from landscape.objective import Objective
from tests import build

SPEC = "cifar-resnet20:width=4,blur,dropout=0.3"


def objective(spec: str = SPEC, **options) -> Objective:
    return build.objective(spec, count=7, classes=1, **{"dropout": "fresh", "seed": 3} | options)


@pytest.mark.parametrize("micro_batch", [7, 3])
def test_model_variance_is_that_of_all_draws_at_once(micro_batch: int):
    given = objective(micro_batch=micro_batch)
    result = measure(given, draws=4)
    assert result.attrs["draws"] == 4
    for name in ("layer1.0", "smooth2.0"):
        z = np.stack([build.maps(given, [name], draw=draw)[name] for draw in range(4)])
        elements = z.var(0, ddof=1).reshape(7, -1)
        row = result.sel(layer=name)
        each = elements.mean(1)
        assert float(row.model_variance) == pytest.approx(each.mean(), rel=1e-10)
        assert float(row.model_variance_standard_error) == pytest.approx(each.std(ddof=1) / 7**0.5, rel=1e-10)
        assert float(row.model_deviation) == pytest.approx(np.sqrt(elements).mean(), rel=1e-10)
        # Everything else is that of the first draw.
        assert float(row.spatial_variance) == pytest.approx(z[0].var((2, 3), ddof=1).mean(), rel=1e-10)
        assert float(row.sample_variance) == pytest.approx(z[0].var(0, ddof=1).mean(), rel=1e-10)


def test_draws_change_nothing_but_the_model_variance():
    one, three = measure(objective()), measure(objective(), draws=3)
    assert np.isnan(one.model_variance).all()
    for name in one.data_vars:
        if not name.startswith("model") and name != "kind":
            np.testing.assert_array_equal(one[name], three[name], err_msg=name)


@pytest.mark.parametrize("dropout", ["fresh", "off"])
def test_a_deterministic_network_has_exactly_none(dropout: str):
    result = measure(objective("cifar-resnet20:width=4,blur", dropout=dropout, dtype=torch.float32), draws=9)
    for name in ("model_variance", "model_deviation", "model_variance_standard_error"):
        np.testing.assert_array_equal(result[name], 0)
    assert result.attrs["draws"] == 2  # passes that showed it


class Counter(nn.Module):
    """A layer that is not deterministic, though it has no dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = itertools.count(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + next(self.calls)


def test_a_network_that_only_seems_deterministic_is_found_out():
    module = nn.Sequential(Counter(), nn.Flatten(), nn.Linear(192, 2))
    given = Objective(module, objective().samples)
    assert measure(given, "0", draws=2).model_variance.item() == pytest.approx(0.5)  # of n and n + 1


@pytest.mark.parametrize("dropout", ["fixed", "off"])
def test_draws_of_masks_that_do_not_change_are_refused(dropout: str):
    with pytest.raises(LandscapeError, match=f"need dropout 'fresh', but it is '{dropout}'"):
        measure(objective(dropout=dropout), draws=2)


def test_no_draw_is_refused():
    with pytest.raises(LandscapeError, match="0 draws asked for"):
        measure(objective(), draws=0)


@pytest.fixture(scope="module")
def shipped():
    given = Objective(family.load("mcd-gap-blur"), data.demo("test").take(60), dropout="fresh")
    return measure(given, draws=5)


def test_every_variance_falls_across_every_smoothing_layer_of_the_shipped_network(shipped):
    effect = smoothing_effect(shipped)
    assert list(effect.layer.values) == ["smooth1.0", "smooth2.0", "smooth3.0"]
    assert list(effect.before.values) == ["layer1.2", "layer2.2", "layer3.2"]
    for name in ("model_variance", "model_deviation", "spatial_variance", "sample_variance"):
        ratio, error = effect[f"{name}_ratio"], effect[f"{name}_ratio_standard_error"]
        assert (ratio + 5 * error < 1).all(), name
    change, error = effect.high_frequency_change, effect.high_frequency_change_standard_error
    assert (change + 5 * error < 0).all()


def test_the_error_of_a_ratio_is_its_spread_over_repetitions(shipped):
    """Of thirty parts of the samples, each with a ratio of its own."""
    given = Objective(family.load("gap-blur"), data.demo("test").take(300))
    names = "layer2.2,smooth2.0"
    whole = smoothing_effect(measure(given, names))
    parts = [smoothing_effect(measure(given.subset(i, i + 10), names)) for i in range(0, 300, 10)]
    for name in ("spatial_variance_ratio", "spatial_deviation_ratio", "high_frequency_change"):
        spread = np.std([float(part[name].item()) for part in parts], ddof=1) / 30**0.5
        assert whole[f"{name}_standard_error"].item() == pytest.approx(spread, rel=0.4), name


def test_ratios_are_after_over_before(shipped):
    effect = smoothing_effect(shipped)
    expected = shipped.model_variance.sel(layer="smooth2.0") / shipped.model_variance.sel(layer="layer2.2")
    assert effect.model_variance_ratio.sel(layer="smooth2.0").item() == float(expected)
    assert all("units" in effect[name].attrs for name in effect.data_vars if name != "before")


def test_without_smoothing_layers_there_is_nothing():
    assert smoothing_effect(measure(objective("cifar-resnet20:width=4"))).sizes["layer"] == 0


def test_another_dataset_is_refused(shipped):
    with pytest.raises(ResultError, match="no sample_variance"):
        smoothing_effect(shipped.drop_vars("sample_variance"))
