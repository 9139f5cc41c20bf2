"""How often an eigenvalue is reported at a rank that is not its own, and how often an error bound fails.

    python -m benchmarks.ranks --seeds 200 --out benchmarks/results

Every spectrum is searched with many start vectors, without a confirmation ("before"), with the usual one, and
with as many products as the confirmation likes. A rank is mistaken if the eigenvalue of that rank lies
farther from the reported value than its error bound. Bounds are tried on curvature of tiny networks in
float32, against dense float64 matrices.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from landscape.linalg import Which, lanczos, power_iteration

SIZE, K = 400, 5
UNLIMITED = 1000
WAYS: dict[str, int | None] = {"before": 0, "usual": None, "unlimited": UNLIMITED}


def with_bulk(*outliers: float, top: float = 2.0, size: int = SIZE) -> np.ndarray:
    """Outliers above a bulk that thins out upwards, as trained networks have it."""
    return np.concatenate([outliers, top * np.linspace(0, 1, size - len(outliers)) ** 6 - 0.1])


SPECTRA: dict[str, np.ndarray] = {
    "outliers and bulk": with_bulk(30, 17, 15, 5, 4),
    "gaps of 1 %": with_bulk(30, 17, 15, 5, 4.04, 4, 3.96),
    "a gap of 0.1 %": with_bulk(30, 17, 15, 4.004, 4, 3),
    "double first": with_bulk(30, 30, 15, 5, 4, 3.5),
    "double fifth": with_bulk(30, 17, 15, 5, 4, 4, 3),
    "double fourth": with_bulk(30, 17, 15, 4, 4, 3),
    "triple": with_bulk(9, 9, 9, 5, 4, 3.5),
    "clustered top": with_bulk(*(5 - 0.05 * np.arange(8))),
    "negative side": with_bulk(30, 17, 5.1, 4, -3.9, -5, -4.2),
    "no outliers": 10 * 0.97 ** np.arange(SIZE),
}


def mistaken(
    spectrum: np.ndarray, seed: int, *, tolerance: float, confirm: int | None, method: str = "lanczos"
) -> dict[str, int]:
    """One search: ranks converged, certain, mistaken in spite of either, and products.

    Of a spectrum with a negative side, the largest magnitudes are sought, else the largest values.
    """
    diagonal = torch.from_numpy(np.ascontiguousarray(spectrum))
    which: Which = "magnitude" if method == "power" or spectrum.min() < -1 else "largest"
    keys = np.abs(spectrum) if which == "magnitude" else spectrum
    true = spectrum[np.argsort(-keys, kind="stable")[:K]]
    options: dict[str, Any] = {"seed": seed, "tolerance": tolerance, "confirm": confirm}
    if method == "power":
        found = power_iteration(lambda v: diagonal * v, len(diagonal), K, **options)
    else:
        found = lanczos(lambda v: diagonal * v, len(diagonal), K, which=which, **options)
    wrong = np.abs(found.eigenvalues - true) > found.error_bounds + 1e-9 * np.abs(true).max()
    return {
        "converged": int(found.converged.sum()),
        "certain": int(found.certain.sum()),
        "mistaken": int((wrong & found.converged).sum()),
        "mistaken_certain": int((wrong & found.certain).sum()),
        "products": found.products,
    }


def ranks(seeds: int, tolerance: float, method: str = "lanczos") -> list[dict[str, Any]]:
    """A row for each spectrum and way."""
    rows = []
    for name, spectrum in SPECTRA.items():
        for way, confirm in WAYS.items():
            runs = [
                mistaken(spectrum, seed, tolerance=tolerance, confirm=confirm, method=method)
                for seed in range(seeds)
            ]
            total = {key: sum(run[key] for run in runs) for key in runs[0]}
            products = total.pop("products") / seeds
            row = {"spectrum": name, "method": method, "tolerance": tolerance, "way": way, "seeds": seeds}
            rows.append({**row, **total, "products": products})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def bound_ratios(case: Any, seeds: range, *, tolerance: float, k: int = 3) -> np.ndarray:
    """Error bound over true error, shape (seed, k), of a float32 Hessian against its dense float64 one."""
    from landscape.hessian import Operator, eigenpairs
    from tests.references import dense_reference

    ends: tuple[Which, ...] = ("largest", "smallest", "magnitude")
    exact = np.linalg.eigvalsh(dense_reference(case).hessian.numpy())
    operator = Operator(case.objective(dtype=torch.float32))
    ratios = []
    for seed in seeds:
        pairs = eigenpairs(operator, k, which=ends[seed % 3], tolerance=tolerance, seed=seed)
        errors = np.abs(pairs.eigenvalues[:, None] - exact).min(1)
        ratios.append(pairs.error_bounds / np.maximum(errors, np.finfo(float).eps * np.abs(exact).max()))
    return np.array(ratios)


def bounds(seeds: int, tolerances: tuple[float, ...] = (1e-2, 1e-3, 1e-7)) -> list[dict[str, Any]]:
    """A row for each tolerance, the seeds spread over the cases."""
    from tests.cases import BY_NAME

    names = ("conv", "conv-bn", "weight-decay", "mlp", "binomial")
    rows = []
    for tolerance in tolerances:
        each = -(-seeds // len(names))
        found = [bound_ratios(BY_NAME[name], range(each), tolerance=tolerance) for name in names]
        ratios = np.concatenate(found)
        rows.append(
            {
                "bounds": "float32 against dense float64",
                "tolerance": tolerance,
                "seeds": len(ratios),
                "failed": int((ratios < 1).any(1).sum()),
                "median_ratio": float(np.median(ratios)),
                "median_ratio_of_the_first": float(np.median(ratios[:, 0])),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Run everything and write JSON."""
    from benchmarks.environment import write

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--bound-seeds", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    rows = []
    for tolerance in (1e-2, 1e-3):
        rows += ranks(chosen.seeds, tolerance)
    rows += ranks(max(chosen.seeds // 10, 1), 1e-2, method="power")
    rows += bounds(chosen.bound_seeds)
    print(write(chosen.out, "ranks", rows))


if __name__ == "__main__":
    main()
