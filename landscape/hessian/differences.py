"""Hessian products as finite differences of the gradient, each with an estimate of its error."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from landscape.layout import Watching
from landscape.objective import Objective
from landscape.parameters import Parameters, check_fit, norm, shifted
from landscape.work import Item, Runner

GRADIENTS = 4
"""Gradients that a product takes: two steps, each to both sides."""

_FINEST = 2.0**-36
"""The shortest step, as a share of ‖w‖."""

_RATIO = 4
"""Each step is so many times as long as the one before."""

_BEGIN = {True: 0, False: 8}
"""The first of 16 steps, of a gradient in float64 or not."""

_FALLING = 0.4
"""Rounding makes neighbouring steps differ 1/4 as much from one to the next; kinks 1/2 at best."""

_GOOD = {True: 1e-6, False: 1e-2}
"""Error, as a share of the largest product, that is not worth another step; by whether it is float64."""

_LONGER = 4
"""How many longer steps are tried where float32 rounds shorter ones away."""

_KEPT = "product_error"


@dataclass
class ErrorBound:
    """Error of the products of an objective, shared by its parts and the operators on them.

    Attributes:
        error: ‖D v − H v‖/‖v‖ at most.
        largest: The largest ‖D v‖/‖v‖ met.
        blind: Whether gradients came in float32, whose rounding asks for steps so long that kinks of ReLU
            count as curvature.
    """

    error: float = 0.0
    largest: float = 0.0
    blind: bool = False

    @property
    def relative(self) -> float:
        """The error as a share of the largest product."""
        return self.error / self.largest if self.largest else 0.0

    def note(self, error: float, largest: float, blind: bool = False) -> None:
        """Another product; an error that is not a number counts as infinite."""
        self.error = max(self.error, error if error == error else math.inf)
        self.largest = max(self.largest, largest)
        self.blind = self.blind or bool(blind)

    def noting(self, run: Runner) -> Runner:
        """The runner, with the bound kept beside each item, for runs that go on elsewhere or later."""

        def noted(count: int, compute: Callable[[int], Item], label: str) -> list[Item]:
            def one(index: int) -> Item:
                item = compute(index)
                return {**item, _KEPT: np.array([self.error, self.largest, self.blind])}

            found = run(count, one, label)
            for item in found:
                if item is not None:
                    self.note(*item.pop(_KEPT).tolist())
            return found

        return noted


class CentralDifferences:
    """H u as a central difference of the gradient, (∇L(θ + h·u) − ∇L(θ − h·u)) / 2h, for unit vectors u.

    Between kinks of ReLU the gradient is smooth; across one it jumps, and a difference sees curvature that
    the Hessian has not. Of many kinks it sees the same at every step, which no comparison of steps can tell:
    the step has to be so short that it meets none. So steps are shares of ‖w‖ from 2⁻³⁶ on (2⁻²⁰ of gradients
    in float32), each four times the one before, taken longer as long as two neighbours differ less and less,
    as they do by rounding alone. Where they differ much for a later vector, a kink is near, and of the
    shorter steps the best one is taken.

    Two neighbouring steps differ by their rounding, by what the longer one leaves out of the Taylor series
    (15/16 of it), and by each kink that it meets (all of it, or three times that): 4/3 of the difference
    bounds the error of the longer step, which is the product.

    Attributes:
        bound: Of the error of the products so far.
    """

    def __init__(
        self,
        gradient: Callable[[Parameters, float], Parameters],
        length: Callable[[Mapping[str, Tensor]], float],
        *,
        reach: float,
        double: bool,
    ) -> None:
        """Say what is differenced.

        Args:
            gradient: A unit vector and a step along it → the gradient there, keyed like the vector.
            length: Euclidean length of what is keyed like it.
            reach: ‖w‖.
            double: Whether gradients come in float64.
        """
        self.gradient, self.length = gradient, length
        self.bound = ErrorBound()
        self._reach, self._double = reach or 1.0, double
        self._level = _BEGIN[double]
        self._begun = False

    def __call__(self, unit: Parameters, dtype: torch.dtype) -> Parameters:
        """The product with a unit vector, to be rounded to `dtype`; the bound takes note of its error."""
        steps = _Steps(self, unit)
        level = self._choose(steps)
        found = steps.quotient(level + 1)
        size = self.length(found)
        error = 4 / 3 * steps.apart(level) + torch.finfo(dtype).eps * size
        self.bound.note(error, size, not self._double)
        return found

    def step(self, level: int) -> float:
        """Length of a step in weight space."""
        return self._reach * _FINEST * _RATIO**level

    def _choose(self, steps: _Steps) -> int:
        """The step for this vector; for the first one from the shortest on."""
        if not self._begun:
            self._begun = True
            while (longer := self._longer(steps)) is not None:
                self._level = longer
            return self._level
        worth = _GOOD[self._double] * max(self.bound.largest, self.length(steps.quotient(self._level + 1)))
        if steps.apart(self._level) <= worth:
            return self._level
        # A kink nearby: the shorter the step, the worse, until it no longer reaches that far. In float32 it
        # always does, as weights stay where they are at shorter ones, whose quotients agree on being zero.
        last = min(self._level + _LONGER, 15)
        return min(range(self._level, -1, -1) if self._double else range(self._level, last), key=steps.apart)

    def _longer(self, steps: _Steps) -> int | None:
        """One or two steps on, if neighbours differ so much less there that it was rounding."""
        here = steps.apart(self._level)
        for more in (1, 2):
            if self._level + more <= 14 and steps.apart(self._level + more) < _FALLING**more * here:
                return self._level + more
        return None


class _Steps:
    """Difference quotients along one unit vector, each computed once."""

    def __init__(self, differences: CentralDifferences, unit: Parameters) -> None:
        self._differences, self._unit = differences, unit
        self._found: dict[int, Parameters] = {}

    def quotient(self, level: int) -> Parameters:
        """(∇L(θ + h·u) − ∇L(θ − h·u)) / 2h."""
        if level not in self._found:
            step = self._differences.step(level)
            ahead, behind = (self._differences.gradient(self._unit, sign * step) for sign in (1, -1))
            self._found[level] = {name: (ahead[name] - behind[name]) / (2 * step) for name in self._unit}
        return self._found[level]

    def apart(self, level: int) -> float:
        """How much the quotient differs from that of the next longer step."""
        shorter, longer = self.quotient(level), self.quotient(level + 1)
        return self._differences.length({name: shorter[name] - longer[name] for name in shorter})


class FiniteDifferences:
    """H v by `CentralDifferences`, in float64 also of a float32 objective, wherever its network runs in that.

    Attributes:
        bound: Of the error of the products so far.
    """

    def __init__(self, objective: Objective, parameters: Mapping[str, Tensor] | None, draw: int) -> None:
        """At the given parameters, or the network's own."""
        self._free, self._dtype = objective.free, objective.dtype
        self._shared = objective.product_error or ErrorBound()
        here, double = precise(objective, parameters, draw)
        given = here.parameters if parameters is None else parameters
        origin = {name: _cast(value, here.dtype) for name, value in given.items()}

        def gradient(unit: Parameters, step: float) -> Parameters:
            return here.gradient(shifted(origin, (step, unit)), draw=draw)

        reach = _length({name: origin[name] for name in self._free})
        self._working = here.dtype
        self._rule = CentralDifferences(gradient, _length, reach=reach, double=double)
        self.bound = self._rule.bound

    def __call__(self, vector: Mapping[str, Tensor]) -> Parameters:
        """The product, keyed like the vector."""
        check_fit(vector, self._free)
        length = _length(vector)
        if not length:
            return {name: torch.zeros_like(value) for name, value in vector.items()}
        found = self._rule(
            {name: value.to(self._working) / length for name, value in vector.items()}, self._dtype
        )
        self._shared.note(self.bound.error, self.bound.largest, self.bound.blind)
        return {name: (length * part).to(vector[name].dtype) for name, part in found.items()}


