import pytest

from landscape.data.cifar import cifar10
from landscape.data.conventions import NORMALISATIONS, check_split
from landscape.errors import DataError


@pytest.mark.parametrize("split", ["val", "", "Train", None])
def test_other_splits_are_refused(split):
    with pytest.raises(DataError, match="choose 'train' or 'test'"):
        check_split(split)


def test_constants_fit_real_training_images(shared_data):
    samples = cifar10(shared_data, "train")
    usual = NORMALISATIONS["cifar10"]
    for channel in range(3):
        scaled = samples.inputs[:, channel].double() / 255
        assert abs(scaled.mean() - usual.mean[channel]) < 5e-3  # one batch of five
        assert abs(scaled.std() - usual.std[channel]) < 5e-3
