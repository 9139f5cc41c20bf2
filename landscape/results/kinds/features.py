"""Kinds of results about what happens inside a network."""

from functools import partial

from landscape.results.kinds.record import Kind

_kind = partial(Kind, chapter="feature-maps")

FEATURES = _kind(
    "features",
    "Variance and Fourier content of feature maps by depth.",
    variables=("kind", "depth", "spatial_variance", "delta_log_amplitude"),
    recipe="landscape.analyses.internals:features",
    command="landscape features CKPT --draws 4",
    pooling="mean",
    dropout="fresh",
)
ALIASING = _kind(
    "aliasing",
    "Power above the new Nyquist frequency where feature maps are subsampled.",
    variables=("factor", "before", "after"),
    recipe="landscape.analyses.internals:aliasing",
    command="landscape features CKPT --aliasing",
    pooling="mean",
)
COVARIANCE = _kind(
    "covariance",
    "Correlation of neighbouring points of feature maps.",
    variables=("correlation",),
    recipe="landscape.analyses.internals:covariance",
    command="landscape features CKPT --covariance",
)
MAPS = _kind(
    "maps",
    "Feature maps of a few images, to look at.",
    variables=("input", "map"),
    recipe="landscape.analyses.internals:maps",
    command="landscape features CKPT --pictures 0",
    dropout="fresh",
)
NOISE = _kind(
    "noise",
    "Accuracy against the frequency of noise in the images.",
    variables=("frequency_pi", "accuracy", "nll", "accuracy_drop"),
    recipe="landscape.analyses.internals:noise",
    command="landscape features CKPT --noise gaussian",
    pooling="mean",
)
SIMILARITY = _kind(
    "similarity",
    "CKA between the layers of one network or of two.",
    variables=("cka",),
    recipe="landscape.analyses.internals:similarity",
    command="landscape features CKPT --similarity",
)
LESION = _kind(
    "lesion",
    "Accuracy with one block removed at a time.",
    variables=("depth", "stage", "accuracy", "nll", "accuracy_drop"),
    recipe="landscape.analyses.internals:lesion",
    command="landscape features CKPT --lesion",
    pooling="mean",
)
