"""What people pass: accepted where its meaning is plain, else refused with the remedy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from landscape import hessian
from landscape.errors import LandscapeError
from landscape.network import Network
from landscape.objective import Objective

COUNT, FEATURES, CLASSES = 10, 6, 3
X = torch.randn(COUNT, FEATURES, generator=torch.Generator().manual_seed(0))
Y = torch.arange(COUNT) % CLASSES


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(FEATURES, 5), nn.Tanh(), nn.Linear(5, CLASSES)).eval()


def plain() -> float:
    return float(F.cross_entropy(network()(X), Y))


@pytest.mark.parametrize(
    "data",
    [
        (X.numpy(), Y.numpy()),
        (X.double().numpy().astype(">f8"), Y.numpy().astype(np.int16)),
        [X, Y],
        (X, Y[:, None]),
        (X, Y.int()),
        (X, Y.to(torch.uint8)),
        TensorDataset(X, Y),
        DataLoader(TensorDataset(X, Y), 4, shuffle=True),
    ],
    ids=[
        "arrays",
        "arrays of other types",
        "a list",
        "a column of labels",
        "int32 labels",
        "uint8 labels",
        "Dataset",
        "DataLoader",
    ],
)
def test_data_whose_meaning_is_plain(data):
    assert Objective(network(), data).value().nll == pytest.approx(plain(), rel=1e-5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (TensorDataset(X, Y, Y), "a sample of the data set is a list of 3"),
        (TensorDataset(X, Y + 7), "none of the 3 classes"),
        ((X, Y, Y), "3 parts, expected a pair"),
        (X, "a Tensor, expected samples in a fixed order"),
        ((X, "labels"), "targets are a str"),
        (([1.0], Y), "inputs are a list"),
        ((X, Y + 1), "subtract 1"),
        ((X, Y - 1), "target -1"),
        ((X, Y + 7), "none of the 3 classes"),
        ((X, Y.float()), "one class index"),
        ((X[:, :4], Y), "fails on inputs of shape"),
    ],
    ids=[
        "a Dataset of three",
        "classes of a Dataset",
        "three",
        "inputs alone",
        "str",
        "list",
        "from 1",
        "-1",
        "9",
        "float",
        "shape",
    ],
)
def test_data_that_are_refused(data, message: str):
    with pytest.raises(LandscapeError, match=message):
        Objective(network(), data).value()


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda module: torch.compile(module)])
def test_wrappers_are_taken_off(wrap):
    objective = Objective(wrap(network()), (X, Y))
    assert objective.value().nll == pytest.approx(plain(), rel=1e-5)
    assert list(objective.parameters) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    objective = Objective(Network(wrap(network()), name="wrapped"), (X, Y))
    assert objective.network.name == "wrapped"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: torch.jit.script(network()), "TorchScript"),
        (lambda: nn.Sequential(torch.jit.script(nn.Linear(FEATURES, CLASSES))), "layer '0' is a TorchScript"),
        (
            lambda: nn.Sequential(nn.LazyLinear(CLASSES)),
            "layer '0' is a lazy LazyLinear.*run the net",
        ),
        (lambda: network().state_dict(), "OrderedDict, expected an nn.Module"),
        (lambda: nn.Identity(), "no floating-point parameters"),
    ],
    ids=["script", "scripted layer", "lazy", "state dict", "no parameters"],
)
def test_networks_that_are_refused(make, message: str):
    with pytest.raises(LandscapeError, match=message):
        Objective(make(), (X, Y)).value()


class Mapping(nn.Module):
    def __init__(self, wrap) -> None:
        super().__init__()
        self.inner, self.wrap = network(), wrap

    def forward(self, x: Tensor):
        return self.wrap(self.inner(x))


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (lambda z: {"scores": z, "loss": None}, r"dict with 'scores', 'loss'.*outputs\[.scores.\]"),
        (lambda z: (z, z), r"tuple of 2.*outputs\[0\]"),
        (lambda z: [z], r"list of 1.*outputs\[0\]"),
        (lambda z: None, "NoneType"),
    ],
)
def test_outputs_that_are_no_tensor_name_what_to_wrap(wrap, message: str):
    with pytest.raises(LandscapeError, match=message):
        Objective(Mapping(wrap), (X, Y)).value()


def test_a_loss_that_fails_is_named():
    with pytest.raises(LandscapeError, match="the loss MSELoss fails on outputs of shape"):
        Objective(network(), (X, torch.randn(COUNT, 4)), loss=nn.MSELoss(reduction="none")).value()


def test_an_ensemble_needs_classes():
    class Column(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Dropout(0.5), nn.Linear(FEATURES, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)[:, 0]

    objective = Objective(Column(), (X, X[:, 0]), loss=lambda o, t: (o - t) ** 2, dropout="ensemble:3")
    with pytest.raises(LandscapeError, match="averages the probabilities of classes"):
        objective.value()


# Parameters that cannot move


class Ordered(nn.Module):
    """Whole numbers kept as a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.order = nn.Parameter(torch.arange(FEATURES).flip(0), requires_grad=False)
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x[:, self.order])


