"""Kinds of results about the Hessian."""

from landscape.results.kinds.record import Kind

EIGENVALUES = Kind(
    "eigenvalues",
    "Extreme eigenvalues of the Hessian over all samples, each with its residual.",
    variables=("eigenvalue", "residual", "converged"),
    recipe="landscape.analyses.curvature:eigenvalues",
    chapter="hessian",
    command="landscape hessian CKPT",
    resumes=True,
    pooling="mean",
    split="train",
)
SPECTRUM = Kind(
    "spectrum",
    "Top eigenvalues of the Hessian of every mini-batch.",
    variables=("eigenvalue", "residual"),
    recipe="landscape.analyses.curvature:spectrum",
    chapter="hessian",
    command="landscape hessian CKPT --spectrum",
    resumes=True,
    pooling="values",
    along="batch",
    statistics="landscape.comparison.rows:spectrum",
    split="train",
)
TRACE = Kind(
    "trace",
    "Trace of the Hessian, whole and by layer.",
    variables=("trace", "trace_standard_error"),
    recipe="landscape.analyses.curvature:trace",
    chapter="hessian",
    command="landscape hessian CKPT --trace 32",
    resumes=True,
    pooling="mean",
    split="train",
)
DENSITY = Kind(
    "density",
    "Spectral density of the Hessian.",
    variables=("eigenvalue", "density", "standard_error", "node", "weight"),
    recipe="landscape.analyses.curvature:density",
    chapter="hessian",
    command="landscape hessian CKPT --density 8",
    resumes=True,
    split="train",
)
LAYERS = Kind(
    "layers",
    "Top Hessian eigenvalue and trace of every layer.",
    variables=("name", "depth", "eigenvalue", "residual", "converged", "trace", "trace_standard_error"),
    recipe="landscape.analyses.curvature:layers",
    chapter="hessian",
    command="landscape hessian CKPT --layers",
    resumes=True,
    split="train",
)
