"""Spans that end where the loss has risen by a stated factor."""

import pytest
import torch
from torch import nn

from landscape.errors import LandscapeError
from landscape.objective import Objective
from landscape.surface import Directions, find_span


def bowl() -> tuple[Objective, Directions]:
    """L(x, y) = 1 + 4x² + 4y² along the two directions."""
    module = nn.Linear(2, 1, bias=False, dtype=torch.float64)
    module.weight.data = torch.zeros(1, 2, dtype=torch.float64)
    inputs = torch.tensor([[2.0, 0.0], [0.0, 2.0]], dtype=torch.float64)

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 1 + 2 * outputs[:, 0] ** 2

    objective = Objective(module, (inputs, torch.zeros(2, dtype=torch.int64)), loss=loss, dtype=torch.float64)
    vectors = tuple({"weight": torch.tensor([row], dtype=torch.float64)} for row in ([1.0, 0.0], [0.0, 1.0]))
    return objective, Directions(vectors)


@pytest.mark.parametrize("rise", [1.5, 10.0, 1000.0])
def test_the_loss_has_risen_at_the_span_and_not_a_step_before(rise: float):
    objective, directions = bowl()
    span = find_span(objective, directions, rise=rise)
    assert 1 + 4 * span**2 >= rise > 1 + 4 * (span / 2**0.5) ** 2


def test_a_loss_that_never_rises_is_said():
    objective, directions = bowl()
    flat = Directions(tuple({"weight": torch.zeros(1, 2, dtype=torch.float64)} for _ in range(2)))
    with pytest.raises(LandscapeError, match="never rises to 10"):
        find_span(objective, flat)
    with pytest.raises(LandscapeError, match="factor of more than 1, got 1"):
        find_span(objective, directions, rise=1.0)