def test_whole_numbers_are_never_free():
    torch.manual_seed(0)
    module = Ordered()
    for params in (None, "*"):
        objective = Objective(module, (X, Y), params=params)
        assert list(objective.free) == ["head.weight", "head.bias"]
        assert objective.value().nll == pytest.approx(float(F.cross_entropy(module(X), Y)), rel=1e-6)
    with pytest.raises(LandscapeError, match="no parameter matches 'order'"):
        Objective(module, (X, Y), params="order")


def test_frozen_parameters_are_left_out_by_default():
    module = network()
    for parameter in module[0].parameters():
        parameter.requires_grad_(False)
    objective = Objective(module, (X, Y))
    assert list(objective.free) == ["2.weight", "2.bias"]
    assert objective.protocol()["params"] == "trainable"
    assert list(Objective(module, (X, Y), params="trainable").free) == list(objective.free)
    assert list(Objective(module, (X, Y), params="*").free) == list(objective.parameters)
    expected = hessian.top_eigenvalues(Objective(network(), (X, Y), params="2.*"), k=1).eigenvalue
    found = hessian.top_eigenvalues(objective, k=1).eigenvalue
    assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-4)


def test_a_network_that_is_frozen_as_a_whole_is_free():
    module = network().requires_grad_(False)
    objective = Objective(module, (X, Y))
    assert list(objective.free) == list(objective.parameters)
    assert objective.protocol()["params"] == "*"
    assert float(hessian.top_eigenvalues(objective, k=1).eigenvalue[0]) > 0


class Spectral(nn.Module):
    """A complex weight and a complex buffer between Fourier transforms, or the same as pairs of reals."""

    def __init__(self, real: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        weight = 0.5 * torch.randn(FEATURES // 2 + 1, dtype=torch.cfloat)
        self.real, self.head = real, nn.Linear(FEATURES, CLASSES)
        self.weight = nn.Parameter(torch.view_as_real(weight).clone() if real else weight)
        self.register_buffer("shift", torch.full((FEATURES // 2 + 1,), 0.1 + 0.2j))

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.view_as_complex(self.weight) if self.real else self.weight
        return self.head(torch.tanh(torch.fft.irfft(torch.fft.rfft(x) * weight + self.shift, n=FEATURES)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_complex_parameters_are_pairs_of_reals(dtype: torch.dtype):
    ours, pairs = (Objective(Spectral(real), (X, Y), dtype=dtype, weight_decay=0.1) for real in (False, True))
    assert ours.value().nll == pytest.approx(pairs.value().nll, rel=1e-6)
    assert ours.value().l2 == pytest.approx(pairs.value().l2, rel=1e-6)
    for one, other in zip(ours.gradient().values(), pairs.gradient().values(), strict=True):
        torch.testing.assert_close(one, other)
    first, second = (hessian.top_eigenvalues(each, k=2).eigenvalue.values for each in (ours, pairs))
    np.testing.assert_allclose(first, second, rtol=1e-3)


# BatchNorm statistics that are estimated anew


class Frozen(nn.Module):
    """Statistics of BatchNorm that are nobody's to estimate."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.register_buffer("running_mean", torch.randn(3, generator=generator))
        self.register_buffer("running_var", torch.rand(3, generator=generator) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.running_mean[:, None, None]) / self.running_var[:, None, None].sqrt()


@pytest.mark.parametrize("norm", [Frozen, lambda: nn.InstanceNorm2d(3, track_running_stats=True)])
def test_only_batchnorm_is_recalibrated(norm):
    torch.manual_seed(0)
    layer = norm()
    module = nn.Sequential(nn.Conv2d(2, 3, 3), layer, nn.Tanh(), nn.Flatten(), nn.Linear(48, CLASSES)).eval()
    layer.running_mean.add_(0.3)
    images = torch.rand(COUNT, 2, 6, 6)
    values = [Objective(module, (images, Y), batch_norm=mode).value().nll for mode in ("eval", "recalibrate")]
    assert values[0] == values[1]


def test_a_batchnorm_that_stays_in_eval_mode_keeps_its_statistics():
    class Still(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), Still(3), nn.Flatten(), nn.Linear(48, CLASSES)).eval()
    module[1].running_mean.add_(0.3)
    images = torch.rand(COUNT, 2, 6, 6)
    expected = float(F.cross_entropy(module(images), Y))
    assert Objective(module, (images, Y), batch_norm="recalibrate").value().nll == pytest.approx(
        expected, rel=1e-5
    )
