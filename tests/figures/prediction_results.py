"""Small results on predictions that follow the schema of saved ones: bins, ensembles, robustness, attacks."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tests.figures.planes import stamped

CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)


def bins(*, gap=0.08, count=10, empty=1, samples=1000):
    """The bins of a reliability diagram: overconfident by a gap, the lowest ones empty."""
    edges = np.linspace(0, 1, count + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    share = np.exp(4 * middle)
    share[:empty] = 0
    held = np.round(samples * share / share.sum())
    accuracy = np.where(held > 0, np.clip(middle - gap * np.sin(np.pi * middle), 0, 1), np.nan)
    error = np.sqrt(accuracy * (1 - accuracy) / np.maximum(held, 1))
    return {
        "bin_lower": ("bin", edges[:-1]),
        "bin_upper": ("bin", edges[1:]),
        "bin_confidence": ("bin", np.where(held > 0, middle, np.nan)),
        "bin_accuracy": ("bin", accuracy),
        "bin_accuracy_standard_error": ("bin", error),
        "bin_count": ("bin", held.astype(int)),
    }


def ensemble(name="mcd-gap", *, level=0.8, most=50, **kwargs):
    size = np.arange(1, most + 1)
    values = {
        "nll": level * (1 + 0.25 / size),
        "accuracy": 0.88 - 0.1 * level - 0.03 / size,
        "ece": 0.02 + 0.05 * level / size,
        "brier": 0.3 * level * (1 + 0.1 / size),
    }
    dataset = xr.Dataset(
        {key: ("size", each) for key, each in values.items()}
        | {f"{key}_standard_error": ("size", np.full(most, 0.012 * each[0])) for key, each in values.items()},
        coords={"size": size},
        attrs={"kind_of_ensemble": "mc-dropout", "members": [name], "passes": most},
    )
    return stamped(dataset, "ensemble", name, **kwargs)


def robustness(name="gap", *, level=1.0, clean=True, **kwargs):
    severity = np.arange(1, 6)
    hard = np.linspace(0.6, 1.5, len(CORRUPTIONS))
    error = np.clip(0.12 + 0.055 * level * hard[:, None] * severity, 0, 0.95)
    values = {"error": error, "accuracy": 1 - error, "nll": 3.2 * error, "ece": 0.35 * error}
    variables = {key: (("corruption", "severity"), each) for key, each in values.items()}
    variables |= {
        f"{key}_standard_error": (("corruption", "severity"), np.full(error.shape, 0.012)) for key in values
    }
    variables |= {f"mean_{key}": values[key].mean() for key in ("error", "nll", "ece")}
    variables |= {"mean_error_standard_error": 0.009}
    if clean:
        variables |= {"clean_error": 0.12, "clean_accuracy": 0.88, "clean_nll": 0.4, "clean_ece": 0.04}
    dataset = xr.Dataset(
        variables,
        coords={"corruption": list(CORRUPTIONS), "severity": severity},
        attrs={"source": "generated"},
    )
    return stamped(dataset, "robustness", name, **kwargs)


def consistency(name="gap", *, level=0.97, **kwargs):
    names = [*CORRUPTIONS[:6], "translate", "rotate", "tilt", "scale"]
    values = level - 0.02 * np.linspace(0, 1, len(names))
    dataset = xr.Dataset(
        {
            "consistency": ("perturbation", values),
            "consistency_standard_error": ("perturbation", np.full(len(names), 0.002)),
        },
        coords={"perturbation": names},
    )
    return stamped(dataset, "consistency", name, **kwargs)


def attack(name="gap", *, level=1.0, attacks=("fgsm", "pgd"), **kwargs):
    epsilon = np.array([0.5, 1, 2, 4, 8]) / 255
    pace = np.array([1.0, 2.2])[: len(attacks), None]
    values = 0.88 * np.exp(-90 * level * pace * epsilon)
    dims = ("attack", "epsilon")
    dataset = xr.Dataset(
        {
            "accuracy": (dims, values),
            "accuracy_standard_error": (dims, np.sqrt(values * (1 - values) / 1000)),
            "nll": (dims, 0.4 + 30 * pace * epsilon),
            "nll_standard_error": (dims, np.full(values.shape, 0.03)),
            "clean_accuracy": 0.88,
            "clean_accuracy_standard_error": 0.01,
        },
        coords={"attack": list(attacks), "epsilon": epsilon},
        attrs={"steps": 10, "step_size": 0.25, "seed": 0},
    )
    return stamped(dataset, "attack", name, **kwargs)
