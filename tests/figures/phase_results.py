"""Small grids of networks that follow the schema of results of kind `phase`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tests.figures.planes import stamped


def phase(
    name="gap", *, widths=(4, 8, 16, 32), batches=(32, 128, 512), missing=1, ends=True, seed=0, **kwargs
):
    """Wider networks of smaller batches are flatter, better connected and better; a wall before width 16."""
    generator = np.random.default_rng(seed)
    width, batch = (each.ravel().astype(float) for each in np.meshgrid(widths, batches))
    wall = width < 16
    columns = {
        "width": width,
        "batch_size": batch,
        "train_nll": np.where(wall, 0.8, 0.01) * (batch / 32) ** 0.1,
        "lmax": 4000 / width * generator.lognormal(0, 0.1, width.size),
        "trace": 30_000 / width * generator.lognormal(0, 0.1, width.size),
        "mc_train_err": np.where(wall, -14.0, -0.2) * (1 + batch / 512),
        "cka_softmax": np.where(wall, 0.4, 0.8) - batch / 5000,
        "dist": 60 / np.log(batch),
        "test_acc": 90 - 10 * wall - batch / 100,
    }
    columns["test_acc"][:missing] = np.nan
    if ends:
        for measure in ("lmax", "mc_train_err"):
            size = 0.3 * np.abs(columns[measure])
            columns |= {f"{measure}_low": columns[measure] - size, f"{measure}_high": columns[measure] + size}
    dataset = xr.Dataset({key: ("cell", values) for key, values in columns.items()})
    options = {"x": "width", "y": "batch_size"} | kwargs.pop("options", {})
    return stamped(dataset, "phase", name, options=options, **kwargs)
