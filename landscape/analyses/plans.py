"""What is measured of networks: a comparison's usual results, other conditions, what papers' panels take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from landscape.analyses.compare import Measurement
from landscape.analyses.settings import Settings
from landscape.errors import ArgumentError
from landscape.results import KINDS


@dataclass(frozen=True)
class Sizes:
    """How much a comparison measures.

    Attributes:
        predictions: Test images for the predictions; 0 takes all.
        maps: Test images for the feature maps.
        batch_size: Samples per mini-batch of the Hessian spectrum.
        batches: Mini-batches of the spectrum; 0 takes all that the surface's samples give.
        span: Half the side of the surface, in filter norms.
        steps: Points per side of the surface.
        directions: Random directions that the flatness is measured along.
        draws: Passes under fresh dropout masks for the model's variance.
        passes: Predictions of MC dropout whose spread is measured, on as many test images as the surface's.
    """

    predictions: int = 0
    maps: int = 256
    batch_size: int = 128
    batches: int = 0
    span: float = 1.0
    steps: int = 21
    directions: int = 10
    draws: int = 4
    passes: int = 10


def plan(settings: Settings, **sizes: Any) -> list[Measurement]:
    """What a comparison measures, from one protocol.

    The loss surface and the Hessian spectrum use the settings' own split, as in the papers the training set;
    predictions and feature maps use the test set.

    Args:
        settings: The common protocol; its samples are the surface's.
        **sizes: Fields of `Sizes`, such as `steps`.
    """
    size = Sizes(**sizes)
    # Numbers that were asked for are kept or refused; only the surface's usual number may shrink.
    test = replace(settings, split="test", augment=None, at_most=False)
    fresh = replace(test, dropout="fresh")
    whole = settings
    if size.batches:
        whole = replace(settings, samples=size.batch_size * size.batches, at_most=False)
    return [
        Measurement("evaluation", replace(test, samples=size.predictions)),
        Measurement("ensemble", replace(fresh, at_most=True), {"passes": size.passes}, stochastic=True),
        Measurement("features", replace(fresh, samples=size.maps), {"draws": size.draws}),
        Measurement("spectrum", whole, {"batch_size": size.batch_size, "k": 1}),
        Measurement("surface", settings, {"span": size.span, "steps": size.steps}),
        Measurement("flatness", settings, {"repeats": size.directions, "radii": [0.1, 0.2]}),
    ]


def further(settings: Settings, kinds: Sequence[str]) -> list[Measurement]:
    """Results of other kinds, each as its record says, with the defaults of its recipe.

    Args:
        settings: The common protocol.
        kinds: Their names.

    Raises:
        LandscapeError: If there is no such kind, or one takes more than a network.
    """
    found = []
    for name in kinds:
        if name not in KINDS or KINDS[name].needs:
            able = ", ".join(kind for kind, record in KINDS.items() if not record.needs)
            raise ArgumentError(f"a comparison cannot measure {name!r} by itself; choose among {able}")
        kind = KINDS[name]
        own = replace(settings, dropout=kind.dropout or settings.dropout)
        found.append(
            Measurement(name, replace(own, split="test", augment=None) if kind.split == "test" else own)
        )
    return found


def conditions(
    settings: Settings, *, batch_size: int = 64, batches: int = 4, directions: int = 10
) -> list[Measurement]:
    """The Hessian spectrum and the flatness, each with one thing changed.

    Test images instead of training images; a frozen crop and flip; mini-batches of 16, and all images at
    once; every filter in units of its norm; dropout off.
    L2 needs no measurement: it adds its λ to every eigenvalue.

    Args:
        settings: The protocol that is changed; its samples are those of the flatness.
        batch_size: Samples per mini-batch of the reference.
        batches: Mini-batches of the reference; the others share its images.
        directions: Random directions of the flatness.
    """
    images = replace(settings, samples=batch_size * batches, at_most=False)
    one = {"batch_size": batch_size, "k": 1}
    flat = {"repeats": directions, "radii": [0.1, 0.2]}
    return [
        Measurement("spectrum", replace(images, split="test"), one, condition="test"),
        Measurement("spectrum", replace(images, augment=settings.seed), one, condition="augmented"),
        Measurement("spectrum", images, {**one, "batch_size": 16}, condition="batch16"),
        Measurement("spectrum", images, {**one, "batch_size": batch_size * batches}, condition="whole"),
        Measurement("spectrum", images, {**one, "coordinates": "filter"}, condition="filter"),
        Measurement("spectrum", replace(images, dropout="off"), one, stochastic=True, condition="off"),
        Measurement("flatness", replace(settings, split="test"), flat, condition="test"),
        Measurement("flatness", replace(settings, dropout="off"), flat, stochastic=True, condition="off"),
    ]


@dataclass(frozen=True)
class PanelSizes:
    """How much is measured for the panels of the papers; 0 leaves a measurement out, but for the predictions.

    Attributes:
        predictions: Test images of the ensembles and training images of their counterpart; 0 takes all.
        passes: Passes of the largest ensemble.
        maps: Test images that covariances are taken over.
        images: Positions of the test images whose feature maps are kept to look at.
        channels: Channels of these feature maps.
        draws: Dropout masks of these feature maps.
        noise: Test images under frequency noise.
        corrupted: Test images that are corrupted.
        corruptions: Their names; by default the fifteen of the benchmark.
        severities: From 1 to 5.
        sizes: Sizes of the ensembles on corrupted images; 1 is a single pass, and a deterministic network.
        density: Samples of the Hessian's spectral density.
        probes: Random probes of it.
        density_steps: Lanczos steps per probe.
        masks: Dropout masks in a sequence of surfaces.
        mask_samples: Samples of these surfaces.
        span: Half the side of these surfaces, in filter norms.
        steps: Points per side of these surfaces, odd.
    """

    predictions: int = 0
    passes: int = 50
    maps: int = 256
    images: Sequence[int] = (0,)
    channels: Sequence[int] = (0,)
    draws: int = 4
    noise: int = 1000
    corrupted: int = 500
    corruptions: Sequence[str] = ()
    severities: Sequence[int] = (1, 2, 3, 4, 5)
    sizes: Sequence[int] = (1, 5)
    density: int = 256
    probes: int = 4
    density_steps: int = 60
    masks: int = 4
    mask_samples: int = 200
    span: float = 0.5
    steps: int = 11


def panel_plan(settings: Settings, **sizes: Any) -> list[Measurement]:
    """The measurements that `landscape paper` draws from, besides those of `plan`.

    A network without MC dropout is passed over where several passes are needed. What a comparison has twice
    of one kind differs by its condition: an ensemble of `n50` passes, an evaluation of `train` images, noise
    of `equal` power in every ring, a `sequence` of surfaces under several dropout masks, and the robustness
    of the mean of `n5` passes. Trajectories need checkpoints of one training, and are measured by
    `landscape.analyses.trajectory`.

    Args:
        settings: The common protocol; its split, as in the papers the training set, is that of the Hessian
            densities and of the sequences.
        **sizes: Fields of `PanelSizes`.
    """
    size = PanelSizes(**sizes)
    test = replace(settings, split="test", augment=None, at_most=False, dropout="fresh")
    train = replace(settings, split="train", augment=None, samples=size.predictions)
    averaged, passes = replace(test, samples=size.predictions), size.passes
    noisy = replace(test, samples=size.noise)
    pictures = {"images": list(size.images), "channels": list(size.channels), "draws": size.draws}
    found = [
        Measurement("ensemble", averaged, {"passes": passes}, True, condition=f"n{passes}"),
        Measurement("evaluation", train, condition="train"),
        Measurement("maps", replace(test, samples=max(size.images) + 1), pictures),
    ]
    if size.maps:
        found.append(Measurement("covariance", replace(test, samples=size.maps)))
    if size.noise:
        found.append(Measurement("noise", noisy))
        found.append(Measurement("noise", noisy, {"equal_power": True}, condition="equal"))
    if size.corrupted:
        found += _robustness(replace(test, samples=size.corrupted), size)
    if size.density:
        rule = {"probes": size.probes, "steps": size.density_steps}
        found.append(Measurement("density", replace(settings, samples=size.density), rule))
    if size.mask_samples and size.masks > 1:
        own = replace(settings, samples=size.mask_samples, dropout="fresh")
        grid = {"span": size.span, "steps": size.steps, "masks": size.masks}
        found.append(Measurement("surface", own, grid, True, condition="sequence", name="sequence"))
    return found


def _robustness(settings: Settings, size: PanelSizes) -> list[Measurement]:
    """On corrupted images: one pass, and the means of several."""
    options = {"corruptions": list(size.corruptions), "severities": list(size.severities)}
    found = []
    for count in sorted(set(size.sizes)):
        if count == 1:
            found.append(Measurement("robustness", settings, options))
        else:
            mean = replace(settings, dropout=f"ensemble:{count}")
            found.append(Measurement("robustness", mean, options, True, condition=f"n{count}"))
    return found
