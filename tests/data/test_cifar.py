import pickle

import numpy as np
import pytest
import torch

from landscape.data.cifar import cifar10, cifar100
from landscape.data.conventions import NORMALISATIONS
from landscape.errors import DataError

NAMES10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def _binary(path, count: int, label_bytes: int, records: dict[int, bytes]):
    """A binary file of zeros, written sparsely, but for the given records."""
    size = label_bytes + 3072
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as stream:
        stream.truncate(count * size)
        for position, record in records.items():
            stream.seek(position * size)
            stream.write(record)


def _python(path, content: dict):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


def _batch(count: int, key: str, label: int) -> dict:
    pixels = np.zeros((count, 3072), np.uint8)
    pixels[1] = np.arange(3072) % 251
    return {"data": pixels, key: [0, label] + [1] * (count - 2)}


def test_real_test_batch(shared_data):
    samples = cifar10(shared_data / "cifar-10-batches-bin", "test")
    assert samples.inputs.shape == (10_000, 3, 32, 32)
    assert samples.inputs.dtype == torch.uint8
    assert samples.targets.dtype == torch.int64
    assert torch.bincount(samples.targets).tolist() == [1000] * 10
    assert samples.class_names == tuple(NAMES10)
    assert samples.normalisation == NORMALISATIONS["cifar10"]
    assert samples.split == "test"
    # The first test images are known to everyone: cat, ship, ship, airplane, frog.
    assert [NAMES10[label] for label in samples.targets[:5]] == ["cat", "ship", "ship", "airplane", "frog"]


def test_real_pixels_are_where_the_layout_puts_them(shared_data):
    raw = (shared_data / "cifar-10-batches-bin" / "test_batch.bin").read_bytes()
    samples = cifar10(shared_data, "test")
    for image, channel, row, column in [(0, 0, 0, 0), (1, 2, 31, 31), (17, 1, 3, 20), (9999, 0, 30, 5)]:
        offset = image * 3073 + 1 + channel * 1024 + row * 32 + column
        assert samples.inputs[image, channel, row, column] == raw[offset]
        assert samples.targets[image] == raw[image * 3073]


def test_missing_batches_are_said_in_the_source(shared_data):
    samples = cifar10(shared_data, "train")
    assert len(samples) == 10_000
    assert samples.source == f"cifar10:{shared_data} (batches 1 of 5)"


def test_batches_come_in_order_with_their_official_indices(tmp_path, monkeypatch):
    for number in (4, 2):
        record = bytes([number]) + bytes([number]) * 3072
        _binary(tmp_path / "set" / f"data_batch_{number}.bin", 10_000, 1, {0: record})
    monkeypatch.chdir(tmp_path)
    samples = cifar10("set", "train")
    assert samples.source == "cifar10:set (batches 2, 4 of 5)"
    assert samples.targets[[0, 10_000]].tolist() == [2, 4]
    assert samples.inputs[10_000, 2, 31, 31] == 4
    assert samples.indices[[0, 10_000, 19_999]].tolist() == [10_000, 30_000, 39_999]
    assert samples.class_names == ()


def test_whole_set_needs_no_remark(tmp_path):
    for number in range(1, 6):
        _binary(tmp_path / "cifar-10-batches-bin" / f"data_batch_{number}.bin", 10_000, 1, {})
    samples = cifar10(tmp_path, "train")
    assert samples.source == f"cifar10:{tmp_path}"
    assert np.array_equal(samples.indices, np.arange(50_000))


@pytest.mark.parametrize("subfolder", [".", "cifar-10-batches-py"])
def test_python_layout(tmp_path, subfolder):
    _python(tmp_path / subfolder / "test_batch", _batch(10_000, "labels", 9))
    _python(tmp_path / subfolder / "batches.meta", {b"label_names": [name.encode() for name in NAMES10]})
    samples = cifar10(tmp_path)
    assert samples.targets[:3].tolist() == [0, 9, 1]
    assert samples.inputs[1].flatten().tolist() == [pixel % 251 for pixel in range(3072)]
    assert samples.class_names == tuple(NAMES10)
    assert type(samples.inputs.numpy()) is np.ndarray


