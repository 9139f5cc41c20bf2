"""Noise of one frequency: its spectrum, where it comes from, and what it does, against plain loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.features import frequency_noise
from landscape.features.noise import FREQUENCIES, ring, white
from landscape.network import Network
from landscape.objective import Objective
from landscape.samples import Normalisation, Samples
from tests import build
from tests.build import Counting, Recording, zoo

STD = (0.2, 0.3, 0.25)
NORMALISATION = Normalisation((0.5, 0.4, 0.6), STD)


def samples(count: int = 10, size: int = 8) -> Samples:
    return replace(build.images(count, size, "uniform"), indices=np.arange(100, 100 + count))


def objective(module: nn.Module | None = None, data: Samples | None = None, **options) -> Objective:
    network = Network(module or zoo(), NORMALISATION)
    return build.objective(network, data or samples(), **{"micro_batch": 4} | options)


def square_ring(height: int, width: int, centre: float, thickness: float) -> np.ndarray:
    """The mask in the papers' form: a square ring around the middle of the shifted spectrum."""
    mask = np.zeros((height, width), dtype=bool)
    for i in range(height):
        for j in range(width):
            u, v = 2 * (i - height // 2) / height, 2 * (j - width // 2) / width
            mask[i, j] = centre - thickness / 2 <= max(abs(u), abs(v)) < centre + thickness / 2
    return np.fft.ifftshift(mask)


def masked(delta: np.ndarray, centre: float, thickness: float) -> np.ndarray:
    spectrum = np.fft.fft2(delta) * square_ring(*delta.shape[-2:], centre, thickness)
    return np.fft.ifft2(spectrum).real


@pytest.mark.parametrize("shape", [(32, 32), (20, 20), (33, 33), (9, 40), (224, 16)])
def test_the_default_rings_tile_the_spectrum(shape: tuple[int, int]):
    rings = torch.stack([ring(*shape, centre, 0.1) for centre in FREQUENCIES])
    assert (rings.sum(0) == 1).all()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 9), (7, 12)])
def test_a_ring_is_square(height: int, width: int):
    for centre in (0.1, 0.35, 0.6):
        expected = square_ring(height, width, centre, 0.23)
        np.testing.assert_array_equal(ring(height, width, centre, 0.23), expected)
    assert ring(8, 8, 0.95, 0.1).sum() == 15  # the row and the column of frequency π


@pytest.mark.parametrize("noise", ["gaussian", "sign"])
def test_what_the_network_sees(noise):
    seen: list[Tensor] = []
    given = objective(Recording(seen), data := samples(4))
    given.checked("value")
    seen.clear()
    frequency_noise(given, frequencies=(0.3, 0.8), width=0.3, noise=noise, strength=0.2, seed=3)
    clean, *noisy = [images.numpy() * np.array(STD)[:, None, None] for images in seen]
    delta = white(data.indices, (3, 8, 8), noise=noise, seed=3).numpy()
    for images, centre in zip(noisy, (0.3, 0.8), strict=True):
        np.testing.assert_allclose(images - clean, 0.2 * masked(delta, centre, 0.3), rtol=0, atol=1e-14)


def test_the_noise_is_white_and_standard():
    for noise in ("gaussian", "sign"):
        delta = white(np.arange(200), (3, 8, 8), noise=noise, seed=0).numpy()
        assert abs(delta.mean()) < 5 / math.sqrt(delta.size)
        assert abs(delta.var() - 1) < 5 * math.sqrt(2 / delta.size)
        neighbours = (delta[..., 1:] * delta[..., :-1]).mean()
        assert abs(neighbours) < 5 / math.sqrt(delta.size)
    assert set(np.unique(delta)) == {-1.0, 1.0}


def test_the_noise_belongs_to_the_position_in_the_source():
    options = {"noise": "gaussian", "seed": 1}
    whole = white(np.arange(6), (3, 4, 4), **options)
    torch.testing.assert_close(white(np.array([4, 2]), (3, 4, 4), **options), whole[[4, 2]], rtol=0, atol=0)
    assert not torch.equal(white(np.arange(6), (3, 4, 4), noise="gaussian", seed=2), whole)
    assert len({float(row[0, 0, 0]) for row in whole}) == 6


@pytest.mark.parametrize("micro_batch", [1, 3, 10])
def test_micro_batches_do_not_change_the_result(micro_batch: int):
    module = zoo("cifar-resnet20:width=4,dropout=0.3")
    whole = frequency_noise(objective(module, dropout="fixed"), frequencies=(0.25, 1))
    parts = frequency_noise(
        objective(module, dropout="fixed", micro_batch=micro_batch), frequencies=(0.25, 1)
    )
    for name, variable in whole.data_vars.items():
        np.testing.assert_allclose(parts[name], variable, rtol=1e-10)


