"""How good a network's predictions are, and how well it knows."""

from landscape.predictive.evaluation import evaluate

__all__ = ["evaluate"]
