"""Kinds of results about the Hessian."""

from functools import partial

from landscape.results.kinds.record import Kind

_kind = partial(Kind, chapter="hessian", split="train", resumes=True)

EIGENVALUES = _kind(
    "eigenvalues",
    "Extreme eigenvalues of the Hessian over all samples, each with its residual.",
    variables=("eigenvalue", "residual", "converged"),
    recipe="landscape.analyses.curvature:eigenvalues",
    command="landscape hessian CKPT",
    pooling="mean",
)
SPECTRUM = _kind(
    "spectrum",
    "Top eigenvalues of the Hessian of every mini-batch.",
    variables=("eigenvalue", "residual"),
    recipe="landscape.analyses.curvature:spectrum",
    command="landscape hessian CKPT --spectrum",
    pooling="values",
    along="batch",
    statistics="landscape.comparison.rows:spectrum",
)
TRACE = _kind(
    "trace",
    "Trace of the Hessian, whole and by layer.",
    variables=("trace", "trace_standard_error"),
    recipe="landscape.analyses.curvature:trace",
    command="landscape hessian CKPT --trace 32",
    pooling="mean",
)
DENSITY = _kind(
    "density",
    "Spectral density of the Hessian.",
    variables=("eigenvalue", "density", "standard_error", "node", "weight"),
    recipe="landscape.analyses.curvature:density",
    command="landscape hessian CKPT --density 8",
)
LAYERS = _kind(
    "layers",
    "Top Hessian eigenvalue and trace of every layer.",
    variables=("name", "depth", "eigenvalue", "residual", "converged", "trace", "trace_standard_error"),
    recipe="landscape.analyses.curvature:layers",
    command="landscape hessian CKPT --layers",
)
