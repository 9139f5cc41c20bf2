"""Figures of predictions, for the catalogue."""

from __future__ import annotations

from landscape.figures.attack import attack
from landscape.figures.drawing import Drawing
from landscape.figures.ensemble import ensemble
from landscape.figures.reliability import is_binned, reliability
from landscape.figures.robustness import consistency, corruptions, robustness

FIGURES: dict[str, Drawing] = {
    "ensemble": Drawing(
        "ensemble",
        "Size of the ensemble",
        "NLL, accuracy and calibration error against the number of predictions averaged",
        ensemble,
        True,
    ),
    "robustness": Drawing(
        "robustness",
        "Robustness by severity",
        "NLL, accuracy and calibration error on corrupted images against the severity",
        robustness,
        True,
    ),
    "attack": Drawing(
        "attack",
        "Adversarial attacks",
        "Accuracy against the strength of adversarial attacks, a panel an attack",
        attack,
        True,
    ),
}
"""What is drawn of the results of a comparison."""

FURTHER: dict[str, Drawing] = {
    "reliability": Drawing(
        "evaluation",
        "Reliability",
        "Accuracy against confidence, and a histogram of confidence",
        reliability,
        True,
        is_binned,
    ),
    "corruptions": Drawing(
        "robustness",
        "Robustness by corruption",
        "Error on corrupted images by corruption, mean over severities",
        corruptions,
        True,
    ),
    "consistency": Drawing(
        "consistency",
        "Consistency under perturbations",
        "Share of neighbouring frames of a perturbation with the same prediction",
        consistency,
        True,
    ),
}
"""Other figures of these results, or of those that hold what not all do."""
