"""Small datasets that follow the schema of saved results, shaped like what CIFAR ResNet-20s give."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.results import Check, stamp

FAMILY = (
    "mlp",
    "gap",
    "gap-blur",
    "gap-relu6",
    "gap-preact",
    "gap-preact-blur-relu6",
    "mcd-mlp",
    "mcd-gap",
    "mcd-gap-blur",
)


def stamped(dataset, kind, name, *, options=None, checks=(), seed=0):
    protocol = {
        "data": {
            "source": "cifar10",
            "split": "train",
            "samples": 1000,
            "indices_sha256": "ab" * 32,
            "augmentation": None,
        },
        "dropout": "fixed" if name.startswith("mcd") else "off",
        "batch_norm": "eval",
        "loss": "nll",
        "weight_decay": 0.0005,
        "dtype": "float32",
        "device": "cpu",
        "micro_batch": 250,
        "seed": seed,
        "options": options or {},
    }
    network = {
        "name": name,
        "architecture": "resnet-20",
        "path": f"runs/{name}.safetensors",
        "sha256": "cd" * 32,
        "parameters": 272474,
    }
    provenance = {"created": "2025-01-01T00:00:00+00:00", "seconds": 1.5, "versions": {"landscape": "0.1.0"}}
    return stamp(
        dataset, kind=kind, network=network, protocol=protocol, provenance=provenance, checks=list(checks)
    )


def surface(name="gap", *, curvature=1.0, base=0.02, steps=11, broken=0, undone=0, **kwargs):
    axis = np.linspace(-1.0, 1.0, steps)
    x, y = np.meshgrid(axis, axis)
    nll = base + curvature * (x**2 + 0.6 * y**2 + 0.4 * x * y + 0.3 * x**4)
    nll[-1, steps - broken :] = np.inf
    done = np.ones(nll.shape, dtype=bool)
    done[0, :undone] = False
    nll[~done] = np.nan
    grid = ("y", "x")
    dataset = xr.Dataset(
        {
            "nll": (grid, nll),
            "l2": (grid, 0.1 + 0.05 * (x**2 + y**2)),
            "accuracy": (grid, np.clip(np.exp(-np.nan_to_num(nll, posinf=99.0)), 0.1, 1)),
            "standard_error": (grid, 0.02 * nll),
            "samples": (grid, np.full(nll.shape, 1000)),
            "done": (grid, done),
            "x_norm": 12.5,
            "y_norm": 12.4,
        },
        coords={"x": axis, "y": axis},
    )
    options = {"norm": "filter", "span": 1.0, "steps": steps}
    return stamped(dataset, "surface", name, options=options, **kwargs)


def spectrum(name="gap", *, level=200.0, batches=12, k=5, negative=0.0, loose=0, seed=0, **kwargs):
    generator = np.random.default_rng(seed)
    values = level * generator.lognormal(0, 0.5, (batches, k)) / np.arange(1, k + 1)
    values = np.where(generator.random(values.shape) < negative, -0.05 * values, values)
    values = -np.sort(-values, axis=1)
    converged = np.ones(values.shape, dtype=bool)
    converged.flat[:loose] = False
    positive = values[values > 0]
    dims = ("batch", "rank")
    dataset = xr.Dataset(
        {
            "eigenvalue": (dims, values),
            "residual": (dims, np.full(values.shape, 1e-4)),
            "converged": (dims, converged),
            "ape": positive.mean() if positive.size else np.nan,
            "ape_standard_error": positive.std() / np.sqrt(max(positive.size, 1))
            if positive.size
            else np.nan,
            "nep": (values < 0).mean(),
        }
    )
    options = {"batch_size": 16, "k": k, "method": "lanczos"}
    return stamped(dataset, "spectrum", name, options=options, **kwargs)


def features(name="gap", *, blur=False, scale=1.0, size=32, **kwargs):
    layers = [("stem", "stem", 0, size)]
    for stage in (1, 2, 3):
        side = size // 2 ** (stage - 1) + (1 if blur and stage > 1 else 0)
        layers += [(f"stage{stage}.{i}", "block", stage, side) for i in range(3)]
        if blur:
            layers.append((f"smooth{stage}", "smoothing", stage, side + 1))
    count, width = len(layers), size // 2 + 1
    frequency = np.full((count, width), np.nan)
    delta = np.full((count, width), np.nan)
    for row, (_, kind, stage, side) in enumerate(layers):
        n = side // 2
        frequency[row, :n] = 2 * np.arange(n) / side
        delta[row, :n] = (
            -(2.0 + stage + (1.5 if kind == "smoothing" else 0)) * frequency[row, :n] ** 0.7 * scale
        )
    last = [delta[row][np.isfinite(delta[row])][-1] for row in range(count)]
    smoothed = np.array([kind == "smoothing" for _, kind, _, _ in layers])
    variance = scale * 0.3 * 1.15 ** np.arange(count) * np.where(smoothed, 0.5, 1.0)
    both = ("layer", "frequency")
    dataset = xr.Dataset(
        {
            "spatial_variance": ("layer", variance),
            "spatial_variance_standard_error": ("layer", 0.03 * variance),
            "log_amplitude": (both, delta + 3),
            "delta_log_amplitude": (both, delta),
            "frequency_pi": (both, frequency),
            "high_frequency": ("layer", np.array(last)),
            "high_frequency_standard_error": ("layer", np.full(len(last), 0.02)),
            "kind": ("layer", [kind for _, kind, _, _ in layers]),
            "stage": ("layer", [stage for _, _, stage, _ in layers]),
            "depth": ("layer", np.linspace(0, 1, count)),
            "height": ("layer", [side for *_, side in layers]),
            "width": ("layer", [side for *_, side in layers]),
            "channels": ("layer", [16] * count),
        },
        coords={"layer": [label for label, *_ in layers]},
    )
    return stamped(dataset, "features", name, **kwargs)


def evaluation(name="gap", *, nll=0.4, error=0.01, accuracy=0.88, **kwargs):
    samples, classes = 20, 10
    dataset = xr.Dataset(
        {
            "nll": ("sample", np.full(samples, nll)),
            "correct": ("sample", np.arange(samples) % 10 > 0),
            "confidence": ("sample", np.full(samples, 0.9)),
            "target": ("sample", np.arange(samples) % classes),
            "log_probability": (("sample", "class"), np.full((samples, classes), np.log(1 / classes))),
            "mean_nll": nll,
            "mean_nll_standard_error": error,
            "accuracy": accuracy,
            "accuracy_standard_error": 0.003,
            "top5": 0.99,
            "ece": 0.05,
            "brier": 0.18,
            "brier_standard_error": 0.004,
        }
    )
    return stamped(dataset, "evaluation", name, **kwargs)


def eigenvalues(name="gap", *, largest=150.0, **kwargs):
    values = largest / np.arange(1, 6)
    dataset = xr.Dataset(
        {
            "eigenvalue": ("rank", values),
            "residual": ("rank", np.full(5, 1e-4)),
            "converged": ("rank", np.ones(5, dtype=bool)),
        }
    )
    return stamped(dataset, "eigenvalues", name, **kwargs)


def comparison(names=FAMILY[:3], *, checks=True):
    """Results of every kind for several networks, the later ones flatter."""
    found = {}
    for i, name in enumerate(names):
        centre = Check("centre", True, "the surface's centre equals the evaluated loss (difference 1e-8)")
        loose = Check("residuals", i != 1, f"{i} of 60 eigenvalues did not converge; raise --max-steps")
        found[name] = {
            "evaluation": evaluation(name, nll=0.5 - 0.03 * i),
            "eigenvalues": eigenvalues(name, largest=150 / (i + 1)),
            "spectrum": spectrum(
                name, level=400 / (i + 1), negative=0.1, loose=i, seed=i, checks=[loose] if checks else []
            ),
            "surface": surface(
                name, curvature=4 / (i + 1), broken=3 if i == 0 else 0, checks=[centre] if checks else []
            ),
            "features": features(name, blur="blur" in name, scale=1 - 0.06 * i),
        }
    return found


def of(results, kind):
    return {name: kinds[kind] for name, kinds in results.items()}
