"""Kinds of results about the loss around and between trained weights."""

from functools import partial

from landscape.results.kinds.record import Kind

_kind = partial(Kind, chapter="surface", split="train")

SURFACE = _kind(
    "surface",
    "Loss on a plane or a line through the weights.",
    variables=("nll", "l2"),
    recipe="landscape.analyses.surfaces:surface",
    command="landscape surface CKPT",
    resumes=True,
)
FLATNESS = _kind(
    "flatness",
    "Loss rise, curvature and sharpness along many random directions.",
    variables=("loss", "rise", "curvature"),
    recipe="landscape.analyses.surfaces:flatness",
    command="landscape surface CKPT --flatness 10",
    resumes=True,
    pooling="values",
    along="repeat",
    statistics="landscape.comparison.rows:flatness",
)
TRAJECTORY = _kind(
    "trajectory",
    "Path of a training run through weight space.",
    variables=("x", "y", "off_plane", "distance"),
    recipe="landscape.analyses.trajectories:trajectory",
    command="landscape trajectory CKPT…",
    needs="checkpoints of one training run",
)
