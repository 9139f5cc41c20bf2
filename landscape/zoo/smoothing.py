"""What a smoothing layer is, and how values of configurations are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from landscape.errors import LandscapeError, printable

PROBS = ("tanh", "relu6", "scale", "none")
TEMPERATURES = {"tanh": 10.0, "scale": 5.0}
KERNELS = ((1,), (1, 1), (1, 2, 1), (1, 4, 6, 4, 1))
_TEMPERATURES = (1e-3, 1e6)


def choice(name: str, value: Any, allowed: tuple | range) -> None:
    """Refuse a value that is none of these."""
    odd = type(value) is not type(allowed[0])
    if odd or value not in allowed:
        known = (
            f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
        )
        raise LandscapeError(f"{name} is {shown(value)}; choose one of {known}")


def shown(value: Any) -> str:
    """A value in a message; a whole number of thousands of digits has no text."""
    huge = isinstance(value, int) and abs(value) >= 10**20
    return f"a number of {value.bit_length():,} bits" if huge else printable(repr(value), 60)


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Smoothing:
    """A smoothing layer Blur(Prob(z)) at the end of stages (Park & Kim 2022, eq. 5–8).

    Attributes:
        kernel: One-dimensional factor k of the blur k kᵀ/‖k‖₁²; (1,) is no blur.
        prob: `tanh` is ReLU(τ·tanh(z/τ)), `relu6` is min(max(z, 0), 6), `scale` is z/τ, `none` is z.
        temperature: τ of `tanh` and `scale`; 0 stands for the paper's 10 and 5.
        stages: Stages (from 1) that end with it; None is the paper's placement.
    """

    kernel: tuple[int, ...] = (1, 1)
    prob: str = "tanh"
    temperature: float = 0.0
    stages: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "kernel", tuple(self.kernel))
            if self.stages is not None:
                object.__setattr__(self, "stages", tuple(sorted(self.stages)))
        except TypeError as error:
            raise LandscapeError(
                f"kernel and stages are lists of integers, got {shown(self.kernel)} and {shown(self.stages)}"
            ) from error
        if any(type(each) is not int for each in (*self.kernel, *(self.stages or ()))):
            raise LandscapeError("kernel and stages are lists of integers, got something else in them")
        choice("the smoothing kernel", self.kernel, KERNELS)
        choice("prob", self.prob, PROBS)
        low, high = _TEMPERATURES
        if not is_number(self.temperature) or not (self.temperature == 0 or low <= self.temperature <= high):
            raise LandscapeError(
                f"the temperature must be from {low:g} to {high:g}, got {shown(self.temperature)}"
            )
        if self.temperature == 0:
            object.__setattr__(self, "temperature", TEMPERATURES.get(self.prob, 0.0))
