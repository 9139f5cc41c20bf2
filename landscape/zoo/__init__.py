"""Networks of both papers, composed from one `ModelConfig`."""

from landscape.zoo.config import ModelConfig, Smoothing, is_zoo_name, parse
from landscape.zoo.networks import build, skeleton

__all__ = ["ModelConfig", "Smoothing", "build", "is_zoo_name", "parse", "skeleton"]
