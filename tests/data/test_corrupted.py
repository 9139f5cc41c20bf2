import numpy as np
import pytest
import torch

from landscape.data.conventions import NORMALISATIONS
from landscape.data.corrupted import CORRUPTIONS, PERTURBATIONS, SEVERITIES, corrupted, perturbed
from landscape.errors import DataError

COUNT = 4


@pytest.fixture
def folder(tmp_path):
    """Four test images; the first pixel says severity, image and colour."""
    images = np.zeros((5 * COUNT, 32, 32, 3), np.uint8)
    for severity in SEVERITIES:
        for image in range(COUNT):
            images[(severity - 1) * COUNT + image, 0, 1] = [severity, image, 7]
    np.save(tmp_path / "fog.npy", images)
    np.save(tmp_path / "labels.npy", np.tile(np.array([3, 8, 8, 0], np.uint8), 5))
    return tmp_path


def _sequences(path, shape=(2, 6, 32, 32, 3)):
    np.save(path, np.arange(np.prod(shape), dtype=np.uint8).reshape(shape))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_severities_are_blocks_of_the_test_images(folder, severity):
    samples = corrupted(folder, "fog", severity)
    assert samples.inputs.shape == (COUNT, 3, 32, 32)
    assert samples.inputs.dtype == torch.uint8
    assert samples.inputs[:, :, 0, 1].tolist() == [[severity, image, 7] for image in range(COUNT)]
    assert samples.inputs[:, :, 1, 0].eq(0).all()
    assert samples.targets.tolist() == [3, 8, 8, 0]
    assert samples.targets.dtype == torch.int64
    assert samples.indices.tolist() == [0, 1, 2, 3]
    assert samples.split == "test"
    assert samples.source.endswith(f"fog at severity {severity}")


def test_positions_choose_images_in_their_order(folder):
    samples = corrupted(folder, "fog", 5, positions=[2, 0])
    assert samples.inputs[:, :, 0, 1].tolist() == [[5, 2, 7], [5, 0, 7]]
    assert samples.targets.tolist() == [8, 3]
    assert samples.indices.tolist() == [2, 0]
    with pytest.raises(DataError, match=r"image 4 was asked for, but .* holds the 4 test images 0 to 3"):
        corrupted(folder, "fog", 1, positions=[1, 4])


def test_the_normalisation_is_that_of_the_set(folder):
    assert corrupted(folder, "fog", 1).normalisation == NORMALISATIONS["cifar10"]
    np.save(folder / "labels.npy", np.tile([3, 8, 99, 0], 5))
    assert corrupted(folder, "fog", 1).normalisation == NORMALISATIONS["cifar100"]


def test_the_samples_do_not_hold_the_file(folder):
    samples = corrupted(folder, "fog", 1)
    samples.inputs.add_(1)
    assert np.load(folder / "fog.npy")[0, 0, 1].tolist() == [1, 0, 7]


def test_sequences_stay_on_disk(tmp_path):
    _sequences(tmp_path / "tilt.npy")
    frames = perturbed(tmp_path, "tilt")
    assert isinstance(frames, np.memmap)
    assert frames.shape == (2, 6, 32, 32, 3)
    np.testing.assert_array_equal(frames, np.load(tmp_path / "tilt.npy"))
    with pytest.raises(ValueError, match="read-only"):
        frames[0] = 0


def test_the_published_names():
    assert len(set(CORRUPTIONS)) == 15
    assert len(set(PERTURBATIONS)) == 10


def test_missing_files_say_what_is_there(folder, tmp_path):
    with pytest.raises(DataError, match=r"no snow\.npy in .*, which holds fog, labels; give the folder"):
        corrupted(folder, "snow", 1)
    with pytest.raises(DataError, match=r"which holds no \.npy file"):
        perturbed(tmp_path / "nowhere", "tilt")
    (folder / "labels.npy").unlink()
    with pytest.raises(DataError, match=r"no labels\.npy in"):
        corrupted(folder, "fog", 1)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((20, 32, 32, 3), np.float32), "holds float32 of shape"),
        (np.zeros((20, 3, 32, 32), np.uint8), r"expected uint8 of shape \(…, height, width, 3\)"),
        (np.zeros((16, 32, 32, 3), np.uint8), r"has the shape \(16, 32, 32, 3\), expected \(20, 32, 32, 3\)"),
        (np.zeros((4, 5, 32, 32, 3), np.uint8), r"expected \(20, 32, 32, 3\)"),
        (np.zeros((0, 32, 32, 3), np.uint8), "expected uint8 of shape"),
    ],
)
def test_images_of_another_layout_are_refused(folder, images, message):
    np.save(folder / "fog.npy", images)
    with pytest.raises(DataError, match=message):
        corrupted(folder, "fog", 1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((20, 1), np.int64), "five times over"),
        (np.zeros(20), "holds float64"),
        (np.zeros(19, np.int64), "five times over"),
        (np.arange(20), "differ, or are negative"),
        (np.full(20, -1), "differ, or are negative"),
    ],
)
def test_labels_of_another_layout_are_refused(folder, labels, message):
    np.save(folder / "labels.npy", labels)
    with pytest.raises(DataError, match=message):
        corrupted(folder, "fog", 1)


def test_damaged_files_are_refused(folder):
    whole = (folder / "fog.npy").read_bytes()
    for content in (whole[:5000], b"", b"not an array", whole[:20]):
        (folder / "fog.npy").write_bytes(content)
        with pytest.raises(DataError, match="not a readable"):
            corrupted(folder, "fog", 1)


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the file was executed",))


def test_nothing_in_a_file_is_executed(folder):
    np.save(folder / "fog.npy", np.array([_Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not a readable"):
        corrupted(folder, "fog", 1)


def test_an_archive_is_no_array(folder):
    with open(folder / "fog.npy", "wb") as stream:
        np.savez(stream, images=np.zeros(3))
    with pytest.raises(DataError, match="archive of several arrays"):
        corrupted(folder, "fog", 1)


def test_wrong_names_and_severities_are_refused(folder):
    with pytest.raises(DataError, match="unknown corruption 'rain'; choose from gaussian_noise"):
        corrupted(folder, "rain", 1)
    with pytest.raises(DataError, match="got 0"):
        corrupted(folder, "fog", 0)
