"""Kinds of results about what happens inside a network."""

from landscape.results.kinds.record import Kind

FEATURES = Kind(
    "features",
    "Variance and Fourier content of feature maps by depth.",
    variables=("kind", "depth", "spatial_variance", "delta_log_amplitude"),
    recipe="landscape.analyses.internals:features",
    chapter="feature-maps",
    command="landscape features CKPT --draws 4",
    pooling="mean",
    dropout="fresh",
)
ALIASING = Kind(
    "aliasing",
    "Power above the new Nyquist frequency where feature maps are subsampled.",
    variables=("factor", "before", "after"),
    recipe="landscape.analyses.internals:aliasing",
    chapter="feature-maps",
    command="landscape features CKPT --aliasing",
    pooling="mean",
)
COVARIANCE = Kind(
    "covariance",
    "Correlation of neighbouring points of feature maps.",
    variables=("correlation",),
    recipe="landscape.analyses.internals:covariance",
    chapter="feature-maps",
    command="landscape features CKPT --covariance",
)
MAPS = Kind(
    "maps",
    "Feature maps of a few images, to look at.",
    variables=("input", "map"),
    recipe="landscape.analyses.internals:maps",
    chapter="feature-maps",
    command="landscape features CKPT --pictures 0",
    dropout="fresh",
)
NOISE = Kind(
    "noise",
    "Accuracy against the frequency of noise in the images.",
    variables=("frequency_pi", "accuracy", "nll", "accuracy_drop"),
    recipe="landscape.analyses.internals:noise",
    chapter="feature-maps",
    command="landscape features CKPT --noise gaussian",
    pooling="mean",
)
SIMILARITY = Kind(
    "similarity",
    "CKA between the layers of one network or of two.",
    variables=("cka",),
    recipe="landscape.analyses.internals:similarity",
    chapter="feature-maps",
    command="landscape features CKPT --similarity",
)
LESION = Kind(
    "lesion",
    "Accuracy with one block removed at a time.",
    variables=("depth", "stage", "accuracy", "nll", "accuracy_drop"),
    recipe="landscape.analyses.internals:lesion",
    chapter="feature-maps",
    command="landscape features CKPT --lesion",
    pooling="mean",
)
