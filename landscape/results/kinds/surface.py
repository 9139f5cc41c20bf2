"""Kinds of results about the loss around and between trained weights."""

from landscape.results.kinds.record import Kind

SURFACE = Kind(
    "surface",
    "Loss on a plane or a line through the weights.",
    variables=("nll", "l2"),
    recipe="landscape.analyses.surfaces:surface",
    chapter="surface",
    command="landscape surface CKPT",
    resumes=True,
    split="train",
)
FLATNESS = Kind(
    "flatness",
    "Loss rise, curvature and sharpness along many random directions.",
    variables=("loss", "rise", "curvature"),
    recipe="landscape.analyses.surfaces:flatness",
    chapter="surface",
    command="landscape surface CKPT --flatness 10",
    resumes=True,
    pooling="values",
    along="repeat",
    statistics="landscape.comparison.rows:flatness",
    split="train",
)
TRAJECTORY = Kind(
    "trajectory",
    "Path of a training run through weight space.",
    variables=("x", "y", "off_plane", "distance"),
    recipe="landscape.analyses.trajectories:trajectory",
    chapter="surface",
    command="landscape trajectory CKPT…",
    split="train",
    needs="checkpoints of one training run",
)
