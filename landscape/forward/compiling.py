"""Passes through torch.compile, used only where they have been seen to give what the plain ones give."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from landscape import trees
from landscape.trees import Tree

AGREEMENT = {torch.float32: 1e-4, torch.float64: 1e-10}
"""How far outputs of another way may be from the plain ones, as a share of the largest."""
_WEIGHTS = 2
"""Different weights at which passes of one shape are compared: constants in the code would show."""


class Compiled:
    """A network that is compiled for each shape of its inputs, and compared at first.

    A pass that fails or differs ends it: from then on passes are plain, and a warning says why.

    Attributes:
        left: Why it is not used; empty as long as it is.
    """

    def __init__(self, run: Callable[[Tree], Tensor]) -> None:
        """Nothing is compiled before the first pass.

        Args:
            run: The plain pass, of the module as it is at the moment of the call.
        """
        self.left = ""
        self._run, self._fast = run, torch.compile(run, dynamic=False)
        self._compared: dict[Any, set[float]] = {}

    def __call__(self, inputs: Tree, weights: Mapping[str, Tensor]) -> Tensor:
        """Outputs.

        Args:
            inputs: As the module takes them.
            weights: Those that the module holds.
        """
        if self.left:
            return self._run(inputs)
        seen = self._compared.setdefault(_shape(inputs), set())
        if len(seen) == _WEIGHTS:
            return self._fast(inputs)
        mark = float(sum(value.double().sum() for value in weights.values()))
        try:
            outputs = self._fast(trees.copied(inputs))
        except Exception as error:  # compilers of all kinds raise anything
            return self._without(f"it fails ({type(error).__name__})", self._run(inputs))
        if mark in seen:
            return outputs
        plain = self._run(inputs)
        difference = apart(outputs, plain)
        if not difference <= AGREEMENT.get(plain.dtype, 1e-2):
            return self._without(f"outputs differ by {difference:.1e} of the largest", plain)
        seen.add(mark)
        return outputs

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        """What was compiled belongs to the first module."""
        return Compiled(copy.deepcopy(self._run, memo))

    def _without(self, reason: str, plain: Tensor) -> Tensor:
        self.left = reason
        warnings.warn(f"torch.compile is not used: {reason}; passes are plain", stacklevel=2)
        return plain


def apart(outputs: Tensor, plain: Tensor) -> float:
    """Largest difference of outputs as a share of the largest one; infinite where shapes differ."""
    if outputs.shape != plain.shape:
        return float("inf")
    if not plain.numel() or torch.equal(outputs, plain):
        return 0.0
    same = (outputs == plain) | (outputs.isnan() & plain.isnan())
    difference = torch.where(same, 0.0, (outputs - plain).abs()).max()
    return float(difference / plain.abs().nan_to_num(0, 0, 0).max())


def _shape(inputs: Tree) -> tuple[Any, ...]:
    return tuple((leaf.shape, leaf.dtype, leaf.stride()) for leaf in trees.leaves(inputs))
