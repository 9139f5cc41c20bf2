"""The landscape under other conditions than the usual ones, for `landscape.comparison.conditional`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from landscape.analyses.compare import Measurement
from landscape.analyses.settings import Settings


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
    images = dataclasses.replace(settings, samples=batch_size * batches, at_most=False)
    one = {"batch_size": batch_size, "k": 1}
    flat = {"repeats": directions, "radii": [0.1, 0.2]}
    other = {
        "test": dataclasses.replace(images, split="test"),
        "augmented": dataclasses.replace(images, augment=settings.seed),
    }
    changed = [Measurement("spectrum", each, one, name=f"spectrum-{name}") for name, each in other.items()]
    options: Sequence[tuple[str, dict]] = (
        ("batch16", {**one, "batch_size": 16}),
        ("whole", {**one, "batch_size": batch_size * batches}),
        ("filter", {**one, "coordinates": "filter"}),
    )
    changed += [Measurement("spectrum", images, own, name=f"spectrum-{name}") for name, own in options]
    off = dataclasses.replace(images, dropout="off")
    return [
        *changed,
        Measurement("spectrum", off, one, stochastic=True, name="spectrum-off"),
        Measurement("flatness", dataclasses.replace(settings, split="test"), flat, name="flatness-test"),
        Measurement(
            "flatness",
            dataclasses.replace(settings, dropout="off"),
            flat,
            stochastic=True,
            name="flatness-off",
        ),
    ]
