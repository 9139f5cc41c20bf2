"""The surface of a bowl in closed form, its centre to the last bit, and values kept as measured."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.parameters import norm, shifted
from landscape.surface import plane, random_directions
from tests.cases import BY_NAME, CASES


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (logits - F.one_hot(targets, logits.shape[1])).square().sum(1)


def test_a_quadratic_bowl_in_closed_form():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 3, (7,), generator=generator)
    module = nn.Linear(4, 3, bias=False, dtype=torch.float64)
    module.weight.data = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    objective = Objective(
        module, (inputs, targets), loss=squared_error, dtype=torch.float64, weight_decay=0.2
    )
    delta, eta = random_directions(objective, seed=1)
    surface = plane(objective, (delta, eta), span=0.5, steps=5)

    x_data, onehot = inputs.numpy(), np.eye(3)[targets.numpy()]
    weight, d, e = (p["weight"].numpy() for p in (objective.parameters, delta, eta))
    np.testing.assert_array_equal(surface.x, [-0.5, -0.25, 0, 0.25, 0.5])
    for y in surface.y.values:
        for x in surface.x.values:
            there = weight + x * d + y * e
            losses = 0.5 * ((x_data @ there.T - onehot) ** 2).sum(1)
            cell = surface.sel(x=x, y=y)
            assert float(cell.nll) == pytest.approx(losses.mean(), rel=1e-12)
            assert float(cell.standard_error) == pytest.approx(losses.std(ddof=1) / 7**0.5, rel=1e-12)
            assert float(cell.l2) == pytest.approx(0.1 * (there**2).sum(), rel=1e-12)
            right = (x_data @ there.T).argmax(1) == targets.numpy()
            assert float(cell.accuracy) == pytest.approx(right.mean())
    assert float(surface.x_norm) == pytest.approx(np.linalg.norm(d), rel=1e-12)
    assert float(surface.y_norm) == pytest.approx(np.linalg.norm(e), rel=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_centre_is_the_evaluated_loss_exactly(case, dtype: torch.dtype):
    objective = case.objective(dtype=dtype)
    surface = plane(objective, random_directions(objective), span=0.3, steps=3)
    centre, value = surface.sel(x=0, y=0), objective.value()
    assert (float(centre.nll), float(centre.l2)) == (value.nll, value.l2)
    assert surface.nll.values.std() > 0


def test_dimensions_and_progress():
    seen = []

    def progress(items, label, total):
        seen.append((label, total))
        return items

    objective = BY_NAME["conv"].objective()
    surface = plane(objective, random_directions(objective), steps=3, progress=progress)
    assert seen == [("surface", 9)]
    for name in ("nll", "standard_error", "l2", "accuracy", "samples", "done"):
        assert surface[name].dims == ("y", "x")
    assert surface.done.values.all()
    assert (surface.samples == 5).all()
    np.testing.assert_array_equal(surface.y, [-1, 0, 1])


def test_one_sample_has_no_standard_error():
    objective = BY_NAME["conv"].objective().subset(0, 1)
    assert np.isnan(plane(objective, random_directions(objective), steps=3).standard_error).all()


class Cliff(nn.Module):
    """NaN on one side, infinity on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.weight.sqrt() + torch.exp(1000 * (self.weight - 1)))


def test_values_that_are_not_finite_are_kept():
    data = torch.ones(2, 1), torch.zeros(2, dtype=torch.int64)
    objective = Objective(Cliff(), data, loss=lambda logits, targets: logits[:, 0])
    step = {"weight": torch.ones(1, 1)}
    surface = plane(objective, (step, {"weight": torch.zeros(1, 1)}), span=2.0, steps=5)
    np.testing.assert_allclose(surface.nll.sel(y=0), [np.nan, 0, 2, np.inf, np.inf], atol=1e-6)
    assert surface.done.values.all()


def test_with_fresh_dropout_each_point_has_masks_that_can_be_drawn_again():
    objective = BY_NAME["mc-dropout"].objective(dropout="fresh")
    directions = random_directions(objective)
    surface = plane(objective, directions, span=0.2, steps=3)
    for index, (row, column) in enumerate(np.ndindex(3, 3)):
        x, y = float(surface.x[column]), float(surface.y[row])
        theta = shifted(objective.parameters, (x, directions[0]), (y, directions[1]))
        assert float(surface.nll[row, column]) == objective.value(theta, draw=1 + index).nll


def test_fresh_masks_differ_between_points():
    objective = BY_NAME["mc-dropout"].objective(dropout="fresh")
    nowhere = {name: torch.zeros_like(value) for name, value in objective.free.items()}
    values = plane(objective, (nowhere, nowhere), steps=3).nll.values
    assert len(np.unique(values)) > 5
    fixed = BY_NAME["mc-dropout"].objective()
    assert len(np.unique(plane(fixed, (nowhere, nowhere), steps=3).nll.values)) == 1


def test_only_the_chosen_parameters_move():
    objective = BY_NAME["subset"].objective()
    delta, eta = random_directions(objective)
    surface = plane(objective, (delta, eta), span=0.5, steps=3)
    moved = {name: value.clone() for name, value in objective.parameters.items()}
    moved["0.weight"] += 0.5 * delta["0.weight"] - 0.5 * eta["0.weight"]
    value = objective.value(moved)
    assert float(surface.sel(x=0.5, y=-0.5).nll) == pytest.approx(value.nll, rel=1e-13)
    assert float(surface.sel(x=0.5, y=-0.5).l2) == pytest.approx(value.l2, rel=1e-13)
    assert norm(delta) == pytest.approx(float(objective.parameters["0.weight"].norm()))


def test_the_objective_is_where_it_was():
    objective, state = BY_NAME["conv-bn"].objective(), torch.get_rng_state()
    before = objective.value()
    plane(objective, random_directions(objective), steps=3)
    assert objective.value() == before
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"steps": 4}, "odd number of points per side, at least 3, got 4"),
        ({"steps": 1}, "at least 3, got 1"),
        ({"steps": -3}, "at least 3, got -3"),
        ({"span": 0.0}, "the span must be positive and finite, got 0.0"),
        ({"span": -1.0}, "got -1.0"),
        ({"span": float("nan")}, "got nan"),
        ({"span": float("inf")}, "got inf"),
    ],
)
def test_impossible_requests_are_explained(options: dict, text: str):
    objective = BY_NAME["conv"].objective()
    with pytest.raises(LandscapeError) as caught:
        plane(objective, random_directions(objective), **options)
    assert text in str(caught.value)
