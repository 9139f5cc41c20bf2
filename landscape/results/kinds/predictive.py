"""Kinds of results about predictions."""

from functools import partial

from landscape.results.kinds.record import Kind

_kind = partial(Kind, chapter="predictions")

EVALUATION = _kind(
    "evaluation",
    "Accuracy, likelihood and calibration of predictions.",
    variables=("nll",),
    recipe="landscape.analyses.predictions:evaluation",
    command="landscape evaluate CKPT",
    pooling="mean",
)
ENSEMBLE = _kind(
    "ensemble",
    "Quality of averaged predictions against the size of the ensemble.",
    variables=("nll", "accuracy", "ece"),
    recipe="landscape.analyses.predictions:ensemble",
    command="landscape evaluate CKPT --ensemble 50",
    resumes=True,
    pooling="mean",
    dropout="fresh",
)
ROBUSTNESS = _kind(
    "robustness",
    "Predictions on corrupted images.",
    variables=("accuracy", "error", "nll", "ece"),
    recipe="landscape.analyses.predictions:robustness",
    command="landscape evaluate CKPT --corrupt",
    resumes=True,
    pooling="mean",
)
CONSISTENCY = _kind(
    "consistency",
    "Consistency of predictions over sequences of perturbed images.",
    variables=("consistency",),
    recipe="landscape.analyses.predictions:consistency",
    command="landscape evaluate CKPT --consistency DIR",
    resumes=True,
    pooling="mean",
    needs="a folder of CIFAR-10-P",
)
ATTACK = _kind(
    "attack",
    "Accuracy under the attacks FGSM and PGD.",
    variables=("accuracy", "nll"),
    recipe="landscape.analyses.predictions:attack",
    command="landscape evaluate CKPT --attack",
    resumes=True,
    pooling="mean",
)
