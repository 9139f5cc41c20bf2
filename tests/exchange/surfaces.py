"""A surface that no transposition, reversal or swap of its axes leaves as it was."""

import numpy as np
import xarray as xr

from landscape.results import stamp

X = np.linspace(-1.0, 1.0, 5)
Y = np.linspace(-0.3, 0.6, 4)


def height(x, y):
    return 0.1 + (x + 0.2) ** 2 + 3 * (y - 0.1) ** 2 + 0.3 * x * y


def share(x, y):
    return 1 / (1 + height(x, y)) - 0.01 * x


def surface(x=X, y=Y, *, broken=(), undone=(), split="train", **variables):
    """Grid (y, x), or a line without y; `broken` cells are infinite, `undone` ones were not computed."""
    dims = ("x",) if y is None else ("y", "x")
    across, down = (x, 0.0) if y is None else np.meshgrid(x, y)
    nll, accuracy = np.array(height(across, down)), np.array(share(across, down))
    done = np.ones(nll.shape, bool)
    for cell in broken:
        nll[cell] = np.inf
    for cell in undone:
        nll[cell] = accuracy[cell] = np.nan
        done[cell] = False
    grid = {"nll": nll, "l2": 1e-3 * nll**2, "accuracy": accuracy, "standard_error": nll / 7}
    grid |= {"samples": np.full(nll.shape, 100), "done": done, **variables}
    dataset = xr.Dataset(
        {
            **{name: (dims, values) for name, values in grid.items()},
            **{f"{axis}_norm": 12.5 + i for i, axis in enumerate(dims[::-1])},
        },
        coords={"x": ("x", x, {"units": "filter norms"}), **({} if y is None else {"y": y})},
    )
    return stamp(
        dataset,
        kind="surface",
        network={
            "name": "tiny",
            "path": "tiny.pt",
            "sha256": "ab" * 32,
            "architecture": "A",
            "parameters": 9,
        },
        protocol={"data": {"source": "demo", "split": split}, "options": {"norm": "filter", "span": 1.0}},
        provenance={"created": "2025-01-01T00:00:00+00:00", "seconds": 1.5, "versions": {}},
    )
