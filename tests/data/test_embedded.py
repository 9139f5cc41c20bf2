import hashlib
import zlib
from importlib.resources import files

import numpy as np
import pytest
import torch

from landscape.data.arrays import npz
from landscape.data.cifar import cifar10
from landscape.data.conventions import NORMALISATIONS
from landscape.data.embedded import demo, write_embedded
from landscape.errors import DataError

SHIPPED = files("landscape.data") / "embedded"
PIXELS_SHA256 = {
    "train": "29afc5d98b6b245b6205dadfe60b5574e777abc30e0de91e95a288ef54435f58",
    "test": "f167149948fc8fe0b9a76ba86421e987817f98b63761ba9415c5d42664d51f03",
}


@pytest.mark.parametrize("split", ["train", "test"])
def test_contents(split):
    samples = demo(split)
    assert samples.inputs.shape == (1000, 3, 32, 32)
    assert samples.inputs.dtype == torch.uint8
    assert samples.targets.dtype == torch.int64
    assert (torch.bincount(samples.targets, minlength=10) >= 85).all()
    assert np.array_equal(samples.indices, np.arange(1000))
    assert (samples.source, samples.split) == ("demo", split)
    assert samples.normalisation == NORMALISATIONS["cifar10"]
    assert samples.class_names[:4] == ("airplane", "automobile", "bird", "cat")
    assert hashlib.sha256(samples.inputs.numpy().tobytes()).hexdigest() == PIXELS_SHA256[split]


@pytest.mark.parametrize("split", ["train", "test"])
def test_they_are_the_first_images_of_cifar10(shared_data, split):
    samples, whole = demo(split), cifar10(shared_data, split)
    assert torch.equal(samples.inputs, whole.inputs[:1000])
    assert torch.equal(samples.targets, whole.targets[:1000])
    assert samples.class_names == whole.class_names


@pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng packs the same arrays differently")
def test_rebuilt_byte_for_byte(shared_data, tmp_path):
    written = write_embedded(shared_data, tmp_path / "new")
    assert [path.name for path in written] == ["cifar10-train-first-1000.npz", "cifar10-test-first-1000.npz"]
    for path in written:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.read_bytes() == (SHIPPED / path.name).read_bytes()
        assert f"{digest}  {path.name}" in (SHIPPED / "README.md").read_text(encoding="utf-8")


def test_the_files_are_ordinary_npz_data():
    samples = npz(str(SHIPPED / "cifar10-test-first-1000.npz"))
    assert torch.equal(samples.inputs, demo("test").inputs)
    assert torch.equal(samples.targets, demo("test").targets)


def test_the_first_batch_is_needed(tmp_path):
    with open(tmp_path / "data_batch_2.bin", "wb") as stream:
        stream.truncate(10_000 * 3073)
    with pytest.raises(DataError, match=r"\(batches 2 of 5\) lacks the first batch"):
        write_embedded(tmp_path, tmp_path)


def test_unknown_split():
    with pytest.raises(DataError, match="unknown split 'val'"):
        demo("val")
