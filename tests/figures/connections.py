"""Results of kind `connect` with known numbers."""

import numpy as np
import xarray as xr

from tests.figures.planes import stamped

PATHS = ("linear", "aligned", "bezier")


def connect(name="gap", *, others=("mlp",), height=1.5, plane=True, **kwargs):
    """Paths between networks: a high line, a lower aligned one, and a curve that goes round."""
    names = [name, *others]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    t = np.linspace(0, 1, 11)
    shape = (len(pairs), len(PATHS), 2)
    tall = height * np.array([1.0, 0.5, 0.05])[:, None] * np.array([1.0, 0.9])
    rise = tall[None, :, :, None] * (4 * t * (1 - t)) * (1 + 0.2 * np.arange(len(pairs)))[:, None, None, None]
    nll = 0.2 + 0.1 * t + rise
    dims = ("pair", "path", "side")
    values = {
        "nll": ((*dims, "t"), nll),
        "nll_standard_error": ((*dims, "t"), 0.02 + 0 * nll),
        "accuracy": ((*dims, "t"), 0.95 * np.exp(-rise)),
        "accuracy_standard_error": ((*dims, "t"), 0.01 + 0 * nll),
        "rise": ((*dims, "t"), rise),
        "rise_standard_error": ((*dims, "t"), 0.015 + 0 * nll),
        "barrier": (dims, rise.max(-1)),
        "barrier_standard_error": (dims, np.full(shape, 0.03)),
        "barrier_resolution": (dims, np.zeros(shape)),
        "barrier_at": (dims, np.full(shape, 0.5)),
        "mc": (dims, -rise.max(-1)),
        "mc_standard_error": (dims, np.full(shape, 0.03)),
        "distance": (("pair", "path"), np.tile([30.0, 22.0, 30.0], (len(pairs), 1))),
        "length": (("pair", "path"), np.tile([30.0, 22.0, 41.0], (len(pairs), 1))),
        "passes": (("pair", "path"), np.full(shape[:2], 33_000)),
        "training_steps": (("pair", "path"), np.tile([0, 0, 300], (len(pairs), 1))),
        "cka": ("pair", np.linspace(0.9, 0.7, len(pairs))),
        "cka_standard_error": ("pair", np.full(len(pairs), 0.01)),
        "disagreement": ("pair", np.linspace(0.1, 0.2, len(pairs))),
        "disagreement_standard_error": ("pair", np.full(len(pairs), 0.01)),
        "a": ("pair", np.array([a for a, _ in pairs], dtype=object)),
        "b": ("pair", np.array([b for _, b in pairs], dtype=object)),
    }
    coords = {
        "pair": np.array([f"{a} – {b}" for a, b in pairs], dtype=object),
        "path": np.array(PATHS, dtype=object),
        "side": np.array(["train", "test"], dtype=object),
        "t": t,
        "network": np.array(names, dtype=object),
    }
    dataset = xr.Dataset(values, coords=coords)
    if plane:
        dataset = dataset.merge(_plane())
    options = {"points": 11, "align": True, "repair": False, "curve": "bezier"}
    return stamped(dataset, "connect", name, options=options, **kwargs)


def _plane() -> xr.Dataset:
    x, y, fine = np.linspace(-0.25, 1.25, 13), np.linspace(-0.3, 1.0, 13), np.linspace(0, 1, 41)
    bend = (0.5, 0.7)
    curve = [2 * fine * (1 - fine) * bend[k] + fine**2 * (1.0, 0.0)[k] for k in (0, 1)]
    radius = np.hypot(x[None] - 0.5, y[:, None] + 0.1)
    nan = np.full(41, np.nan)
    return xr.Dataset(
        {
            "plane_nll": (("py", "px"), 0.2 + 4 * (radius - 0.51) ** 2),
            "path_x": (("path", "fine"), np.stack([fine, nan, curve[0]])),
            "path_y": (("path", "fine"), np.stack([0 * fine, nan, curve[1]])),
            "path_off": (("path", "fine"), np.stack([0 * fine, 9 + 0 * fine, 0 * fine])),
            "mark_x": ("mark", [0.0, 1.0, bend[0]]),
            "mark_y": ("mark", [0.0, 0.0, bend[1]]),
        },
        coords={"px": x, "py": y, "fine": fine, "mark": np.array(["a", "b", "third"], dtype=object)},
    )