def _length(vector: Mapping[str, Tensor]) -> float:
    return float(norm(vector))


def precise(
    objective: Objective, parameters: Mapping[str, Tensor] | None = None, draw: int = 0
) -> tuple[Objective, bool]:
    """The objective in float64 and True, if its network runs in that throughout and is the same function.

    Else the objective itself, and False.
    """
    twin = objective if objective.dtype is torch.float64 else objective.replace(dtype="float64")
    narrowed = _Narrowed()
    try:
        with narrowed:
            its = twin.subset(0, 2).gradient(parameters, draw=draw)
    except (RuntimeError, TypeError, NotImplementedError):  # a layer or a device that knows float32 alone
        return objective, False
    mine = objective.subset(0, 2).gradient(parameters, draw=draw)
    apart = float(norm({name: its[name] - mine[name] for name in its}))
    double = not narrowed.found and apart <= 1e-2 * float(norm(its))
    return (twin if double else objective), double


class _Narrowed(Watching):
    """Notes whether an operation turns float64 into less.

    At short steps such a layer stands still, so that quotients agree, and are wrong.
    """

    found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given, made = (
            {each.dtype for each in tree_leaves(part) if isinstance(each, Tensor)}
            for part in ((args, kwargs), result)
        )
        narrow = {torch.float32, torch.float16, torch.bfloat16}
        self.found = self.found or (torch.float64 in given and bool(made & narrow))
        return result


def _cast(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value
