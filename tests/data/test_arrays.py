import zipfile

import numpy as np
import pytest
import torch

from landscape.data import cifar10, images
from landscape.data.arrays import npz
from landscape.errors import ArgumentError, DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 10), dtype=np.uint8)
LABELS = np.array([0, 2, 1, 1, 0, 2])


@pytest.fixture
def write(tmp_path):
    def _write(**arrays):
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        return path

    return _write


@pytest.mark.parametrize(("images", "labels"), [("images", "labels"), ("x", "y"), ("data", "targets")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_one_pair_serves_both_splits(write, images, labels, split):
    path = write(**{images: IMAGES, labels: LABELS})
    samples = npz(path, split)
    assert np.array_equal(samples.inputs.numpy(), IMAGES)
    assert samples.targets.tolist() == LABELS.tolist()
    assert samples.targets.dtype == torch.int64
    assert samples.split == ""  # the file does not say
    assert samples.source == f"npz:{path}"
    assert samples.normalisation is None


def test_grey_images_get_a_channel(write):
    samples = npz(write(images=IMAGES[:, 0], labels=LABELS))
    assert np.array_equal(samples.inputs.numpy(), IMAGES[:, :1])


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (np.arange(12.0).reshape(6, 2) - 5, np.arange(6.0)),
        (np.arange(18).reshape(6, 3), np.arange(18).reshape(6, 3)),
        (IMAGES, IMAGES[:, 0].astype(np.int64)),
    ],
    ids=["a table", "tokens", "a class per pixel"],
)
def test_inputs_and_targets_stay_as_they_are(write, inputs, targets):
    samples = npz(write(inputs=inputs, targets=targets))
    assert np.array_equal(samples.inputs.numpy(), inputs)
    assert np.array_equal(samples.targets.numpy(), targets)
    assert len(npz(write(inputs=inputs, targets=targets), first=2)) == 2


def test_inputs_that_are_no_numbers_are_refused(write):
    with pytest.raises(DataError, match=r"'inputs' in .* expected an array of numbers"):
        npz(write(inputs=np.array(["a", "b"]), targets=np.arange(2)))


@pytest.mark.parametrize("keys", ["{}_images {}_labels", "x_{} y_{}", "{}_data {}_targets"])
def test_one_pair_per_split(write, keys):
    arrays = {}
    for split, count in (("train", 4), ("test", 2)):
        images, labels = (key.format(split) for key in keys.split())
        arrays |= {images: IMAGES[:count], labels: LABELS[:count]}
    path = write(**arrays)
    for split, count in (("train", 4), ("test", 2)):
        assert len(npz(path, split)) == count
        assert npz(path, split).split == split


def test_channels_last_becomes_channels_first(write):
    samples = npz(write(images=IMAGES.transpose(0, 2, 3, 1), labels=LABELS))
    assert np.array_equal(samples.inputs.numpy(), IMAGES)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_floats_keep_their_precision(write, dtype):
    floats = (IMAGES / 255).astype(dtype)
    samples = npz(write(images=np.asfortranarray(floats), labels=LABELS))
    assert np.array_equal(samples.inputs.numpy(), floats)
    assert samples.inputs.dtype.itemsize == floats.itemsize


def test_labels_in_a_column_and_class_names(write):
    samples = npz(write(images=IMAGES, labels=LABELS[:, None].astype(np.uint8), class_names=["a", "b", "c"]))
    assert samples.targets.tolist() == LABELS.tolist()
    assert samples.class_names == ("a", "b", "c")


