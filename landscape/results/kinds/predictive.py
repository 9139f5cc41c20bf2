"""Kinds of results about predictions."""

from landscape.results.kinds.record import Kind

EVALUATION = Kind(
    "evaluation",
    "Accuracy, likelihood and calibration of predictions.",
    variables=("nll", "accuracy"),
    recipe="landscape.analyses.predictions:evaluation",
    chapter="predictions",
    command="landscape evaluate CKPT",
    pooling="mean",
)
ENSEMBLE = Kind(
    "ensemble",
    "Quality of averaged predictions against the size of the ensemble.",
    variables=("nll", "accuracy", "ece"),
    recipe="landscape.analyses.predictions:ensemble",
    chapter="predictions",
    command="landscape evaluate CKPT --ensemble 50",
    resumes=True,
    pooling="mean",
    dropout="fresh",
)
ROBUSTNESS = Kind(
    "robustness",
    "Predictions on corrupted images.",
    variables=("accuracy", "error", "nll", "ece"),
    recipe="landscape.analyses.predictions:robustness",
    chapter="predictions",
    command="landscape evaluate CKPT --corrupt",
    resumes=True,
    pooling="mean",
)
CONSISTENCY = Kind(
    "consistency",
    "Consistency of predictions over sequences of perturbed images.",
    variables=("consistency",),
    recipe="landscape.analyses.predictions:consistency",
    chapter="predictions",
    command="landscape evaluate CKPT --consistency DIR",
    resumes=True,
    pooling="mean",
    needs="a folder of CIFAR-10-P",
)
ATTACK = Kind(
    "attack",
    "Accuracy under the attacks FGSM and PGD.",
    variables=("accuracy", "nll"),
    recipe="landscape.analyses.predictions:attack",
    chapter="predictions",
    command="landscape evaluate CKPT --attack",
    resumes=True,
    pooling="mean",
)
