"""Targets that are no classes, samples that do not count, and predictions that tie."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landscape import Network, Objective, analyses, predictive, tasks
from landscape.errors import LandscapeError
from landscape.features import frequency_noise

COUNT, CLASSES = 40, 4
INPUTS = torch.randn(COUNT, 6, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(COUNT) % CLASSES


def network(out: int = CLASSES) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, out))


def test_of_equal_logits_the_first_is_the_prediction_as_everywhere():
    tied = network()
    nn.init.zeros_(tied[2].weight)
    nn.init.zeros_(tied[2].bias)
    targets = torch.where(torch.arange(COUNT) < 25, 0, TARGETS)
    objective = Objective(tied, (INPUTS, targets))
    plain = float((tied(INPUTS).argmax(1) == targets).double().mean())
    assert float(predictive.evaluate(objective).accuracy) == plain
    surface = analyses.surface(objective, span=0.1, steps=3)
    assert float(surface.accuracy[1, 1]) == plain
    assert float(predictive.ensemble([objective, objective]).accuracy[-1]) == plain


def test_samples_that_the_loss_ignores_are_neither_right_nor_wrong():
    net = network()
    targets = net(INPUTS).argmax(1)
    targets[: COUNT // 2] = -100
    objective = Objective(net, (INPUTS, targets), loss=nn.CrossEntropyLoss(reduction="none"))
    surface = analyses.surface(objective, span=0.1, steps=3)
    assert float(surface.accuracy[1, 1]) == 1
    confidence = net(INPUTS[COUNT // 2 :]).softmax(1).amax(1)
    assert float(surface.ece[1, 1]) == pytest.approx(1 - float(confidence.mean()), abs=1e-6)
    losses, right = objective.sample_losses()
    assert right is None
    assert float(losses.mean()) == pytest.approx(float(F.cross_entropy(net(INPUTS), targets)), rel=1e-6)
    with pytest.raises(LandscapeError, match=r"target -100 is none .* leave samples out that do not count"):
        predictive.evaluate(objective)


def test_of_probabilities_as_targets_the_loss_alone_is_known():
    net, soft = network(), torch.randn(COUNT, CLASSES, generator=torch.Generator().manual_seed(1)).softmax(1)
    found = predictive.evaluate(Objective(net, (INPUTS, soft)))
    assert float(found.mean_nll) == pytest.approx(float(F.cross_entropy(net(INPUTS), soft)), rel=1e-6)
    assert "accuracy" not in found


def images(out: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, out))


UNFIT: dict[str, tuple[int, Tensor, tasks.Task]] = {
    "probabilities": (CLASSES, torch.full((8, CLASSES), 1 / CLASSES), tasks.classification()),
    "labels": (CLASSES, torch.ones(8, CLASSES), tasks.multi_label()),
    "yes or no": (1, torch.ones(8), tasks.binary()),
}


@pytest.mark.parametrize("kind", UNFIT)
@pytest.mark.parametrize("measure", [predictive.ensemble, predictive.attack, frequency_noise])
def test_what_needs_classes_says_so(measure, kind: str):
    out, targets, task = UNFIT[kind]
    pictures = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    objective = Objective(Network(images(out)), (pictures, targets), task=task)
    with pytest.raises(LandscapeError, match="this measure needs logits of two classes or more"):
        measure([objective] if measure is predictive.ensemble else objective)
