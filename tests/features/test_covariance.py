"""Covariance with the centre against plain NumPy, and against what a blur does to white noise."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from landscape.errors import LandscapeError
from landscape.features import covariance
from landscape.objective import Objective
from landscape.zoo import Smoothing
from landscape.zoo.layers import Smooth
from tests import build


def objective(module: nn.Module, count: int = 40, size: int = 9, **options) -> Objective:
    samples = build.images(count, size, classes=1)
    alike = replace(samples, inputs=samples.inputs.cumsum(3) + 10)  # neighbours along a row
    return build.objective(module, alike, **options)


def layer(part: nn.Module) -> nn.Module:
    return nn.Sequential(part, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))


@pytest.mark.parametrize("micro_batch", [40, 7])
def test_images_against_numpy(micro_batch: int):
    given = objective(layer(nn.Identity()), micro_batch=micro_batch)
    found = covariance(given, window=2).sel(source="images").isel(layer=0)
    z = given.samples.inputs.numpy()
    for dy in (-2, 0, 1):
        for dx in (-1, 0, 2):
            pairs = [np.cov(z[:, c, 4 + dy, 4 + dx], z[:, c, 4, 4]) for c in range(3)]
            expected = np.mean([pair[0, 1] for pair in pairs])
            cell = found.sel(dy=dy, dx=dx)
            assert float(cell.covariance) == pytest.approx(expected, rel=1e-10)
            centre = np.mean([pair[1, 1] for pair in pairs])
            assert float(cell.correlation) == pytest.approx(expected / centre, rel=1e-10)


def test_a_box_makes_neighbours_of_white_noise_alike():
    """Two boxes of 2×2 share half of their points beside each other, a quarter diagonally."""
    smooth = Smooth(3, Smoothing(kernel=(1, 1), prob="none", temperature=0.0))
    found = covariance(objective(layer(smooth), count=2000), window=2).sel(source="noise").isel(layer=0)
    overlap = np.array([0, 0.5, 1, 0.5, 0])
    error = found.correlation_standard_error.values + 1e-12
    assert (np.abs(found.correlation.values - np.outer(overlap, overlap)) < 5 * error).all()
    assert error.max() < 0.05
    assert float(found.correlation.sel(dy=0, dx=0)) == 1


def test_errors_are_the_spread_over_repetitions():
    seeds = [covariance(objective(layer(nn.Identity()), 200), window=1, seed=s) for s in range(25)]
    noise = [found.sel(source="noise").isel(layer=0) for found in seeds]
    for name in ("covariance", "correlation"):
        values = np.stack([found[name].values for found in noise])[:, ~np.eye(3, dtype=bool)]
        errors = np.stack([found[f"{name}_standard_error"].values for found in noise])[
            :, ~np.eye(3, dtype=bool)
        ]
        assert errors.mean() == pytest.approx(values.std(0, ddof=1).mean(), rel=0.25)


def test_the_noise_depends_on_the_seed_alone():
    module = layer(nn.Identity())
    first, parts = covariance(objective(module)), covariance(objective(module, micro_batch=9))
    np.testing.assert_allclose(parts.covariance, first.covariance, rtol=1e-10)
    other = covariance(objective(module), seed=1)
    assert not np.allclose(other.sel(source="noise").covariance, first.sel(source="noise").covariance)
    np.testing.assert_array_equal(
        other.sel(source="images").covariance, first.sel(source="images").covariance
    )


def test_beyond_the_map_is_nothing():
    found = covariance(objective(layer(nn.Identity()), size=4), window=3).isel(source=0, layer=0)
    inside = np.isfinite(found.correlation.values)
    rows = np.isin(found.dy.values, [-2, -1, 0, 1])
    assert (inside == np.outer(rows, rows)).all()


def test_dimensions_and_layers():
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten())
    found = covariance(objective(module), window=1)
    assert found.covariance.dims == ("source", "layer", "dy", "dx")
    assert list(found.layer.values) == ["0", "1"]
    assert list(found.source.values) == ["noise", "images"]
    assert found.attrs["seed"] == 0
    assert {"kind", "stage", "depth"} <= set(found.data_vars)


@pytest.mark.parametrize(
    ("options", "message"), [({"window": -1}, "the window is -1"), ({"layers": "3"}, "no feature map")]
)
def test_bad_requests(options: dict, message: str):
    with pytest.raises(LandscapeError, match=message):
        covariance(objective(layer(nn.Identity())), **options)
