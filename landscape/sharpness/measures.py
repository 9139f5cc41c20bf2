"""The measures of one protocol: each by name, with its unit, and how it is measured of an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from landscape.errors import NothingToMeasure
from landscape.hessian import Coordinates, Operator, frobenius, top_eigenvalues
from landscape.objective import Objective
from landscape.parameters import flatten
from landscape.sharpness.average import average
from landscape.sharpness.gradient_noise import gradient_noise
from landscape.sharpness.llc import LearningCoefficient, learning_coefficient
from landscape.sharpness.perturbations import Found, Noise, Scale, absent
from landscape.sharpness.radius import basin_radius, gaussian_radius
from landscape.sharpness.relative_flatness import relative_flatness
from landscape.sharpness.worst import worst
from landscape.work import Item, Runner


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured, and at which radii.

    Attributes:
        few: Samples of the measures that take many passes; the first ones, 0 takes all.
        probes: Random perturbations of average sharpness and of the Gaussian radius, each with its opposite.
        products: Random vectors of trace and Frobenius norm.
        directions: Directions of the basin's radius.
        rho_average: ρ of average sharpness, in weights.
        rho_worst: ρ of worst sharpness, in weights.
        rho_adaptive_average: ρ of its adaptive variants, a share of each weight or filter.
        rho_adaptive_worst: The same of the worst case, ‖δ/c‖₂ over all weights.
        rise: ε of the radii, in nats.
        mini_batch: Samples of a mini-batch of worst sharpness.
        steps: Steps of its ascent.
        noise_batch: Samples of a mini-batch of gradient noise.
        tolerance: Residual of the largest eigenvalue, as a share of it.
        llc: Whether the local learning coefficient is measured.
        chains: Chains of it.
        chain_steps: Steps of each.
        chain_step: Their size ε; 0 chooses.
        chain_batch: Samples of each of their gradients.
        localisation: Precision γ of the prior around the weights.
    """

    few: int = 128
    probes: int = 6
    products: int = 8
    directions: int = 10
    rho_average: float = 0.005
    rho_worst: float = 0.05
    rho_adaptive_average: float = 0.1
    rho_adaptive_worst: float = 1.0
    rise: float = 0.1
    mini_batch: int = 128
    steps: int = 5
    noise_batch: int = 32
    tolerance: float = 2e-2
    llc: bool = False
    chains: int = 4
    chain_steps: int = 200
    chain_step: float = 0.0
    chain_batch: int = 64
    localisation: float = 100.0


@dataclass
class Protocol:
    """One network under the protocol, and what has been measured of it.

    Attributes:
        objective: The loss over all samples.
        sizes: How much is measured.
        noise: Random vectors over its weights.
        run: Runs the items.
        label: What items are called by, before the name of the measure.
        basin: How many directions have risen at which radius, see `landscape.sharpness.basin_radius`.
        llc: The learning coefficient with its health report.
    """

    objective: Objective
    sizes: Sizes
    noise: Noise
    run: Runner
    label: str = ""
    basin: Mapping[float, tuple[int, float, float]] | None = None
    llc: LearningCoefficient | None = None

    def __post_init__(self) -> None:
        count = min(self.sizes.few or len(self.objective.samples), len(self.objective.samples))
        self.part = self.objective.subset(0, count)
        self._curvature: dict[str, dict[str, Found]] = {}

    def named(self, name: str) -> str:
        """What the runner calls the items of a measure."""
        return f"{self.label}{name}"

    def curvature(self, coordinates: Coordinates) -> dict[str, Found]:
        """Largest eigenvalue, trace and Frobenius norm in these coordinates, from one operator."""
        if coordinates not in self._curvature:
            operator = Operator(self.part, coordinates=coordinates)
            samples = len(self.part.samples)
            norm = frobenius(
                operator,
                probes=self.sizes.products,
                signs=lambda index: flatten(self.noise.signs(operator.objective.free, index)),
                run=self.run,
                label=self.named(f"products, {coordinates} coordinates"),
            )
            cost = self.sizes.products * samples
            self._curvature[coordinates] = {
                "largest_eigenvalue": self._eigenvalue(operator, coordinates),
                "trace": _of(norm, "trace", norm.form.values, cost),
                "frobenius": _of(norm, "frobenius", _linear(norm), 0),
            }
        return self._curvature[coordinates]

    def _eigenvalue(self, operator: Operator, coordinates: str) -> Found:
        def compute(index: int) -> Item:
            options: dict[str, Any] = {
                "tolerance": self.sizes.tolerance,
                "seed": self.noise.seed,
                "confirm": 0,
            }
            found = top_eigenvalues(operator, 1, rounding=False, **options)
            return {
                "value": found.eigenvalue.values[0],
                "bound": np.maximum(found.error_bound.values[0], found.residual.values[0]),
                "products": found.products.values,
            }

        (item,) = self.run(1, compute, self.named(f"largest eigenvalue, {coordinates} coordinates"))
        value, bound = float(item["value"]), float(item["bound"])
        products = int(item["products"]) * len(self.part.samples)
        return Found(value, low=value - bound, high=value + bound, products=products)

    def coefficient(self) -> Found:
        """The local learning coefficient."""
        sizes = self.sizes
        curvature = self.curvature("raw")["largest_eigenvalue"].value
        self.llc = learning_coefficient(
            self.objective,
            noise=self.noise,
            run=self.run,
            label=self.named("learning coefficient"),
            chains=sizes.chains,
            steps=sizes.chain_steps,
            step_size=sizes.chain_step,
            curvature=curvature,
            batch_size=sizes.chain_batch,
            localisation=sizes.localisation,
            **({"sweep": ()} if self.label else {}),
        )
        return self.llc.found

    def radius_of_basin(self) -> Found:
        """The basin's radius."""
        found, self.basin = basin_radius(
            self.part,
            rise=self.sizes.rise,
            probes=self.sizes.directions,
            noise=self.noise,
            run=self.run,
            label=self.named("basin radius"),
        )
        return found


