import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from landscape.analyses import Settings
from landscape.data import load
from landscape.data.folders import images
from landscape.data.pictures import shaped_for
from landscape.errors import DataError
from landscape.network import Network


def _save(path, value: int = 0, size: tuple[int, int] = (5, 4), mode: str = "RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


def test_classes_and_images_are_sorted_by_name(tmp_path):
    for value, name in enumerate(["dog/b.png", "cat/c.bmp", "dog/a.PNG", "cat/d.ppm"], start=1):
        _save(tmp_path / name, value)
    _save(tmp_path / "cat" / ".hidden.png")
    _save(tmp_path / ".cache" / "a.png")
    (tmp_path / "cat" / "notes.txt").touch()
    samples = images(tmp_path)
    assert samples.inputs.shape == (4, 3, 4, 5)
    assert samples.images()[:, 0, 0, 0].tolist() == [2, 4, 3, 1]
    assert samples.targets.tolist() == [0, 0, 1, 1]
    assert samples.class_names == ("cat", "dog")
    assert samples.source == f"images:{tmp_path}"
    assert samples.split == ""


def test_pixels_of_lossless_images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    (tmp_path / "cat").mkdir()
    Image.fromarray(pixels).save(tmp_path / "cat" / "a.png")
    assert np.array_equal(images(tmp_path).images()[0].numpy(), pixels.transpose(2, 0, 1))


def test_grey_and_jpeg_images_become_rgb(tmp_path):
    _save(tmp_path / "cat" / "a.jpg", 128, mode="L")
    _save(tmp_path / "cat" / "b.jpeg", 128, mode="L")
    assert (images(tmp_path).images() == 128).all()


def test_splits_share_their_classes(tmp_path):
    for name in ("train/ant/a.png", "train/bee/a.png", "train/cow/a.png", "test/ant/a.png", "test/cow/a.png"):
        _save(tmp_path / name)
    assert images(tmp_path, "train").targets.tolist() == [0, 1, 2]
    test = images(tmp_path, "test")
    assert test.targets.tolist() == [0, 2]
    assert test.class_names == ("ant", "bee", "cow")
    assert test.split == "test"


def test_a_class_may_be_called_train(tmp_path):
    for name in ("plane/a.png", "train/a.png"):
        _save(tmp_path / name)
    assert images(tmp_path).class_names == ("plane", "train")


def test_missing_split(tmp_path):
    _save(tmp_path / "train" / "cat" / "a.png")
    _save(tmp_path / "val" / "cat" / "a.png")
    with pytest.raises(DataError, match=r"no 'test' folder of classes, only 'train'; .*images:.*/NAME"):
        images(tmp_path, "test")
    assert len(images(tmp_path / "val", "test")) == 1


def test_first_image_of_another_size_is_named(tmp_path):
    for name in ("cat/a.png", "cat/b.png", "dog/a.png"):
        _save(tmp_path / name)
    _save(tmp_path / "cat" / "c.png", size=(6, 4))
    _save(tmp_path / "dog" / "b.png", size=(7, 4))
    message = r"c\.png is 6×4 pixels \(width × height\), but .*cat.a\.png is 5×4; bring all"
    with pytest.raises(DataError, match=message):
        images(tmp_path).images()
    assert len(images(tmp_path).take(2).images()) == 2  # the others are never opened


def test_resized_and_cropped_as_torchvision_does_it(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    (tmp_path / "cat").mkdir()
    Image.fromarray(pixels).save(tmp_path / "cat" / "a.png")
    _save(tmp_path / "cat" / "b.png", 100, size=(20, 10))
    shaped = load(f"images:{tmp_path},resize=6,crop=5").images()
    assert shaped.shape == (2, 3, 5, 5)
    # The shorter side becomes 6, the longer one ⌊6 · 14 / 9⌋ = 9, and the crop begins at (0, 2).
    expected = np.asarray(Image.fromarray(pixels).resize((9, 6), Image.Resampling.BILINEAR))[0:5, 2:7]
    assert np.array_equal(shaped[0].numpy(), expected.transpose(2, 0, 1))
    grey = load(f"images:{tmp_path},resize=6,crop=6,channels=1")
    assert grey.images().shape == (2, 1, 6, 6)
    assert grey.source == f"images:{tmp_path},resize=6,crop=6,channels=1"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("crop=50", "less than the 50 to be cut from its middle; give resize=50"),
        ("resize=100000", "resize goes from 1 to 8,192"),
        ("size=8", "'size' is no option of these data; there are resize, crop, squash, channels"),
        ("crop=a", "crop is 'a', expected a whole number"),
        ("channels=2", "3 channels"),
        ("interpolation=best", "choose one of nearest, bilinear"),
    ],
)
def test_shapes_that_cannot_be_made_are_refused(tmp_path, options, words):
    _save(tmp_path / "cat" / "a.png")
    with pytest.raises(DataError, match=words):
        load(f"images:{tmp_path},{options}")


