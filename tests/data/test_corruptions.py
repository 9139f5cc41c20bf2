"""Generated corruptions: with the library itself where it is installed, and with a stand-in everywhere."""

import sys
import types
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import torch

from landscape.data import corruptions, demo
from landscape.data.corrupted import CORRUPTIONS, EXTRA_CORRUPTIONS
from landscape.errors import DataError
from landscape.samples import Samples
from tests.tools import missing


@pytest.fixture
def library():
    """The real thing."""
    try:
        corruptions.version("imagecorruptions-imaug")
    except PackageNotFoundError:
        missing("imagecorruptions-imaug is not installed: pip install 'landscape-toolkit[corruptions]'")


@pytest.fixture
def stand_in(monkeypatch):
    """A library that adds noise from NumPy's global state, or from the seed it is given; and its calls."""
    calls = []

    def corrupt(image, severity=1, corruption_name=None, seed=None):
        print("a remark")
        source = np.random if seed is None else np.random.RandomState(seed)
        calls.append((corruption_name, severity, seed))
        noise = source.randint(0, 9 * severity, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    module = types.ModuleType("imagecorruptions")
    module.corrupt = corrupt
    monkeypatch.setitem(sys.modules, "imagecorruptions", module)
    monkeypatch.setattr(corruptions, "version", lambda name: "9.9")
    return calls


def _samples(count=4) -> Samples:
    return demo("test").take(count)


def test_what_is_drawn_depends_on_seed_index_name_and_severity(stand_in):
    samples = _samples()
    first = corruptions.corrupt(samples, "fog", 2)
    assert torch.equal(corruptions.corrupt(samples, "fog", 2).inputs, first.inputs)
    noise = first.inputs.int() - samples.inputs.int()
    assert not torch.equal(noise[0], noise[1])
    part = corruptions.corrupt(samples.select([2, 0]), "fog", 2)
    assert torch.equal(part.inputs, first.inputs[[2, 0]])
    for other in (
        corruptions.corrupt(samples, "fog", 2, seed=1),
        corruptions.corrupt(samples, "frost", 2),
        corruptions.corrupt(samples, "fog", 3),
    ):
        assert not torch.equal(other.inputs, first.inputs)


def test_what_has_its_own_generator_is_given_a_seed(stand_in):
    for name in ("impulse_noise", "glass_blur", "fog"):
        first, again = (corruptions.corrupt(_samples(2), name, 1) for _ in range(2))
        assert torch.equal(first.inputs, again.inputs)
    assert [seed is None for _, _, seed in stand_in] == [False] * 8 + [True] * 4
    assert len({seed for name, _, seed in stand_in if name != "fog"}) == 4  # two images, two corruptions


def test_the_global_random_state_is_put_back(stand_in, monkeypatch):
    before = np.random.get_state()  # noqa: NPY002
    corruptions.corrupt(_samples(2), "fog", 1)
    assert _same(before)

    def broken(*args, **options):
        np.random.rand()  # noqa: NPY002
        raise RuntimeError("broken")

    monkeypatch.setattr(sys.modules["imagecorruptions"], "corrupt", broken)
    with pytest.raises(RuntimeError, match="broken"):
        corruptions.corrupt(_samples(1), "fog", 1)
    assert _same(before)


def _same(state) -> bool:
    now = np.random.get_state()  # noqa: NPY002
    return all(np.array_equal(a, b) for a, b in zip(state, now, strict=True))


def test_everything_else_stays_and_the_source_says_what_was_done(stand_in, capsys):
    samples = _samples()
    changed = corruptions.corrupt(samples, "fog", 2, seed=5)
    assert changed.inputs.shape == samples.inputs.shape
    assert changed.inputs.dtype == torch.uint8
    assert torch.equal(changed.targets, samples.targets)
    assert changed.indices.tolist() == samples.indices.tolist()
    assert changed.normalisation == samples.normalisation
    assert changed.source == "demo, fog at severity 2 (imagecorruptions-imaug 9.9, seed 5)"
    assert torch.equal(samples.inputs, _samples().inputs)
    assert capsys.readouterr().out == ""


def test_frozen_augmentation_comes_first(stand_in):
    samples = _samples().augmented(0)
    plain, _ = samples.batch(0, 4)
    changed = corruptions.corrupt(samples, "glass_blur", 1)
    assert changed.augmentation is None
    assert (changed.inputs.float() / 255 - plain).abs().max() < 9 / 255
    assert (changed.inputs.float() / 255 - samples.inputs.float() / 255).abs().max() > 0.2


def test_a_missing_library_says_how_to_install_it(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(corruptions, "version", absent)
    with pytest.raises(DataError, match=r"pip install 'landscape-toolkit\[corruptions\]'"):
        corruptions.corrupt(_samples(1), "fog", 1)
    monkeypatch.setattr(corruptions, "version", lambda name: "1.1.5")
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(DataError, match="cannot be imported"):
        corruptions.corrupt(_samples(1), "fog", 1)


def test_other_images_are_refused(stand_in):
    for inputs in (
        torch.zeros(1, 3, 32, 32),
        torch.zeros(1, 1, 32, 32, dtype=torch.uint8),
        torch.zeros(1, 3, 28, 32, dtype=torch.uint8),
    ):
        with pytest.raises(DataError, match="need RGB images of bytes"):
            corruptions.corrupt(Samples(inputs, torch.tensor([0])), "fog", 1)


@pytest.mark.parametrize(("name", "severity", "seed"), [("rain", 1, 0), ("fog", 6, 0), ("fog", 1, -1)])
def test_impossible_wishes_are_refused(stand_in, name, severity, seed):
    with pytest.raises(DataError):
        corruptions.corrupt(_samples(1), name, severity, seed=seed)


@pytest.mark.parametrize("name", [*CORRUPTIONS, *EXTRA_CORRUPTIONS])
def test_the_library_corrupts_small_images_and_repeats_itself(library, name):
    samples = _samples(3)
    change = []
    for severity in (1, 3, 5):
        found = corruptions.corrupt(samples, name, severity)
        assert found.inputs.shape == samples.inputs.shape
        assert found.inputs.dtype == torch.uint8
        assert torch.equal(corruptions.corrupt(samples, name, severity).inputs, found.inputs)
        change.append(float((found.inputs.int() - samples.inputs.int()).abs().double().mean()))
    assert min(change) > 0.5
    alone = corruptions.corrupt(samples.select([1]), name, 5)
    assert torch.equal(alone.inputs[0], found.inputs[1])


@pytest.mark.parametrize("name", ["gaussian_noise", "impulse_noise", "defocus_blur", "contrast", "pixelate"])
def test_the_library_does_more_at_higher_severities(library, name):
    samples = _samples(8)
    change = [
        float(
            (corruptions.corrupt(samples, name, s).inputs.int() - samples.inputs.int()).abs().double().mean()
        )
        for s in (1, 2, 3, 4, 5)
    ]
    assert change == sorted(change)
    assert change[4] > 1.2 * change[0]
