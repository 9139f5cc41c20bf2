"""Mini-batch CKA: its invariances, a plain NumPy loop, and what it refuses."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.features import similarity
from landscape.features.similarity import centred_gram
from landscape.objective import Objective
from landscape.samples import Samples
from landscape.zoo import build as build_network
from landscape.zoo import parse
from tests import build
from tests.build import hooks, zoo

LAYERS = ["relu", "layer1.0", "layer2.2", "layer3.2"]


def samples(count: int = 20, seed: int = 0) -> Samples:
    return build.images(count, seed=seed)


def objective(module: nn.Module | None = None, data: Samples | None = None, **options) -> Objective:
    return build.objective(module or zoo(), data or samples(), **{"micro_batch": 4} | options)


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, equation 5, with its three terms."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    ones = np.ones(n)
    whole = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + whole - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3))


def plain_cka(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """Nguyen et al. 2021, equation 3, from each mini-batch's features of shape (sample, feature)."""
    pairs = list(zip([x @ x.T for x in a], [y @ y.T for y in b], strict=True))
    cross = sum(hsic(k, m) for k, m in pairs)
    return cross / math.sqrt(sum(hsic(k, k) for k, _ in pairs) * sum(hsic(m, m) for _, m in pairs))


def maps(one: Objective, names: list[str]) -> dict[str, np.ndarray]:
    """Features of all samples, shape (sample, feature)."""
    return {name: z.reshape(len(z), -1) for name, z in build.maps(one, names).items()}


def test_against_a_plain_loop():
    one = objective(data=samples(21))
    result = similarity(one, layers=LAYERS, batch_size=8)
    assert list(result.layer_a.values) == list(result.layer_b.values) == LAYERS
    features = maps(one, LAYERS)
    batches = {name: np.array_split(values, 3) for name, values in features.items()}  # 7 samples each
    for a, b in itertools.product(LAYERS, LAYERS):
        found = result.sel(layer_a=a, layer_b=b)
        assert float(found.cka) == pytest.approx(plain_cka(batches[a], batches[b]), rel=1e-9)
        without = [
            plain_cka(*([x for j, x in enumerate(batches[name]) if j != i] for name in (a, b)))
            for i in range(3)
        ]
        expected = math.sqrt(2 / 3 * np.square(np.array(without) - np.mean(without)).sum())
        assert float(found.cka_standard_error) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_two_networks_against_a_plain_loop():
    first = objective()
    second = objective(build_network(parse("cifar-resnet20:width=2"), seed=5))
    result = similarity(first, second, layers=LAYERS[:2], second_layers=LAYERS[1:], batch_size=5)
    a, b = maps(first, LAYERS[:2]), maps(second, LAYERS[1:])
    for name, other in itertools.product(LAYERS[:2], LAYERS[1:]):
        expected = plain_cka(np.array_split(a[name], 4), np.array_split(b[other], 4))
        assert float(result.cka.sel(layer_a=name, layer_b=other)) == pytest.approx(expected, rel=1e-9)
    turned = similarity(second, first, layers=LAYERS[1:], second_layers=LAYERS[:2], batch_size=5)
    np.testing.assert_allclose(turned.cka.T, result.cka, rtol=1e-12)


def rotated(scale: float, matrix: Tensor, shift: float) -> nn.Module:
    """Channels of the first layer mixed by a matrix, scaled and shifted."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(144, 10)).double()
    module[1].weight.data = (scale * matrix).reshape(4, 4, 1, 1)
    module[1].bias.data.fill_(shift)
    return module


def test_identical_up_to_rotation_scale_and_shift():
    gaussian = torch.from_numpy(np.random.default_rng(1).standard_normal((4, 4)))
    rotation = torch.linalg.qr(gaussian).Q
    result = similarity(objective(rotated(7.0, rotation, 3.0)), layers=["0", "1"], batch_size=10)
    np.testing.assert_allclose(result.cka, 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.cka_standard_error, 0, atol=1e-12)
    skewed = similarity(objective(rotated(1.0, gaussian, 0.0)), layers=["0", "1"], batch_size=10)
    assert skewed.cka[0, 1] < 0.99


def test_a_centred_gram_matrix_ignores_a_large_shift():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((6, 5)))
    torch.testing.assert_close(centred_gram(x + 1e6), centred_gram(x), rtol=0, atol=1e-7)
    np.testing.assert_allclose(centred_gram(x).sum(0), 0, atol=1e-12)


def test_unrelated_features_have_none_on_average():
    """The biased estimate with these 6 samples and 50 features would be about 0.9."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        a, b = (centred_gram(torch.from_numpy(rng.standard_normal((6, 50)))) for _ in range(2))
        found.append(float((a * b).sum() / a.norm() / b.norm()))
    assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(400)


