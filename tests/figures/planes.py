"""Small surfaces, lines, trajectories and sequences that follow the schema of saved results."""

from __future__ import annotations

import numpy as np
import xarray as xr

from landscape.results import stamp


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


def repeated(surfaces):
    """Surfaces along several pairs of directions as one result."""
    return xr.concat(surfaces, "repeat", data_vars="all").assign_attrs(surfaces[0].attrs)


def stopped(dataset, points):
    """A run that was stopped after so many points, from coarse to fine as runs go."""
    from landscape.surface import coarse_to_fine  # imports torch, which drawing must not

    for place in coarse_to_fine(dataset["nll"].shape)[points:]:
        dataset["nll"][place] = np.nan
        dataset["done"][place] = False
    return dataset


def line(name="gap", *, curvature=1.0, steps=21, repeats=0, broken=0, undone=0, **kwargs):
    """A line through the weights; with repeats, along several directions, the later ones steeper."""
    x = np.linspace(-1.0, 1.0, steps)
    steepness = curvature * (1 + 0.3 * np.arange(max(repeats, 1)))
    nll = 0.05 + steepness[:, None] * (x**2 + 0.2 * x**3)
    nll[:, steps - broken :] = np.inf
    done = np.ones(nll.shape, dtype=bool)
    done[:, :undone] = False
    nll[~done] = np.nan
    layout = ("repeat", "x") if repeats else ("x",)
    found = {
        "nll": nll,
        "l2": np.full(nll.shape, 0.1),
        "accuracy": np.clip(np.exp(-np.nan_to_num(nll, posinf=99.0)), 0.1, 1),
        "standard_error": 0.05 * np.abs(nll),
        "samples": np.full(nll.shape, 500),
        "done": done,
    }
    dataset = xr.Dataset(
        {key: (layout, value if repeats else value[0]) for key, value in found.items()} | {"x_norm": 12.34},
        coords={"x": ("x", x, {"long_name": "x", "units": "filter norms"})},
    )
    options = {"norm": "filter", "span": 1.0, "steps": steps}
    return stamped(dataset, "surface", name, options=options, **kwargs)


def trajectory(name="gap", *, checkpoints=21, turn=2.0, polar=True, shares=(0.83, 0.114), **kwargs):
    """Training that goes to (0, 0) in a bow, on the plane of two principal components."""
    t = np.linspace(0, 1, checkpoints)
    radius, angle = (1 - t) ** 1.5, turn * t * (1 - 0.3 * t)
    x, y = 9 * radius * np.cos(angle), 9 * radius * np.sin(angle)
    off = 1.5 * radius * t
    labels = [{"long_name": f"principal component {i}", "units": "‖Δw‖"} for i in (1, 2)]
    variables = {
        "x": ("checkpoint", x, labels[0]),
        "y": ("checkpoint", y, labels[1]),
        "off_plane": ("checkpoint", off),
        "distance": ("checkpoint", np.sqrt(x**2 + y**2 + off**2)),
        "explained_variance": ("axis", np.array(shares)),
    }
    if polar:
        variables["radius"] = ("checkpoint", radius)
        variables["angle"] = ("checkpoint", np.where(radius > 0, angle, np.nan))
    dataset = xr.Dataset(variables, coords={"checkpoint": np.arange(checkpoints)})
    return stamped(dataset, "trajectory", name, **kwargs)


def under(path, *, steps=15, **kwargs):
    """A surface on the plane of a trajectory."""
    dataset = surface(steps=steps, **kwargs)
    axes = {"x": np.linspace(-4, 12, steps), "y": np.linspace(-4, 9, steps)}
    dataset = dataset.assign_coords({w: (w, axes[w], path[w].attrs) for w in axes})
    x, y = np.meshgrid(axes["x"], axes["y"])
    dataset["nll"][:] = 0.02 + 0.02 * x**2 + 0.05 * y**2
    return dataset.assign(x_norm=1.0, y_norm=1.0)


def masks(name="mcd-gap", count=5, **kwargs):
    """The same plane under one dropout mask after another."""
    found = []
    for seed in range(count):
        dataset = surface(name, seed=seed, **kwargs)
        ragged = np.random.default_rng(seed).normal(0, 0.06, dataset["nll"].shape)
        dataset["nll"][:] = dataset["nll"].values * np.exp(ragged)
        found.append(dataset)
    return found