def _but(value):
    floats = IMAGES / 255
    floats[2, 1, 3, 4] = value
    return floats


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": IMAGES, "labels": LABELS}, "no known pair .* its keys are: pictures, labels; expected"),
        ({"train_images": IMAGES, "train_labels": LABELS}, "no test pair .* or choose the other split"),
        (
            {"images": IMAGES, "labels": LABELS, "x": IMAGES, "y": LABELS},
            "could mean 'images' and 'labels' or 'x'",
        ),
        (
            {"images": IMAGES[0], "labels": LABELS},
            r"holds 3 images in 'images' but 6 labels",
        ),
        ({"images": IMAGES[:, :, :, :3], "labels": LABELS}, "both dimension 1 and dimension 3"),
        ({"images": np.zeros((6, 9, 8, 10), np.uint8), "labels": LABELS}, "neither dimension 1 nor 3"),
        ({"images": IMAGES.astype(int), "labels": LABELS}, "'images' .* is int64, expected uint8"),
        ({"images": IMAGES.astype(float), "labels": LABELS}, r"from 0 to 255, expected floats in \[0, 1\]"),
        ({"images": _but(-0.25), "labels": LABELS}, r"from -0\.25 to 1, expected floats in"),
        ({"images": _but(np.inf), "labels": LABELS}, "to inf, expected floats in"),
        ({"images": _but(np.nan), "labels": LABELS}, "'images' .* holds 1 NaN values"),
        ({"images": IMAGES, "labels": LABELS[:4]}, "6 images in 'images' but 4 labels in 'labels'"),
        ({"images": IMAGES, "labels": np.eye(6)}, r"'labels' .* float64 of shape \(6, 6\).*argmax"),
        (
            {"images": IMAGES, "labels": LABELS * 1.0},
            r"'labels' .* is float64 of shape \(6,\), expected integers",
        ),
        ({"images": IMAGES, "labels": LABELS - 1}, "holds the label -1, expected classes counted from 0"),
        (
            {"images": IMAGES, "labels": np.full(6, 2**63, np.uint64)},
            "holds the label 9223372036854775808, exp",
        ),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "holds no samples"),
        (
            {"images": np.array([{}], object), "labels": LABELS},
            "cannot read .*holds Python objects",
        ),
    ],
)
def test_contents_that_do_not_fit(write, arrays, message):
    with pytest.raises(DataError, match=message):
        npz(write(**arrays))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*missing\.npz"):
        npz(tmp_path / "missing.npz")


def test_unreadable_files(tmp_path, write):
    path = write(images=IMAGES, labels=LABELS)
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 0xFF
    np.save(tmp_path / "array.npy", IMAGES)
    for content in (b"", b"text", (tmp_path / "array.npy").read_bytes(), whole[:-100], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cannot read .*set\.npz as \.npz"):
            npz(path)
    with pytest.raises(DataError, match="cannot read"):
        npz(tmp_path)


def test_members_that_are_no_arrays(write):
    path = write(labels=LABELS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images", b"text")
    with pytest.raises(DataError, match="its keys are: labels;"):
        npz(path)


def test_unknown_split(write):
    with pytest.raises(ArgumentError, match="unknown split 'val'"):
        npz(write(images=IMAGES, labels=LABELS), "val")


def test_labels_from_one_are_refused_unless_names_show_otherwise(tmp_path):
    pixels = np.zeros((6, 3, 8, 8), np.uint8)
    np.savez(tmp_path / "one.npz", images=pixels, labels=[1, 2, 3, 1, 2, 3])
    with pytest.raises(DataError, match=r"labels 1 to 3 and no 0, .*subtract 1"):
        npz(tmp_path / "one.npz")
    np.savez(tmp_path / "named.npz", images=pixels, labels=[1, 2, 3, 1, 2, 3], class_names=list("abcd"))
    assert npz(tmp_path / "named.npz").targets.tolist() == [1, 2, 3, 1, 2, 3]
    np.savez(tmp_path / "gaps.npz", images=pixels, labels=[1, 5, 5, 1, 5, 5])
    assert npz(tmp_path / "gaps.npz").targets.max() == 5


def test_columns_of_small_integers_are_labels(tmp_path):
    column = np.arange(6, dtype=np.int32)[:, None]
    np.savez(tmp_path / "a.npz", images=np.zeros((6, 3, 8, 8), np.uint8), labels=column)
    assert npz(tmp_path / "a.npz").targets.tolist() == list(range(6))


def test_files_of_other_kinds_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"cannot read .*a\.png as \.npz: it is a PNG image"):
        npz(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"no folder .*a\.png \(it is a PNG image\)"):
        images(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"cannot read the folder .*it is a PNG image"):
        cifar10(tmp_path / "a.png")
