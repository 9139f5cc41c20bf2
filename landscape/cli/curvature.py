"""The parts of `landscape hessian`: each measures, saves, and says what to print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from landscape import analyses, hessian, results
from landscape.cli.answer import answer
from landscape.cli.options import Request
from landscape.derivatives.graphs import KEPT_BYTES
from landscape.objective import Objective
from landscape.results import attribute

Part = tuple[dict[str, Any], list[str]]
"""JSON values, and lines for people."""


def measure(request: Request, objective: Objective, path: Path, options: dict[str, Any]) -> None:
    """Everything that was asked for; the eigenvalues' dataset is the command's own result."""
    if options["spectrum"]:
        # Refused now, not after the eigenvalues.
        hessian.mini_batches(len(objective.samples), options["spectrum_batch"], options["spectrum_batches"])
    shared = {"kind": options["kind"], "coordinates": options["coordinates"]}
    operator = hessian.Operator(objective, **shared)
    keep, basis = _foretold(request, operator, options["top_k"], options["max_memory"])
    # Resumed work must find the micro-batch it began with: a measured one serves the eigenvalues alone.
    measured = objective if request.micro_batch else hessian.tuned(objective, kind=options["kind"])
    dataset = analyses.eigenvalues(
        measured,
        k=options["top_k"],
        method=options["method"],
        which=options["which"],
        tolerance=1e-3 if options["tolerance"] is None else options["tolerance"],
        max_products=options["max_products"],
        confirm=options["confirm"],
        vectors=options["vectors"],
        basis=basis,
        keep=keep,
        progress=request.progress,
        **shared,
    )
    results.save(dataset, path)
    values, lines = _eigenvalues(dataset, options["which"])
    for kind, asked in _asked(options, shared, keep).items():
        place = path.with_name(f"{path.stem.removesuffix('-eigenvalues')}-{kind}.zarr")
        part = analyses.resumable(kind, objective, place, progress=request.progress, **asked)
        more, text = _WORDS[kind](part)
        checks = attribute(part, "checks")
        values[kind] = {**more, "result": str(place), "checks": checks}
        lines += [*text, f"saved {place}"]
        for check in checks:
            if not check["passed"]:
                request.say(f"LOOK {kind}: {check['message']}")
    answer(request, "hessian", dataset, path, values, lines)


def _asked(options: dict[str, Any], shared: dict[str, Any], keep: int) -> dict[str, dict[str, Any]]:
    """Options of each further analysis that was asked for, by kind of result."""
    asked: dict[str, dict[str, Any]] = {}
    search: dict[str, Any] = {"max_products": options["max_products"]}
    if options["confirm"] is not None:
        search["confirm"] = options["confirm"]
    if options["tolerance"] is not None:
        search["tolerance"] = options["tolerance"]
    if options["spectrum"]:
        asked["spectrum"] = {
            "batch_size": options["spectrum_batch"],
            "batches": options["spectrum_batches"],
            "k": options["spectrum_k"],
            "method": options["method"],
            "which": "magnitude" if options["which"] == "largest" else options["which"],
            **search,
            **shared,
        }
    if options["trace_probes"]:
        estimator = {"probes": options["trace_probes"], "estimator": options["estimator"]}
        asked["trace"] = {**estimator, "keep": keep, **shared}
    if options["density_probes"]:
        rule = {"probes": options["density_probes"], "steps": options["density_steps"]}
        asked["density"] = {**rule, "keep": keep, **shared}
    if options["layers"]:
        asked["layers"] = {"probes": options["trace_probes"] or 32, "keep": keep, **search, **shared}
    return asked


def _foretold(request: Request, operator: hessian.Operator, k: int, limit: int | None) -> tuple[int, int]:
    """Say what it will take; bytes that kept graphs may have, and vectors that Lanczos may keep."""
    basis, keep = 0, KEPT_BYTES
    if limit is not None:
        basis = min(2 * k + 20, operator.size)
        keep = hessian.fitted(operator, vectors=2 * basis, limit=limit)
    if not request.quiet:
        cost = hessian.forecast(operator, keep=keep)
        request.say(
            f"{operator.objective.network.name}: a product over {len(operator.objective.samples)} samples "
            f"takes {cost.product_seconds:.2g} s, 25 of them about {cost.seconds(25):.0f} s; memory up to "
            f"{cost.bytes(2 * (basis or 25)) / 1e9:.2g} GB beyond network and data"
        )
    return keep, basis


def _eigenvalues(dataset: xr.Dataset, which: str) -> Part:
    order = dataset.eigenvalue.values.argsort()[::-1] if which != "magnitude" else slice(None)
    values: dict[str, Any] = {
        "loss": float(dataset.loss),
        "eigenvalues": dataset.eigenvalue.values[order].tolist(),
        "residuals": dataset.residual.values[order].tolist(),
        "error_bounds": dataset.error_bound.values[order].tolist(),
        "converged": dataset.converged.values[order].tolist(),
        "rank_risks": dataset.rank_risk.values[order].tolist(),
        "rank_certain": dataset.rank_certain.values[order].tolist(),
        "hvps": int(dataset.products),
    }
    if which == "smallest":
        values["smallest"] = dataset.eigenvalue.values.tolist()
    samples = attribute(dataset, "protocol")["data"]["samples"]
    lines = [f"loss {values['loss']:.6f} over {samples} samples, {values['hvps']} products"]
    for rank in dataset["rank"].values - 1:
        mark = "" if bool(dataset.converged[rank]) else "  not converged"
        value, bound = float(dataset.eigenvalue[rank]), float(dataset.error_bound[rank])
        lines.append(f"λ{rank + 1:<2} {value:.6g}  ± {bound:.1e}{mark}")
    return values, lines


def _spectrum(dataset: xr.Dataset) -> Part:
    options = attribute(dataset, "protocol")["options"]
    values = {
        "batch_size": options["batch_size"],
        "k": options["k"],
        "values": dataset.eigenvalue.values.tolist(),
        **{name: float(dataset[name]) for name in ("ape", "ape_standard_error", "nep")},
        "ape_interval": [float(dataset.ape_low), float(dataset.ape_high)],
        "nep_interval": [float(dataset.nep_low), float(dataset.nep_high)],
    }
    line = (
        f"spectrum over {dataset.sizes['batch']} mini-batches of {options['batch_size']}: "
        f"APE {float(dataset.ape):.4g} [{float(dataset.ape_low):.4g}, {float(dataset.ape_high):.4g}], "
        f"NEP {float(dataset.nep):.3f} [{float(dataset.nep_low):.3f}, {float(dataset.nep_high):.3f}]"
    )
    return values, [line]


def _trace(dataset: xr.Dataset) -> Part:
    value, error = float(dataset.trace), float(dataset.trace_standard_error)
    options = attribute(dataset, "protocol")["options"]
    ends = [float(dataset.trace_low), float(dataset.trace_high)]
    values = {"value": value, "standard_error": error, "interval": ends, "probes": options["probes"]}
    return values, [
        f"trace {value:.5g} ± {error:.2g} (one standard error, {options['probes']} probes), "
        f"95 % interval {ends[0]:.5g} to {ends[1]:.5g}"
    ]


def _density(dataset: xr.Dataset) -> Part:
    value, error = float(dataset.trace), float(dataset.trace_standard_error)
    interval = [float(dataset.trace_low), float(dataset.trace_high)]
    nodes = dataset.node.values[dataset.weight.values > 0]
    values = {
        "trace": {"value": value, "standard_error": error, "interval": interval},
        "smallest": float(nodes.min()),
        "largest": float(nodes.max()),
        "width": float(dataset.width),
    }
    ends = f"density from {nodes.min():.4g} to {nodes.max():.4g}"
    return values, [f"{ends}, first moment a trace of {value:.5g} ± {error:.2g} (one standard error)"]


def _layers(dataset: xr.Dataset) -> Part:
    rows = dataset.drop_vars("products").to_dataframe().to_dict(orient="records")
    lines = [
        f"{row['name']:<24} λ₁ {row['eigenvalue']:<10.5g} trace {row['trace']:.5g} ± "
        f"{row['trace_standard_error']:.2g}" + ("" if row["converged"] else "  not converged")
        for row in rows
    ]
    return {"rows": rows}, lines


_WORDS = {"spectrum": _spectrum, "trace": _trace, "density": _density, "layers": _layers}