def test_images_take_the_shape_of_a_networks_usual_evaluation(tmp_path):
    _save(tmp_path / "cat" / "a.png", 1, size=(20, 12))
    _save(tmp_path / "cat" / "b.png", 2, size=(14, 30))
    network = Network(nn.Flatten(), shaping={"resize": 10, "crop": 8})
    settings = Settings(data=f"images:{tmp_path}", at_most=True)
    samples = shaped_for(settings.load_samples(), network.shaping)
    assert samples.images().shape == (2, 3, 8, 8)
    assert samples.source == f"images:{tmp_path},resize=10,crop=8"
    given = load(f"images:{tmp_path},resize=6,crop=6")
    assert shaped_for(given, network.shaping) is given
    assert shaped_for(settings.load_samples(), {}).source == f"images:{tmp_path}"


def test_a_comma_may_belong_to_the_path(tmp_path):
    _save(tmp_path / "a,b" / "cat" / "a.png")
    assert load(f"images:{tmp_path}/a,b").images().shape == (1, 3, 4, 5)


def test_what_was_read_is_kept(tmp_path, monkeypatch):
    for name in "abc":
        _save(tmp_path / "cat" / f"{name}.png", ord(name))
    samples = images(tmp_path)
    first = samples.images()
    monkeypatch.setattr(Image, "open", None)
    assert torch.equal(samples.select([2, 0]).images(), first[[2, 0]])


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_damaged_images_are_named(tmp_path, share, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    (tmp_path / "cat").mkdir()
    path = tmp_path / "cat" / f"broken.{suffix}"
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=rf"cannot read the image .*broken\.{suffix}: .*repair or remove"):
        images(tmp_path)


def test_deeper_pixels_are_not_clipped_silently(tmp_path):
    _save(tmp_path / "cat" / "a.png", 1000, mode="I;16")
    with pytest.raises(DataError, match=r"a\.png has pixels of mode 'I;16', expected 8 bits"):
        images(tmp_path)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"there is no folder .*missing"):
        images(tmp_path / "missing")
    with pytest.raises(DataError, match=r"no images in the class folders of .*\(there are none\)"):
        images(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match=r"no images .*\(cat\); expected CLASS/NAME"):
        images(tmp_path)
    with pytest.raises(DataError, match="unknown split"):
        images(tmp_path, "val")


def test_labels_are_those_of_the_training_images_whatever_lies_beside_them(tmp_path):
    for name in ("train/n01/a.png", "train/n02/b.png", "test/images/c.png"):
        _save(tmp_path / name)
    assert images(tmp_path, "train").targets.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"test holds class folders that .*train has not: images"):
        images(tmp_path, "test")


def test_images_in_folders_of_a_class_are_its_images(tmp_path):
    for value, name in enumerate(["cat/images/b.png", "cat/a.png", "dog/x/y/c.png", "dog/.no/d.png"]):
        _save(tmp_path / name, value)
    samples = images(tmp_path)
    assert samples.images()[:, 0, 0, 0].tolist() == [1, 0, 2]
    assert samples.targets.tolist() == [0, 0, 1]


def test_squashed_whatever_the_proportions(tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8))
    (tmp_path / "cat").mkdir()
    picture.save(tmp_path / "cat" / "a.png")
    found = load(f"images:{tmp_path},squash=8,interpolation=bicubic").images()[0].numpy()
    expected = np.asarray(picture.resize((8, 8), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    assert np.array_equal(found, expected)
    with pytest.raises(DataError, match="leave resize and crop out"):
        load(f"images:{tmp_path},squash=8,crop=4")