def test_scores_against_a_plain_loop():
    module, data = zoo().double(), samples()
    mean, std = (np.array(values)[:, None, None] for values in (NORMALISATION.mean, STD))
    found = module(torch.from_numpy((data.inputs.numpy() - mean) / std)).argmax(1)
    data = replace(data, targets=torch.cat([found[:8], data.targets[8:]]))  # mostly right while clean
    result = frequency_noise(objective(module, data), frequencies=(0.4, 0.9), width=0.3, strength=2, seed=7)
    delta = white(data.indices, (3, 8, 8), noise="gaussian", seed=7).numpy()
    nll, correct = np.zeros((3, 10)), np.zeros((3, 10))
    for row, centre in enumerate((None, 0.4, 0.9)):
        for i in range(10):
            image = data.inputs[i].numpy()
            image = image if centre is None else image + 2 * masked(delta[i], centre, 0.3)
            logits = module(torch.from_numpy((image - mean) / std)[None])[0].detach().numpy()
            nll[row, i] = np.log(np.exp(logits).sum()) - logits[data.targets[i]]
            correct[row, i] = logits.argmax() == data.targets[i]
    drop = correct[0] - correct[1:]
    assert len(set(correct.mean(1))) > 1  # or the drop would be tested on zeros
    for name, expected in {
        "accuracy": correct[1:].mean(1),
        "accuracy_standard_error": correct[1:].std(1, ddof=1) / math.sqrt(10),
        "nll": nll[1:].mean(1),
        "nll_standard_error": nll[1:].std(1, ddof=1) / math.sqrt(10),
        "accuracy_drop": drop.mean(1),
        "accuracy_drop_standard_error": drop.std(1, ddof=1) / math.sqrt(10),
        "clean_accuracy": correct[0].mean(),
        "clean_nll": nll[0].mean(),
    }.items():
        np.testing.assert_allclose(result[name], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("batch_norm", ["eval", "recalibrate"])
def test_noise_of_strength_zero_costs_nothing(batch_norm):
    module = zoo("cifar-resnet20:width=4,dropout=0.3")
    clean = objective(module, dropout="fixed", batch_norm=batch_norm)
    result = frequency_noise(clean, strength=0, frequencies=(0.5,), width=0.5)
    np.testing.assert_array_equal(result.accuracy_drop, 0)
    np.testing.assert_array_equal(result.accuracy_drop_standard_error, 0)
    assert result.nll.item() == result.clean_nll.item()
    np.testing.assert_allclose(result.clean_nll, clean.value().nll, rtol=1e-12)


def test_clean_inputs_stay_clean():
    before = objective()
    kept = [inputs.clone() for _, inputs, _ in before.batches()]
    frequency_noise(before, frequencies=(0.5,), width=0.5)
    for (_, inputs, _), clean in zip(before.batches(), kept, strict=True):
        assert torch.equal(inputs, clean)


@pytest.mark.parametrize("equal_power", [False, True])
def test_power_of_the_rings(equal_power: bool):
    seen: list[Tensor] = []
    given = objective(Recording(seen), samples(200, size=16), micro_batch=200)
    given.checked("value")
    seen.clear()
    result = frequency_noise(
        given, strength=0.2, width=0.25, frequencies=(0.3, 0.8),
        equal_power=equal_power,
    )  # fmt: skip
    clean, *noisy = [images * torch.tensor(STD).view(-1, 1, 1) for images in seen]
    share = np.ones(2) if equal_power else result.components.values / 256
    for images, part in zip(noisy, share, strict=True):
        assert float((images - clean).square().mean()) == pytest.approx(0.04 * part, rel=0.02)
    assert result.attrs["equal_power"] is equal_power


def test_a_ring_without_a_frequency_has_no_accuracy():
    result = frequency_noise(objective(), frequencies=(0.25, 0.35, 0.5))
    np.testing.assert_array_equal(result.components, [8, 0, 16])
    for name in ("accuracy", "nll", "accuracy_drop", "accuracy_drop_standard_error"):
        assert list(np.isnan(result[name])) == [False, True, False]
    assert result.attrs | {"strength": 0} == {
        "noise": "gaussian", "strength": 0, "width_pi": 0.1, "equal_power": False, "seed": 0
    }  # fmt: skip
    assert all({"long_name", "units"} <= set(variable.attrs) for variable in result.data_vars.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": "salt"}, "the noise is 'salt'; choose one of gaussian, sign"),
        ({"frequencies": (0.5, 1.5)}, "from 0 to 1, in units of π"),
        ({"frequencies": ()}, "from 0 to 1"),
        ({"frequencies": (math.nan,)}, "from 0 to 1"),
        ({"strength": -1}, "not negative and a positive width, got -1"),
        ({"width": 0}, "positive width"),
        ({"frequencies": (0.35,)}, r"8×8 images lies in rings of width 0.1π around 0.35π; choose wider"),
    ],
)
def test_bad_requests(options: dict, message: str):
    with pytest.raises(LandscapeError, match=message):
        frequency_noise(objective(), **options)


def test_vectors_have_no_frequencies():
    data = torch.zeros(3, 5), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(LandscapeError, match=r"needs images, .* inputs of shape \(5,\)"):
        frequency_noise(Objective(nn.Linear(5, 2), data))


def test_progress_sees_every_pass():
    progress = Counting()
    frequency_noise(objective(), frequencies=(0.25, 0.35, 0.5), progress=progress)
    assert progress.seen == [("noise", 9)]  # clean and two rings, three micro-batches
