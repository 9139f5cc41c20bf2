"""Numbers of the papers' tables, as facts to be put beside measured ones (Park & Kim 2022a)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from landscape.figures.papers.networks import Record


@dataclass(frozen=True)
class Published:
    """What a table of the paper says of one network.

    Attributes:
        network: Which, and on which data; empty if the paper has nothing like it.
        rows: Its numbers in words, by label of the row.
    """

    network: str = ""
    rows: Mapping[str, str] = field(default_factory=dict)


ABLATION: dict[str, tuple[str, int, str]] = {
    "no smoothing": ("none", 1, "0.848"),
    "ReLU∘tanh": ("tanh", 1, "0.838"),
    "ReLU6": ("relu6", 1, "0.844"),
    "scaling": ("scale", 1, "0.825"),
    "blur": ("none", 2, "0.806"),
    "blur ∘ ReLU∘tanh": ("tanh", 2, "0.801"),
    "blur ∘ ReLU6": ("relu6", 2, "0.805"),
    "blur ∘ scaling": ("scale", 2, "0.811"),
    "blur 3 × 3 ∘ ReLU∘tanh": ("tanh", 3, "0.822"),
    "blur 5 × 5 ∘ ReLU∘tanh": ("tanh", 5, "0.837"),
}
"""Rows of Table B.1: Prob, size of the blur, and the NLL of ResNet-18 with MC dropout on CIFAR-100."""

_HEADS = {
    "resnet": Published(
        "ResNet-18, CIFAR-100",
        {
            "GAP": "0.0124 → 0.841 / 77.5 / 2.92",
            "MLP": "0.0076 → 1.040 / 74.8 / 9.55",
            "max": "0.0113 → 0.905 / 76.3 / 5.23",
            "median": "0.0156 → 0.889 / 76.4 / 5.03",
        },
    ),
    "vgg": Published(
        "VGG-16, CIFAR-100",
        {"GAP": "0.0852 → 1.030 / 72.3 / 3.24", "MLP": "0.549 → 1.133 / 68.8 / 3.66"},
    ),
}
_PREACTIVATION = {
    "resnet": Published(
        "ResNet-18, CIFAR-100",
        {
            "deterministic": "0.983 / 77.1",
            "deterministic, pre-activation": "0.934 / 77.6",
            "MC dropout": "0.937 / 76.9",
            "MC dropout, pre-activation": "0.872 / 77.6",
        },
    ),
    "vgg": Published(
        "VGG-19 and, with MC dropout, VGG-16, CIFAR-100",
        {
            "deterministic": "2.016 / 67.6",
            "deterministic, pre-activation": "1.799 / 64.4",
            "MC dropout": "1.133 / 68.8",
            "MC dropout, pre-activation": "1.036 / 71.7",
        },
    ),
}
_QUALITY_ROWS = ("deterministic", "deterministic + S", "MC dropout", "MC dropout + S")
_QUALITY: dict[tuple[str, int], tuple[str, tuple[str, ...]]] = {
    ("vgg", 10): (
        "VGG-19, CIFAR-10",
        ("0.401 / 93.1 / 3.80", "0.376 / 93.2 / 5.49", "0.238 / 92.6 / 3.55", "0.197 / 93.3 / 0.68"),
    ),
    ("resnet", 10): (
        "ResNet-18, CIFAR-10",
        ("0.182 / 95.2 / 2.75", "0.173 / 95.4 / 2.31", "0.157 / 95.2 / 1.14", "0.144 / 95.5 / 1.04"),
    ),
    ("vgg", 100): (
        "VGG-16, CIFAR-100",
        ("2.047 / 71.6 / 19.2", "1.878 / 72.2 / 20.5", "1.133 / 68.8 / 3.66", "1.034 / 71.4 / 1.06"),
    ),
    ("resnet", 100): (
        "ResNet-18, CIFAR-100",
        ("0.886 / 77.9 / 4.97", "0.863 / 78.9 / 4.40", "0.848 / 77.3 / 3.01", "0.801 / 78.9 / 2.56"),
    ),
    ("resnet", 1000): (
        "ResNet-50, ImageNet",
        ("0.949 / 76.0 / 2.97", "0.916 / 76.9 / 3.46", "0.945 / 76.0 / 1.89", "0.905 / 77.0 / 2.49"),
    ),
}


def ablation(each: Record) -> Published:
    """NLL by kind of smoothing (Table B.1)."""
    del each  # the paper has one network
    return Published("ResNet-18, CIFAR-100", {label: row[2] for label, row in ABLATION.items()})


def head_comparison(each: Record) -> Published:
    """NLL on training images, then NLL, accuracy and ECE on test images, by head (Table C.1)."""
    return _HEADS[_kind(each)]


def preactivation(each: Record) -> Published:
    """NLL and accuracy without and with pre-activation (Table C.2)."""
    return _PREACTIVATION[_kind(each)]


def quality(each: Record) -> Published:
    """NLL, accuracy and ECE (Table E.1), of the paper's network nearest to this one."""
    network, row = _QUALITY.get((_kind(each), int(each["config"].get("classes", 0))), ("", ()))
    return Published(network, dict(zip(_QUALITY_ROWS, row, strict=False)))


def _kind(each: Record) -> str:
    return "vgg" if each["config"]["architecture"] == "vgg" else "resnet"
