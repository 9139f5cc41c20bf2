"""Checkpoints that other projects trained open, and score what they scored, over the first test images."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import landscape as ls
from landscape.errors import CheckpointError

_MEAN = (0.4914, 0.4822, 0.4465)
A, B = (_MEAN, (0.2023, 0.1994, 0.2010)), (_MEAN, (0.2471, 0.2435, 0.2616))
C, NONE = ((0.485, 0.456, 0.406), (0.225,) * 3), ((0.0,) * 3, (1.0,) * 3)
ROWS = [
    ("cifar_cnn_a_adv.model", A, 0.703, 0.89113),
    ("cifar_cnn_a_adv_alt.model", A, 0.739, 0.81567),
    ("cifar_cnn_a_mix.model", A, 0.776, 0.67154),
    ("oval_cifar_wide.pth", C, 0.636, 1.06480),
    ("oval_cifar_base.pth", C, 0.611, 1.15368),
    ("convex_cifar_small_8px.pth", C, 0.312, 1.98792),
    ("cifar_marabou_small.pth", NONE, 0.630, 1.05440),
]


class Block(nn.Module):
    """Two convolutions with biases, without BatchNorm."""

    def __init__(self, width, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1)
        self.shortcut = nn.Sequential(nn.Conv2d(width, out, 1, stride)) if stride > 1 else nn.Sequential()

    def forward(self, x):
        return torch.relu(self.conv2(torch.relu(self.conv1(x))) + self.shortcut(x))


class Small(nn.Module):
    """A residual network that only its code tells."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1)
        self.layer1 = nn.Sequential(Block(8, 16, 2), Block(16, 16, 1))
        self.linear1, self.linear2 = nn.Linear(1024, 100), nn.Linear(100, 10)

    def forward(self, x):
        x = self.layer1(torch.relu(self.conv1(x)))
        return self.linear2(torch.relu(self.linear1(x.flatten(1))))


@pytest.fixture(scope="module")
def foreign(shared_data):
    folder = shared_data / "foreign"
    if not folder.is_dir():
        pytest.skip(f"no checkpoints of other projects in {folder}")
    return folder


@pytest.fixture(scope="module")
def images(shared_data):
    return ls.data.cifar10(shared_data / "cifar-10-batches-bin", split="test").take(1000)


def scores(network, samples, normalisation):
    """Accuracy and mean loss, in plain PyTorch."""
    inputs = ls.Normalisation(*normalisation)(samples.inputs.float() / 255)
    with torch.no_grad():
        logits = torch.cat([network.module(part) for part in inputs.split(250)])
    loss = functional.cross_entropy(logits, samples.targets)
    return float((logits.argmax(1) == samples.targets).float().mean()), float(loss)


@pytest.mark.parametrize(("name", "normalisation", "accuracy", "loss"), ROWS, ids=[row[0] for row in ROWS])
def test_plain_chains_open_by_themselves(foreign, images, name, normalisation, accuracy, loss):
    network = ls.load(foreign / name)
    found = scores(network, images, normalisation)
    assert found == (pytest.approx(accuracy, abs=1e-6), pytest.approx(loss, abs=1e-4))
    assert "relu between the layers (activation=…), which is assumed" in network.notes[-1]
    if name.startswith("convex"):
        assert "3 sets of weights that fit: 'state_dict.0' is taken" in network.notes[0]


def test_a_residual_network_of_its_own_opens_with_its_code(foreign, images):
    with pytest.raises(CheckpointError, match=r"cannot tell .*layer1\.0\.shortcut\.0 8→16 1×1"):
        ls.load(foreign / "resnet2b.pth")
    network = ls.load(foreign / "resnet2b.pth", Small)
    assert scores(network, images, B) == (pytest.approx(0.703), pytest.approx(0.89102, abs=1e-4))
    assert network.beside["test_acc"] == 0.6925


def test_a_resnet_under_other_names_opens_by_itself(foreign):
    network = ls.load(foreign / "pyhessian_resnet20.pkl")
    assert network.config["shortcut"] == "B"
    demo = ls.data.demo()
    assert scores(network, demo.take(1000), B)[0] == pytest.approx(0.918, abs=2e-3)


def test_a_keras_file_says_what_it_is(foreign):
    with pytest.raises(
        CheckpointError, match="is an HDF5 file, as Keras writes its weights; copy its weights"
    ):
        ls.load(foreign / "mlperf_tiny_resnet8.h5")
