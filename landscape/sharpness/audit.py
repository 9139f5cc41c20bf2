"""How far measures move when weights change and the function does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from landscape.objective import Objective
from landscape.sharpness.measures import Protocol, Sizes, measured
from landscape.sharpness.perturbations import Found, Noise, ratio
from landscape.sharpness.transformations import TRANSFORMATIONS, Transformed, transformed
from landscape.work import Runner


@dataclass(frozen=True, eq=False)
class Audit:
    """What was measured of a network and of others that compute the same.

    Attributes:
        own: The measures of the network itself, at the sizes of the audit.
        changes: The changes by name.
        found: By change the measures of the other network; empty where it does not apply.
    """

    own: dict[str, Found]
    changes: dict[str, Transformed]
    found: dict[str, dict[str, Found]] = field(default_factory=dict)

    def ratio(self, measure: str, change: str) -> tuple[float, float]:
        """The measure of the other network over that of the network itself, and its standard error."""
        if measure not in self.found.get(change, {}):
            return float("nan"), float("nan")
        return ratio(self.found[change][measure], self.own[measure])

    @property
    def cost(self) -> tuple[int, int, int]:
        """Forward passes, gradients and products of single samples."""
        every = [found for each in (self.own, *self.found.values()) for found in each.values()]
        return (
            sum(found.passes for found in every),
            sum(found.gradients for found in every),
            sum(found.products for found in every),
        )


def audited(
    objective: Objective,
    sizes: Sizes,
    *,
    noise: Noise,
    run: Runner,
    factor: float = 2.0,
    say: Callable[[str], None] = lambda line: None,
) -> Audit:
    """The measures of a network, and of the same function with other weights, from the same random numbers.

    Args:
        objective: The loss, over as many samples as the audit takes.
        sizes: Of the audit.
        noise: Random vectors over the weights of the network.
        run: Runs the items.
        factor: α of the rescalings, see `landscape.sharpness.transformations.transformed`.
        say: Receives a line before each network.
    """
    sizes = replace(sizes, few=0, tolerance=min(sizes.tolerance, 1e-2))
    own = measured(Protocol(objective, sizes, noise, run, "audit: "))
    audit = Audit(own, {})
    for name in TRANSFORMATIONS:
        change = transformed(name, objective, factor=factor, seed=noise.seed)
        audit.changes[name] = change
        if change.objective is None:
            continue
        say(f"{name}: {', '.join(change.where)}")
        carried = change.noise(noise, objective)
        audit.found[name] = measured(Protocol(change.objective, sizes, carried, run, f"audit, {name}: "))
    return audit
