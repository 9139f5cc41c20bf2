"""The modes of an objective: which there are, and what a result says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from landscape.dropout import DropoutMode, passes
from landscape.errors import LandscapeError
from landscape.forward import BATCH_NORM_MODES, BatchNormMode, Forward
from landscape.losses import loss_name
from landscape.precision import PRECISIONS

if TYPE_CHECKING:
    from landscape.objective import Objective


def require_modes(
    *,
    dropout: DropoutMode,
    batch_norm: BatchNormMode,
    precision: str,
    dtype: torch.dtype,
    numbers: Mapping[str, float],
) -> None:
    """Check what an objective is asked for.

    Raises:
        LandscapeError: On an unknown mode, or a number that is negative or not finite.
    """
    passes(dropout)
    for name, choice, choices in (
        ("BatchNorm mode", batch_norm, BATCH_NORM_MODES),
        ("precision", precision, PRECISIONS),
    ):
        if choice not in choices:
            raise LandscapeError(f"the {name} is {choice!r}; choose one of {', '.join(choices)}")
    for name, number in numbers.items():
        if not 0 <= number < np.inf:
            raise LandscapeError(f"the {name} must be finite and not negative, got {number}")
    if dtype not in (torch.float32, torch.float64):
        raise LandscapeError(
            f"the objective works in float32 or float64, not {dtype}, whose rounding drowns curvature"
        )


def require_derivatives(forward: Forward) -> None:
    """Refuse modes that have no derivatives.

    Raises:
        LandscapeError: In reduced precision, or where statistics of BatchNorm are estimated anew.
    """
    if forward.precision != "full" or forward.batch_norm == "recalibrate":
        raise LandscapeError(
            f"derivatives need full precision and BatchNorm in eval or batch mode, not "
            f"{forward.precision} and {forward.batch_norm}"
        )


def described(objective: Objective) -> dict[str, Any]:
    """Everything an objective's numbers depend on besides the parameters, ready for JSON."""
    normalisation = objective.network.normalisation
    return {
        "data": objective.samples.describe(),
        "normalisation": asdict(normalisation) if normalisation else None,
        "batch_norm": objective.forward.batch_norm,
        "dropout": objective.dropout,
        "loss": loss_name(objective.loss),
        "weight_decay": objective.weight_decay,
        "params": objective.params,
        "dtype": str(objective.dtype).removeprefix("torch."),
        "device": objective.device.type,
        "micro_batch": objective.micro_batch,
        "layout": "channels_last" if objective.forward.road.channels_last else "contiguous",
        "attention": "math" if objective.forward.math_attention else "usual",
        "precision": objective.forward.precision,
        "seed": objective.seed,
    }
