"""How good a network's predictions are, and how well it knows."""

from landscape.predictive.attacks import attack
from landscape.predictive.consistency import consistency
from landscape.predictive.ensembles import ensemble
from landscape.predictive.evaluation import evaluate
from landscape.predictive.robustness import robustness

__all__ = ["attack", "consistency", "ensemble", "evaluate", "robustness"]
