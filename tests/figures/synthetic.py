"""Small datasets that follow the schema of saved results, shaped like what CIFAR ResNet-20s give."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.results import Check
from tests.figures import feature_results, prediction_results
from tests.figures.planes import stamped, surface, trajectory

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


def spectrum(
    name="gap", *, level=200.0, batches=12, k=5, negative=0.0, loose=0, seed=0, options=None, **kwargs
):
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
    asked = {"batch_size": 16, "k": k, "method": "lanczos"}
    return stamped(dataset, "spectrum", name, options=asked | (options or {}), **kwargs)


def density(
    name="gap", *, top=170.0, probes=5, steps=60, outliers=10, n=270_000, seed=0, options=None, **kwargs
):
    """Nodes and weights as Lanczos finds them: a bulk around zero, and outliers that all probes share.

    The share of a probe in one eigenvalue is χ² with one degree of freedom over n.
    """
    generator = np.random.default_rng(seed)
    shared = top * np.linspace(1.0, 0.38, outliers) ** 2
    bulk = top * np.sinh(np.linspace(-2.4, 4.2, steps - outliers)) / np.sinh(4.2) * 0.12
    nodes = bulk * (1 + 0.05 * generator.standard_normal((probes, bulk.size)))
    weights = np.exp(-np.abs(nodes) / (0.002 * top)) + 2e-3 * np.exp(-np.abs(nodes) / (0.018 * top))
    single = generator.chisquare(1, (probes, outliers)) / n
    weights *= ((1 - single.sum(1)) / weights.sum(1))[:, None]
    nodes = np.concatenate([nodes, np.tile(shared, (probes, 1))], axis=1)
    weights = np.concatenate([weights, single], axis=1)
    width = 0.005 * top
    points = np.linspace(nodes.min() - 6 * width, nodes.max() + 6 * width, 2000)
    kernel = np.exp(-((points - nodes[..., None]) ** 2) / (2 * width**2)) / (width * np.sqrt(2 * np.pi))
    curves = (weights[..., None] * kernel).sum(axis=1)
    traces = n * (weights * nodes).sum(axis=1)
    error = np.sqrt(probes) if probes > 1 else np.nan
    spread = [np.std(each, axis=0, ddof=probes > 1) / error for each in (curves, traces)]
    dataset = xr.Dataset(
        {
            "density": ("point", curves.mean(axis=0)),
            "standard_error": ("point", spread[0]),
            "node": (("probe", "step"), nodes),
            "weight": (("probe", "step"), weights),
            "trace": traces.mean(),
            "trace_standard_error": spread[1],
            "width": width,
            "parameters": n,
        },
        coords={"eigenvalue": ("point", points)},
    )
    asked = {"operator": "hessian", "coordinates": "raw", "probes": probes, "steps": steps}
    return stamped(dataset, "density", name, options=asked | (options or {}), **kwargs)


def layers(name="gap", *, scale=1.0, loose=0, negative=0, blocks=3, norms=True, options=None, **kwargs):
    """A residual network of three stages: conv layers with norms between them, and a dense head."""
    names = ["conv1"] + [f"layer{s}.{b}.conv{c}" for s in (1, 2, 3) for b in range(blocks) for c in (1, 2)]
    found = [(each, "conv") for each in names]
    if norms:
        pairs = [((each, "conv"), (each.replace("conv", "bn"), "norm")) for each in names]
        found = [layer for pair in pairs for layer in pair]
    found.append(("linear", "dense"))
    depth = np.linspace(0, 1, len(found))
    generator = np.random.default_rng(len(name))
    values = scale * (4 + 60 * (1 - depth) ** 3 + 30 * depth**8) * generator.lognormal(0, 0.3, depth.size)
    values *= np.where([kind == "norm" for _, kind in found], 0.15, 1.0)
    trace = 9 * values * generator.lognormal(0, 0.2, depth.size)
    trace[3 : 3 + negative] *= -0.2
    dataset = xr.Dataset(
        {
            "name": ("layer", [each for each, _ in found]),
            "kind": ("layer", [kind for _, kind in found]),
            "depth": ("layer", depth),
            "parameters": ("layer", np.full(depth.size, 2304)),
            "eigenvalue": ("layer", values),
            "residual": ("layer", 1e-3 * values),
            "converged": ("layer", np.arange(depth.size) >= loose),
            "trace": ("layer", trace),
            "trace_standard_error": ("layer", 0.08 * np.abs(trace)),
        }
    )
    asked = {"operator": "hessian", "coordinates": "raw", "probes": 10}
    return stamped(dataset, "layers", name, options=asked | (options or {}), **kwargs)


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
            "log_amplitude_standard_error": (both, 0.02 * (1 - delta)),
            "delta_log_amplitude": (both, delta),
            "frequency_pi": (both, frequency),
            "high_frequency": ("layer", np.array(last)),
            "high_frequency_standard_error": ("layer", np.full(len(last), 0.02)),
            "kind": ("layer", np.array([kind for _, kind, _, _ in layers], dtype=object)),
            "stage": ("layer", [stage for _, _, stage, _ in layers]),
            "depth": ("layer", np.linspace(0, 1, count)),
            "height": ("layer", [side for *_, side in layers]),
            "width": ("layer", [side for *_, side in layers]),
            "channels": ("layer", [16] * count),
            **feature_results.measured(
                [side for *_, side in layers],
                [kind for _, kind, _, _ in layers],
                level=scale,
                dropout=name.startswith("mcd"),
            ),
        },
        coords={"layer": [label for label, *_ in layers]},
    )
    return stamped(dataset, "features", name, **kwargs)


def evaluation(name="gap", *, nll=0.4, error=0.01, accuracy=0.88, binned=True, **kwargs):
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
            "ece_standard_error": 0.006,
            **(prediction_results.bins(gap=0.2 * nll) if binned else {}),
            "brier": 0.18,
            "brier_standard_error": 0.004,
        }
    )
    return stamped(dataset, "evaluation", name, **kwargs)


def eigenvalues(name="gap", *, largest=150.0, loose=0, uncertain=0, options=None, **kwargs):
    values, rank = largest / np.arange(1, 6), np.arange(5)
    dataset = xr.Dataset(
        {
            "eigenvalue": ("rank", values),
            "residual": ("rank", np.full(5, 1e-4)),
            "converged": ("rank", rank < 5 - loose),
        }
    )
    if uncertain:
        dataset = dataset.assign(
            error_bound=("rank", 0.05 * values), rank_certain=("rank", rank < 5 - uncertain)
        )
    return stamped(dataset, "eigenvalues", name, options=options, **kwargs)


def trace(name="gap", *, value=12_000.0, error=400.0, probes=32, options=None, **kwargs):
    half = 2.04 * error
    dataset = xr.Dataset(
        {
            "trace": value,
            "trace_standard_error": error,
            "trace_low": value - half,
            "trace_high": value + half,
            "products": probes,
        }
    )
    asked = {"operator": "hessian", "coordinates": "raw", "probes": probes, "estimator": "hutchinson"}
    return stamped(dataset, "trace", name, options=asked | (options or {}), **kwargs)


def flatness(name="gap", *, curvature=40.0, repeats=10, broken=0, seed=0, **kwargs):
    """The rise along random directions: quadratic, some steeper than others."""
    radii = np.array([0.1, 0.2, 0.5])
    steepness = curvature * np.random.default_rng(seed).lognormal(0, 0.3, repeats)
    rise = 0.5 * steepness[:, None] * radii**2
    rise[:broken, -1] = np.inf
    mean, error = rise.mean(0), rise.std(0, ddof=1) / np.sqrt(repeats)
    interval = np.where(np.isfinite(mean), np.stack([mean - 2 * error, mean + 2.4 * error]), np.nan)
    dataset = xr.Dataset(
        {
            "rise": (("repeat", "radius"), rise),
            "rise_mean": ("radius", mean),
            "rise_interval": (("quantile", "radius"), interval),
            "not_finite": ("radius", np.count_nonzero(~np.isfinite(rise), axis=0)),
            "loss": (("repeat", "radius", "sign"), 0.1 + np.stack([rise, rise], axis=2)),
            "center": ("repeat", np.full(repeats, 0.1)),
            "curvature": ("repeat", steepness),
            "curvature_mean": steepness.mean(),
        },
        coords={"radius": ("radius", radii, {"units": "filter norms"}), "quantile": [0.025, 0.975]},
    )
    return stamped(dataset, "flatness", name, options={"norm": "filter", "repeats": repeats}, **kwargs)


_MEASURES = (
    ("largest_eigenvalue", 60.0, 0.25),
    ("largest_eigenvalue_filter", 900.0, 1.0),
    ("trace", 800.0, 0.4),
    ("trace_filter", 3000.0, 1.0),
    ("average_sharpness", 0.05, 0.6),
    ("adaptive_average_sharpness", 0.3, 1.0),
    ("adaptive_worst_sharpness_filter", 0.8, 1.0),
    ("relative_flatness", 12.0, 1.0),
    ("pac_bayes_sigma", 0.007, 1.4),
    ("gradient_noise", 300.0, 1.1),
)


def sharpness(name="gap", *, level=1.0, gap=0.3, seed=0, audit=True, options=None, **kwargs):
    """Measures of local sharpness, of which some move for the same function."""
    rng = np.random.default_rng(seed)
    values = np.array([value * level for _, value, _ in _MEASURES]) * rng.lognormal(0, 0.1, len(_MEASURES))
    ratios = np.ones((len(_MEASURES), 5)) + rng.normal(0, 0.005, (len(_MEASURES), 5))
    ratios[:, 0] *= [ratio for _, _, ratio in _MEASURES]
    ratios[:, 1] /= [ratio for _, _, ratio in _MEASURES]
    variables = {
        "value": ("measure", values),
        "value_standard_error": ("measure", 0.08 * values),
        "value_low": ("measure", 0.82 * values),
        "value_high": ("measure", 1.2 * values),
        "units": ("measure", np.array(["nats"] * len(values), dtype=object)),
        "words": ("measure", np.array([each for each, _, _ in _MEASURES], dtype=object)),
        "gap": ((), gap),
        "gap_standard_error": ((), 0.03),
        "gap_low": ((), gap - 0.06),
        "gap_high": ((), gap + 0.06),
        "accuracy_gap": ((), 0.1),
        "accuracy_gap_low": ((), 0.05),
        "accuracy_gap_high": ((), 0.15),
    }
    if audit:
        variables["ratio"] = (("measure", "change"), ratios)
        variables["ratio_standard_error"] = (("measure", "change"), np.full(ratios.shape, 0.004))
    changes = ["filter_scale", "relu_rescale", "permute", "fold_batchnorm", "split_unit"]
    coords = {"measure": np.array([each for each, _, _ in _MEASURES], dtype=object)}
    dataset = xr.Dataset(
        variables, coords=coords | ({"change": np.array(changes, dtype=object)} if audit else {})
    )
    asked = {"probes": 8, "products": 16, "mini-batches": 8, "groups of samples": 32}
    return stamped(dataset, "sharpness", name, options=asked | (options or {}), **kwargs)


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
            "density": density(name, top=170 / (i + 1), seed=i),
            "layers": layers(name, scale=1 / (i + 1)),
            "surface": surface(
                name, curvature=4 / (i + 1), broken=3 if i == 0 else 0, checks=[centre] if checks else []
            ),
            "trajectory": trajectory(name, turn=2.0 + 0.4 * i),
            "features": features(name, blur="blur" in name, scale=1 - 0.06 * i),
            "aliasing": feature_results.aliasing(name, blur="blur" in name, level=0.08 - 0.004 * i),
            "covariance": feature_results.covariance(name, width=1 + 0.1 * i),
            "maps": feature_results.maps(name, seed=i, noise=0.25 if name.startswith("mcd") else 0.0),
            "noise": feature_results.noise(name, fall=0.12 - 0.008 * i),
            "similarity": feature_results.similarity(name, spread=3 - 0.2 * i),
            "lesion": feature_results.lesion(name, level=0.05 - 0.003 * i),
            "ensemble": prediction_results.ensemble(name, level=0.8 - 0.04 * i),
            "robustness": prediction_results.robustness(name, level=1 - 0.05 * i),
            "consistency": prediction_results.consistency(name, level=0.97 + 0.002 * i),
            "attack": prediction_results.attack(name, level=1 - 0.06 * i),
        }
    return found


def of(results, kind):
    return {name: kinds[kind] for name, kinds in results.items()}