@pytest.mark.parametrize("micro_batch", [1, 3, 20])
def test_micro_batches_do_not_change_the_result(micro_batch: int):
    module = zoo("cifar-resnet20:width=4,dropout=0.3")
    expected = similarity(objective(module, dropout="fixed"), layers=LAYERS, batch_size=7)
    found = similarity(
        objective(module, dropout="fixed", micro_batch=micro_batch), layers=LAYERS, batch_size=7
    )
    np.testing.assert_allclose(found.cka, expected.cka, rtol=1e-12)
    assert found.attrs["batches"] == 3


def test_dropout_masks_and_recalibration_are_those_of_the_protocol():
    module = zoo("cifar-resnet20:width=4,dropout=0.3")
    one = objective(module, dropout="fixed", batch_norm="recalibrate", micro_batch=5)
    result = similarity(one, layers=LAYERS, batch_size=5)
    kept: dict[str, list[np.ndarray]] = {}
    forward = one.forward
    with torch.no_grad():
        forward = forward.recalibrated(one.parameters, one.batches(), 0)
    one.forward = forward  # a single forward pass a batch, on statistics of all samples
    for name in ("relu", "layer3.2"):
        kept[name] = []
        module.get_submodule(name).register_forward_hook(
            lambda _m, _a, out, name=name: kept[name].append(out.detach().flatten(1).numpy())
        )
    for start, inputs, _ in one.batches():
        forward(one.parameters, start, inputs, 0)
    expected = plain_cka(kept["relu"], kept["layer3.2"])
    assert float(result.cka.sel(layer_a="relu", layer_b="layer3.2")) == pytest.approx(expected, rel=1e-9)


def test_one_mini_batch_has_no_standard_error():
    result = similarity(objective(), layers=LAYERS)
    assert np.isfinite(result.cka).all()
    assert np.isnan(result.cka_standard_error).all()
    assert result.attrs == {
        "network_a": "network",
        "network_b": "network",
        "batch_size": 64,
        "batches": 1,
        "warnings": [],
        "left_out": 0,
    }


def test_features_that_do_not_vary_have_none():
    module = rotated(0.0, torch.eye(4, dtype=torch.float64), 1.0)
    result = similarity(objective(module), layers=["0", "1"], batch_size=10)
    np.testing.assert_array_equal(np.isnan(result.cka), [[False, True], [True, True]])


def test_other_samples_are_refused():
    first = objective()
    with pytest.raises(LandscapeError, match="number of samples differ"):
        similarity(first, objective(data=samples(19)))
    with pytest.raises(LandscapeError, match="images or targets differ"):
        similarity(first, objective(data=samples(seed=1)))
    with pytest.raises(LandscapeError, match="augmentation differ"):
        similarity(first, objective(data=samples().augmented(0)))
    assert similarity(first, objective(data=samples()), layers="relu").cka.item() == pytest.approx(1)


@pytest.mark.parametrize(("count", "batch_size"), [(3, 64), (20, 3), (9, 5 - 1), (20, 0)])
def test_too_few_samples_are_refused(count: int, batch_size: int):
    with pytest.raises(LandscapeError, match=f"at least 4 .*{count} samples in mini-batches of {batch_size}"):
        similarity(objective(data=samples(count)), batch_size=batch_size)


@pytest.mark.parametrize("layers", ["linear", ["relu", "linear"]])
def test_a_layer_without_a_map_is_refused(layers):
    module = zoo()
    with pytest.raises(LandscapeError, match=r"layer 'linear' outputs no feature map.*before the head"):
        similarity(objective(module), layers=layers)
    assert hooks(module) == 0


def test_a_layer_that_runs_twice_is_refused():
    module = zoo("cifar-resnet20:width=4,dropout=0.3")
    with pytest.raises(LandscapeError, match="ensemble:2, which runs each layer several times"):
        similarity(objective(module, dropout="ensemble:2"), layers="relu")
    assert hooks(module) == 0
