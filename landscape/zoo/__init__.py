"""Networks of both papers, composed from one `ModelConfig`."""

from landscape.zoo.config import ModelConfig
from landscape.zoo.naming import is_zoo_name, parse
from landscape.zoo.networks import build, skeleton
from landscape.zoo.smoothing import Smoothing
from landscape.zoo.surgery import SURGERIES, operated, parse_surgery, smoothed

__all__ = [
    "SURGERIES",
    "ModelConfig",
    "Smoothing",
    "build",
    "is_zoo_name",
    "operated",
    "parse",
    "parse_surgery",
    "skeleton",
    "smoothed",
]
