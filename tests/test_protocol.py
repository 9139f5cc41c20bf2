"""The protocol: parsed once, checked once, and the command line made of its fields."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from landscape.cli.surface import command
from landscape.errors import LandscapeError
from landscape.protocol import DataSpec, Dropout, Protocol, fields_of
from tests.cases import BY_NAME, DROPOUT

UNASKED = {"at_most", "normalisation", "loss"}  # from --samples, --mean and --std; of other commands


@pytest.mark.parametrize(("mode", "passes"), [("off", None), ("fresh", None), ("ensemble:12", 12)])
def test_a_dropout_mode_is_its_text_with_the_number_of_passes(mode: str, passes: int | None):
    made = Protocol(dropout=mode).dropout
    assert made == mode
    assert Dropout(made).passes == passes


def test_precisions_and_devices_are_kept_as_text():
    made = Protocol(dtype=torch.float64, device=torch.device("cpu"))
    assert (made.dtype, made.device) == ("float64", "cpu")
    with pytest.raises(FrozenInstanceError):
        made.seed = 1
    with pytest.raises(LandscapeError, match="the precision is 'half'; choose one of full, bfloat16, tf32"):
        replace(made, precision="half")


@pytest.mark.parametrize("kind", [DataSpec, Protocol])
def test_every_field_explains_itself(kind: type):
    assert all(field.metadata["help"].endswith(".") for field in fields_of(kind).values())


def test_every_field_is_an_option_with_its_own_words():
    options = {option.name: option for option in command.params}
    for name, field in fields_of().items():
        if name not in UNASKED:
            assert field.metadata["help"] in options[name].help
            assert options[name].opts == [f"--{field.metadata.get('option', name.replace('_', '-'))}"]


def test_what_changes_the_objective_is_checked_anew():
    objective = BY_NAME["conv-bn"].objective()
    objective.value()
    assert objective.replace(seed=3, micro_batch=2, dtype="float32").soundness is objective.soundness
    assert objective.replace(soundness=None, batch_norm="batch").soundness is None
    other = objective.replace(batch_norm="batch")
    assert other.soundness is not objective.soundness
    assert other.value() != objective.value()


def test_a_replaced_mode_is_that_of_an_objective_made_so():
    objective = DROPOUT.objective(dropout="fresh", seed=5)
    for change in ({"dropout": "ensemble:2"}, {"weight_decay": 0.3}, {"params": "*weight*"}):
        other = objective.replace(**change)
        made = DROPOUT.objective(**({"dropout": "fresh", "seed": 5} | change))
        assert other.value(draw=2) == made.value(draw=2)
        assert other.protocol() == made.protocol()
        assert list(other.free) == list(made.free)


def test_what_no_objective_has_is_not_replaced():
    with pytest.raises(TypeError, match="colour"):
        BY_NAME["conv-bn"].objective().replace(colour="red")