def test_the_fuller_layout_is_read(tmp_path):
    _binary(tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin", 10_000, 1, {})
    for number in (1, 2):
        _python(tmp_path / "cifar-10-batches-py" / f"data_batch_{number}", _batch(10_000, "labels", 3))
    assert len(cifar10(tmp_path, "train")) == 20_000


def test_cifar100_binary_takes_the_fine_label(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    _binary(folder / "test.bin", 10_000, 2, {5: bytes([19, 99]) + bytes([7]) * 3072})
    (folder / "fine_label_names.txt").write_text("\n".join(f"name{i}" for i in range(100)) + "\n\n")
    samples = cifar100(tmp_path)
    assert samples.targets[5] == 99
    assert (samples.inputs[5] == 7).all()
    assert samples.class_names[99] == "name99"
    assert samples.normalisation == NORMALISATIONS["cifar100"]
    assert samples.source == f"cifar100:{tmp_path}"


def test_cifar100_python_takes_the_fine_label(tmp_path):
    folder = tmp_path / "cifar-100-python"
    _python(folder / "test", _batch(10_000, "fine_labels", 99) | {"coarse_labels": [0] * 10_000})
    _python(folder / "meta", {"fine_label_names": [f"name{i}" for i in range(100)]})
    samples = cifar100(tmp_path)
    assert samples.targets[:3].tolist() == [0, 99, 1]
    assert samples.class_names[1] == "name1"


def test_cut_file(tmp_path):
    (tmp_path / "test_batch.bin").write_bytes(bytes(100))
    message = (
        r"test_batch\.bin has 100 bytes, expected 30,730,000 .*partly downloaded.*fetch\('cifar10', FOLDER\)"
    )
    with pytest.raises(DataError, match=message):
        cifar10(tmp_path)


@pytest.mark.parametrize(
    ("reader", "label_bytes", "name"), [(cifar10, 1, "test_batch"), (cifar100, 2, "test")]
)
def test_label_out_of_range(tmp_path, reader, label_bytes, name):
    _binary(tmp_path / f"{name}.bin", 10_000, label_bytes, {42: bytes([0, 123][-label_bytes:])})
    with pytest.raises(DataError, match=rf"{name}\.bin: image 42 has the label 123, expected 0 to \d+"):
        reader(tmp_path)


@pytest.mark.parametrize("label", [10, -1, 2**70])
def test_label_out_of_range_in_a_python_file(tmp_path, label):
    _python(tmp_path / "test_batch", _batch(10_000, "labels", label))
    with pytest.raises(DataError, match=f"test_batch: image 1 has the label {label}, expected 0 to 9"):
        cifar10(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": np.zeros((2, 3072), np.uint8)}, "holds data, expected 'data' and 'labels'"),
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}, r"'data' .* uint8 of shape \(2, 3072\)"),
        ({"data": [1], "labels": [0, 1]}, "'data' .* a list of length 1, expected uint8"),
        ({"data": np.zeros((10_000, 3072), bool), "labels": []}, "'data' .* is bool"),
        (
            {"data": np.zeros((10_000, 3072), np.uint8), "labels": [0]},
            "'labels' .* list of length 1, expected",
        ),
        (
            {"data": np.zeros((10_000, 3072), np.uint8), "labels": ["a"] * 10_000},
            "expected a list of 10000 int",
        ),
    ],
)
def test_python_file_of_another_kind(tmp_path, content, message):
    _python(tmp_path / "test_batch", content)
    with pytest.raises(DataError, match=message):
        cifar10(tmp_path)


def test_wrong_number_of_names(tmp_path):
    _binary(tmp_path / "test_batch.bin", 10_000, 1, {})
    (tmp_path / "batches.meta.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match=r"batches\.meta\.txt lists 2 class names, expected 10"):
        cifar10(tmp_path)


def test_nothing_there(tmp_path):
    (tmp_path / "other.txt").touch()
    message = r"no train files of cifar10 in .*, which holds other\.txt; expected data_batch_1\.bin or"
    with pytest.raises(DataError, match=message):
        cifar10(tmp_path, "train")
    with pytest.raises(
        DataError, match=r"cannot read the folder .*: No such file or directory; check the path"
    ):
        cifar10(tmp_path / "missing")
    with pytest.raises(DataError, match="unknown split 'val'"):
        cifar100(tmp_path, "val")
