"""What is measured of networks: a comparison's usual results, other conditions, what papers' panels take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from landscape.analyses.compare import Measurement
from landscape.analyses.settings import Settings
from landscape.errors import LandscapeError
from landscape.results import KINDS


def plan(
    settings: Settings,
    *,
    predictions: int = 0,
    maps: int = 256,
    batch_size: int = 128,
    batches: int = 0,
    span: float = 1.0,
    steps: int = 21,
    directions: int = 10,
    draws: int = 4,
    passes: int = 10,
) -> list[Measurement]:
    """What a comparison measures, from one protocol.

    The loss surface and the Hessian spectrum use the settings' own split, as in the papers the training set;
    predictions and feature maps use the test set.

    Args:
        settings: The common protocol; its samples are the surface's.
        predictions: Test images for the predictions; 0 takes all.
        maps: Test images for the feature maps.
        batch_size: Samples a mini-batch of the Hessian spectrum.
        batches: Mini-batches of the spectrum; 0 takes all that the surface's samples give.
        span: Half the side of the surface, in filter norms.
        steps: Points a side of the surface.
        directions: Random directions that the flatness is measured along.
        draws: Passes under fresh dropout masks for the model's variance.
        passes: Predictions of MC dropout whose spread is measured, on as many test images as the surface's.
    """
    # Numbers that were asked for are kept or refused; only the surface's usual number may shrink.
    test = replace(settings, split="test", augment=None, at_most=False)
    fresh = replace(test, dropout="fresh")
    whole = settings
    if batches:
        whole = replace(settings, samples=batch_size * batches, at_most=False)
    return [
        Measurement("evaluation", replace(test, samples=predictions)),
        Measurement("ensemble", replace(fresh, at_most=True), {"passes": passes}, True),
        Measurement("features", replace(fresh, samples=maps), {"draws": draws}),
        Measurement("spectrum", whole, {"batch_size": batch_size, "k": 1}),
        Measurement("surface", settings, {"span": span, "steps": steps}),
        Measurement("flatness", settings, {"repeats": directions, "radii": [0.1, 0.2]}),
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
            raise LandscapeError(f"a comparison cannot measure {name!r} by itself; choose among {able}")
        kind = KINDS[name]
        own = replace(settings, dropout=kind.dropout or settings.dropout)
        found.append(
            Measurement(name, replace(own, split="test", augment=None) if kind.split == "test" else own)
        )
    return found


def conditions(
    settings: Settings,
    *,
    batch_size: int = 64,
    batches: int = 4,
    directions: int = 10,
) -> list[Measurement]:
    """The Hessian spectrum and the flatness, each with one thing changed.

    Test images instead of training images; a frozen crop and flip; mini-batches of 16, and all images at
    once; every filter in units of its norm; dropout off.
    L2 needs no measurement: it adds its λ to every eigenvalue.

    Args:
        settings: The protocol that is changed; its samples are those of the flatness.
        batch_size: Samples a mini-batch of the reference.
        batches: Mini-batches of the reference; the others share its images.
        directions: Random directions of the flatness.
    """
    images = replace(settings, samples=batch_size * batches, at_most=False)
    one = {"batch_size": batch_size, "k": 1}
    flat = {"repeats": directions, "radii": [0.1, 0.2]}
    other = {
        "test": replace(images, split="test"),
        "augmented": replace(images, augment=settings.seed),
    }
    changed = [Measurement("spectrum", each, one, condition=name) for name, each in other.items()]
    options: Sequence[tuple[str, dict]] = (
        ("batch16", {**one, "batch_size": 16}),
        ("whole", {**one, "batch_size": batch_size * batches}),
        ("filter", {**one, "coordinates": "filter"}),
    )
    changed += [Measurement("spectrum", images, own, condition=name) for name, own in options]
    off = replace(images, dropout="off")
    return [
        *changed,
        Measurement("spectrum", off, one, stochastic=True, condition="off"),
        Measurement("flatness", replace(settings, split="test"), flat, condition="test"),
        Measurement(
            "flatness",
            replace(settings, dropout="off"),
            flat,
            stochastic=True,
            condition="off",
        ),
    ]


def panel_plan(
    settings: Settings,
    *,
    predictions: int = 0,
    passes: int = 50,
    maps: int = 256,
    images: Sequence[int] = (0,),
    channels: Sequence[int] = (0,),
    draws: int = 4,
    noise: int = 1000,
    corrupted: int = 500,
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    sizes: Sequence[int] = (1, 5),
    density: int = 256,
    probes: int = 4,
    density_steps: int = 60,
    masks: int = 4,
    mask_samples: int = 200,
    span: float = 0.5,
    steps: int = 11,
) -> list[Measurement]:
    """The measurements that `landscape paper` draws from, besides those of `plan`.

    A network without MC dropout is passed over where several passes are needed. Kinds that a comparison has
    twice go by names of their own: `ensemble-n50`, `evaluation-train`, `noise-equal` (of equal power in every
    ring), `sequence` (a surface under several dropout masks) and `robustness-n5` (of the mean of five
    passes). Trajectories need checkpoints of one training, and are measured by
    `landscape.analyses.trajectory`. A size of 0 leaves a measurement out, but for the predictions.

    Args:
        settings: The common protocol; its split, as in the papers the training set, is that of the Hessian
            densities and of the sequences.
        predictions: Test images of the ensembles and training images of their counterpart; 0 takes all.
        passes: Passes of the largest ensemble.
        maps: Test images that covariances are taken over.
        images: Positions of the test images whose maps are kept to look at.
        channels: Channels of these maps.
        draws: Dropout draws of these maps.
        noise: Test images under frequency noise.
        corrupted: Test images that are corrupted.
        corruptions: Their names; by default the fifteen of the benchmark.
        severities: From 1 to 5.
        sizes: Sizes of the ensembles on corrupted images; 1 is a single pass, and a deterministic network.
        density: Samples of the Hessian's spectral density.
        probes: Random probes of it.
        density_steps: Lanczos steps a probe.
        masks: Draws of the dropout masks in a sequence of surfaces.
        mask_samples: Samples of these surfaces.
        span: Half the side of these surfaces, in filter norms.
        steps: Points a side of these surfaces, odd.
    """
    test = replace(settings, split="test", augment=None, at_most=False, dropout="fresh")
    train = replace(settings, split="train", augment=None, samples=predictions)
    noisy = replace(test, samples=noise)
    rings = [
        Measurement("noise", noisy),
        Measurement("noise", noisy, {"equal_power": True}, condition="equal"),
    ]
    whole = replace(settings, samples=density)
    plane = replace(settings, samples=mask_samples, dropout="fresh")
    pictures = {"images": list(images), "channels": list(channels), "draws": draws}
    found = [
        Measurement(
            "ensemble",
            replace(test, samples=predictions),
            {"passes": passes},
            condition=f"n{passes}",
            stochastic=True,
        ),
        Measurement("evaluation", train, condition="train"),
        Measurement("maps", replace(test, samples=max(images) + 1), pictures),
        *([Measurement("covariance", replace(test, samples=maps))] if maps else []),
        *(rings if noise else []),
    ]
    if corrupted:
        found += _robustness(replace(test, samples=corrupted), corruptions, severities, sizes)
    if density:
        found.append(Measurement("density", whole, {"probes": probes, "steps": density_steps}))
    if mask_samples and masks > 1:
        options = {"span": span, "steps": steps, "masks": masks}
        found.append(
            Measurement("surface", plane, options, condition="sequence", name="sequence", stochastic=True)
        )
    return found


def _robustness(
    settings: Settings, corruptions: Sequence[str], severities: Sequence[int], sizes: Sequence[int]
) -> list[Measurement]:
    """On corrupted images: one pass, and the means of several."""
    options = {"corruptions": list(corruptions), "severities": list(severities)}
    return [
        Measurement("robustness", settings, options)
        if size == 1
        else Measurement(
            "robustness",
            replace(settings, dropout=f"ensemble:{size}"),
            options,
            condition=f"n{size}",
            stochastic=True,
        )
        for size in sorted(set(sizes))
    ]
