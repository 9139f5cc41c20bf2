"""What the fair test's numbers are held against agrees with the package on a small network."""

import pytest

from benchmarks.remeasured import Images, largest_eigenvalue
from landscape import Network, Objective
from landscape.hessian import max_eigenvalue_spectrum
from tests import build

SIZE = 6


def dropping(count: int) -> tuple[Network, Images, Objective]:
    """A network with MC dropout, its augmented images as plain tensors, and the objective over them."""
    network = Network(build.zoo("cifar-resnet8:width=4,dropout=0.3", seed=0).float())
    samples = build.images(count, 32, "bytes")
    network = network.normalised_for(samples, build.USUAL)
    objective = Objective(network, samples.augmented(0), dropout="fresh")
    return network, Images(samples, network, moved=True), objective


def test_loss_of_one_draw() -> None:
    network, images, objective = dropping(SIZE)
    logits = images.logits(network.module.eval(), 3)
    rows = range(SIZE)
    plain = -logits.log_softmax(1)[rows, images.targets].mean()
    assert float(plain) == pytest.approx(objective.value(draw=3).nll, rel=1e-5)


@pytest.mark.parametrize("dropout", [True, False])
def test_largest_eigenvalue_of_second_mini_batch(dropout: bool) -> None:
    network, images, objective = dropping(2 * SIZE)
    objective = objective.replace(dropout="fresh" if dropout else "off")
    found = max_eigenvalue_spectrum(objective, batch_size=SIZE, tolerance=1e-4)
    plain = largest_eigenvalue(network.module.eval(), images, 1, size=SIZE, dropout=dropout)
    assert plain == pytest.approx(float(found.eigenvalue[1, 0]), rel=1e-3)