@dataclass(frozen=True)
class Measure:
    """One measure of the protocol.

    Attributes:
        name: What it is called in results and JSON.
        words: What it is, for tables.
        units: Of the number; empty for pure numbers.
        measure: Of a network under the protocol.
    """

    name: str
    words: str
    units: str
    measure: Callable[[Protocol], Found]


def measured(protocol: Protocol) -> dict[str, Found]:
    """Every measure by name, in the order of `measures`; what a network has not is without a number."""
    found = {}
    for each in measures(protocol.sizes):
        try:
            found[each.name] = each.measure(protocol)
        except NothingToMeasure as error:
            found[each.name] = absent(str(error))
    return found


def measures(sizes: Sizes) -> list[Measure]:
    """The measures there are, in order.

    Args:
        sizes: Say whether the learning coefficient is one of them.
    """
    table = [_curvature(*row) for row in _CURVATURE]
    table += [_of_scale(*row) for row in _SCALED]
    table += [
        Measure("relative_flatness", "relative flatness of the last layer", "nats", _relative),
        Measure("pac_bayes_sigma", "Gaussian (PAC-Bayes) radius", "weight", _gaussian),
        Measure("basin_radius", "radius of the basin", "filter norms", Protocol.radius_of_basin),
        Measure("gradient_noise", "gradient noise tr Σ/‖g‖²", "samples", _noise),
    ]
    if sizes.llc:
        words = "local learning coefficient"
        table.append(Measure("llc", words, "", Protocol.coefficient))
    return table


_WORDS = {"raw": "", "layer": " in layer norms", "filter": " in filter norms"}
_CURVATURE: list[tuple[str, str, Coordinates]] = [
    (name, words, coordinates)
    for name, words in (
        ("largest_eigenvalue", "largest eigenvalue"),
        ("trace", "trace"),
        ("frobenius", "Frobenius norm"),
    )
    for coordinates in ("raw", "layer", "filter")
]
_SCALED: list[tuple[str, str, Scale, str]] = [
    ("average_sharpness", "average sharpness", "raw", "rho_average"),
    ("worst_sharpness", "worst sharpness", "raw", "rho_worst"),
    ("adaptive_average_sharpness", "average sharpness, each weight", "weight", "rho_adaptive_average"),
    ("adaptive_average_sharpness_filter", "average sharpness, each filter", "filter", "rho_adaptive_average"),
    ("adaptive_worst_sharpness", "worst sharpness, each weight", "weight", "rho_adaptive_worst"),
    ("adaptive_worst_sharpness_filter", "worst sharpness, each filter", "filter", "rho_adaptive_worst"),
]


def _curvature(name: str, words: str, coordinates: Coordinates) -> Measure:
    key = name if coordinates == "raw" else f"{name}_{coordinates}"
    label = f"{words}{_WORDS[coordinates]}"
    return Measure(key, label, "nats", lambda protocol: protocol.curvature(coordinates)[name])


def _of_scale(name: str, words: str, scale: Scale, radius: str) -> Measure:
    def measure(protocol: Protocol) -> Found:
        sizes = protocol.sizes
        shared: dict[str, Any] = {"noise": protocol.noise, "run": protocol.run, "scale": scale}
        shared |= {"label": protocol.named(name), "radius": getattr(protocol.sizes, radius)}
        if "worst" in name:
            return worst(protocol.objective, batch_size=sizes.mini_batch, steps=sizes.steps, **shared)
        return average(protocol.part, probes=sizes.probes, **shared)

    return Measure(name, words, "nats", measure)


def _relative(protocol: Protocol) -> Found:
    return relative_flatness(protocol.objective, run=protocol.run, label=protocol.named("relative flatness"))


def _gaussian(protocol: Protocol) -> Found:
    shared: dict[str, Any] = {"noise": protocol.noise, "run": protocol.run}
    shared |= {"label": protocol.named("Gaussian radius")}
    sizes = protocol.sizes
    return gaussian_radius(protocol.part, rise=sizes.rise, probes=sizes.probes, **shared)


def _noise(protocol: Protocol) -> Found:
    # Fewer where there would be less than eight of them.
    size = min(protocol.sizes.noise_batch, max(1, len(protocol.objective.samples) // 8))
    return gradient_noise(
        protocol.objective, batch_size=size, run=protocol.run, label=protocol.named("gradient noise")
    )


def _of(dataset: xr.Dataset, name: str, values: np.ndarray, products: int) -> Found:
    ends = [float(dataset[f"{name}{end}"]) for end in ("", "_standard_error", "_low", "_high")]
    return Found(ends[0], ends[1], low=ends[2], high=ends[3], values=values, products=products)


def _linear(dataset: xr.Dataset) -> np.ndarray:
    """The root of the mean square to first order in each square."""
    norm, squares = float(dataset.frobenius), dataset.square.values
    return norm + (squares - squares.mean()) / (2 * norm) if norm > 0 else np.zeros_like(squares)
