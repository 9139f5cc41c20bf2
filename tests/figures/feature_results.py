"""Small results on feature maps that follow the schema of saved ones."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tests.figures.planes import stamped

STAGES = ("stem", "stage1.0", "stage1.1", "stage2.0", "stage2.1", "stage3.0", "stage3.1")


def measured(side, kinds, *, level=1.0, dropout=False):
    """What a result of kind `features` holds besides its diagonal spectra, by layer."""
    side, kinds = np.array(side), np.array(kinds)
    count = side.size
    shrunk = np.concatenate([[False], side[1:] < 0.67 * side[:-1]])
    smoothed = np.where(kinds == "smoothing", 0.55, 1.0)
    deviation = level * 0.1 * 1.08 ** np.arange(count) * smoothed
    model = level * (0.02 + 0.004 * np.arange(count)) * smoothed if dropout else np.zeros(count)
    radii = int(np.ceil(side.max() / 2 * np.sqrt(2)))
    radius = np.full((count, radii), np.nan)
    for row, height in enumerate(side):
        rings = int(np.ceil(height / 2 * np.sqrt(2)))
        radius[row, :rings] = 2 * (np.arange(rings) + 0.5) / height
    delta = -(2.0 + 0.4 * np.arange(count)[:, None]) * np.maximum(radius - radius[:, :1], 0) ** 0.7
    both = ("layer", "radius")
    found = {
        "subsampling": ("layer", shrunk),
        "small": ("layer", side < 8),
        "radial_frequency_pi": (both, radius),
        "radial_log_amplitude": (both, delta + 2.5),
        "radial_delta_log_amplitude": (both, delta),
    }
    for name, values in {
        "spatial_deviation": deviation,
        "sample_deviation": 1.4 * deviation,
        "sample_variance": 2.1 * deviation**2,
        "model_deviation": model,
        "model_variance": 1.1 * model**2,
    }.items():
        found |= {name: ("layer", values), f"{name}_standard_error": ("layer", 0.04 * values)}
    return found


def aliasing(name="gap", *, blur=False, level=0.08, places=2, **kwargs):
    before = level * np.array([1.3, 1.0, 0.8, 0.7])[:places]
    after = 0.35 * before if blur else before
    dataset = xr.Dataset(
        {
            "factor": ("layer", np.full(places, 2)),
            "before": ("layer", before if blur else np.full(places, np.nan)),
            "before_standard_error": ("layer", 0.03 * before if blur else np.full(places, np.nan)),
            "after": ("layer", after),
            "after_standard_error": ("layer", 0.03 * after),
            "smoothing": ("layer", [f"smooth{i + 1}" if blur else "" for i in range(places)]),
        },
        coords={"layer": [f"layer{i + 2}.0.conv1" for i in range(places)]},
    )
    return stamped(dataset, "aliasing", name, **kwargs)


def covariance(name="gap", *, reach=3, width=1.0, stages=True, **kwargs):
    """Correlations that fall with distance, wider deeper and for images, a little negative further out."""
    offsets = np.arange(-reach, reach + 1)
    distance = np.hypot(*np.meshgrid(offsets, offsets))
    layers = STAGES
    scale = width * np.array([[0.6 + 0.15 * i, 1.2 + 0.2 * i] for i in range(len(layers))]).T
    values = np.exp(-((distance / scale[..., None, None]) ** 2)) - 0.06 * (distance > 2.5)
    dims = ("source", "layer", "dy", "dx")
    variables = {"correlation": (dims, values), "covariance": (dims, 0.3 * values)}
    variables["correlation_standard_error"] = (dims, np.full(values.shape, 0.02))
    if stages:
        variables["stage"] = ("layer", [0, 1, 1, 2, 2, 3, 3])
        variables["kind"] = ("layer", ["stem", *["block"] * 6])
    dataset = xr.Dataset(
        variables,
        coords={"source": ["noise", "images"], "layer": list(layers), "dy": offsets, "dx": offsets},
    )
    return stamped(dataset, "covariance", name, **kwargs)


def maps(name="mcd-gap", *, draws=4, layers=2, seed=0, noise=0.25, **kwargs):
    """A bright square and its feature maps, with noise of dropout on all but deterministic networks."""
    generator = np.random.default_rng(seed)
    picture = np.full((3, 32, 32), 0.3)
    picture[0, 8:24, 10:22] = 0.9
    picture[2] += np.linspace(0, 0.4, 32)
    side = 32 // 2 ** np.arange(layers)
    found = np.full((layers, draws, 2, 32, 32), np.nan)
    for layer, n in enumerate(side):
        smooth = picture[:2].reshape(2, n, 32 // n, n, 32 // n).mean(axis=(2, 4))
        found[layer, :, :, :n, :n] = (layer + 1) * np.maximum(
            smooth + noise * generator.standard_normal((draws, 2, n, n)), 0
        )
    dataset = xr.Dataset(
        {
            "input": (("colour", "y", "x"), np.clip(picture, 0, 1)),
            "map": (("layer", "draw", "channel", "row", "column"), found),
            "stage": ("layer", np.arange(layers) + 1),
            "kind": ("layer", np.full(layers, "block", dtype=object)),
            "height": ("layer", side),
            "width": ("layer", side),
        },
        coords={"layer": [f"stage{i + 1}.1" for i in range(layers)], "channel": [3, 7], "image": 5},
        attrs={"draws": draws},
    )
    return stamped(dataset, "maps", name, **kwargs)


def noise(name="gap", *, accuracy=0.88, fall=0.12, rings=10, **kwargs):
    frequency = (np.arange(rings) + 0.5) / rings
    drop = fall * (0.5 + np.sin(4 * frequency) ** 2 + 0.3 * frequency)
    dataset = xr.Dataset(
        {
            "frequency_pi": ("frequency", frequency),
            "accuracy": ("frequency", accuracy - drop),
            "accuracy_standard_error": ("frequency", np.full(rings, 0.01)),
            "nll": ("frequency", 0.5 + 4 * drop),
            "nll_standard_error": ("frequency", np.full(rings, 0.03)),
            "accuracy_drop": ("frequency", drop),
            "accuracy_drop_standard_error": ("frequency", 0.05 * drop),
            "clean_accuracy": accuracy,
            "clean_nll": 0.5,
        },
        attrs={"noise": "gaussian", "strength": 0.175, "width_pi": 0.1, "equal_power": False, "seed": 0},
    )
    return stamped(dataset, "noise", name, **kwargs)


def similarity(name="gap", *, other=None, layers=9, spread=3.0, lowest=0.0, **kwargs):
    count = layers + 2 if other else layers
    a, b = np.linspace(0, 1, layers), np.linspace(0, 1, count)
    values = lowest + (1 - lowest) * np.exp(-spread * np.abs(a[:, None] - b))
    names = [[f"layer{1 + 3 * i // size}.{i % 3}" for i in range(size)] for size in (layers, count)]
    dataset = xr.Dataset(
        {
            "cka": (("layer_a", "layer_b"), values),
            "cka_standard_error": (("layer_a", "layer_b"), np.full(values.shape, 0.012)),
        },
        coords={"layer_a": names[0], "layer_b": names[1]},
        attrs={"network_a": name, "network_b": other or name, "batch_size": 64},
    )
    return stamped(dataset, "similarity", name, **kwargs)


def lesion(name="gap", *, level=0.05, blocks=3, **kwargs):
    names = [f"layer{stage}.{i}" for stage in (1, 2, 3) for i in range(blocks)]
    count = len(names)
    first = np.array([each.endswith(".0") for each in names])
    drop = level * (1 + 3.0 * first) * np.linspace(1.5, 0.4, count) - 0.002
    dataset = xr.Dataset(
        {
            "depth": ("block", np.linspace(0.1, 1, count)),
            "stage": ("block", [1 + i // blocks for i in range(count)]),
            "accuracy": ("block", 0.88 - drop),
            "accuracy_standard_error": ("block", np.full(count, 0.01)),
            "nll": ("block", 0.4 + 5 * drop),
            "nll_standard_error": ("block", np.full(count, 0.02)),
            "accuracy_drop": ("block", drop),
            "accuracy_drop_standard_error": ("block", 0.004 + 0.05 * np.abs(drop)),
            "nll_rise": ("block", 5 * drop),
            "nll_rise_standard_error": ("block", 0.03 + 0.1 * np.abs(drop)),
            "clean_accuracy": 0.88,
            "clean_nll": 0.4,
        },
        coords={"block": names},
    )
    return stamped(dataset, "lesion", name, **kwargs)
