"""What `landscape hessian` says of its results: JSON values, and lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landscape.cli.measuring import Summary
from landscape.results import attribute

if TYPE_CHECKING:
    import xarray as xr


def eigenvalues(dataset: xr.Dataset, which: str) -> Summary:
    """Eigenvalues, in descending order unless magnitudes were asked for, each with how well it is known."""
    order = dataset.eigenvalue.values.argsort()[::-1] if which != "magnitude" else slice(None)
    names = {"eigenvalues": "eigenvalue", "residuals": "residual", "error_bounds": "error_bound"}
    names |= {"converged": "converged", "rank_risks": "rank_risk", "rank_certain": "rank_certain"}
    values: dict[str, Any] = {"loss": float(dataset.loss)}
    values |= {key: dataset[name].values[order].tolist() for key, name in names.items()}
    values["hvps"] = int(dataset.products)
    if which == "smallest":
        values["smallest"] = dataset.eigenvalue.values.tolist()
    samples = attribute(dataset, "protocol")["data"]["samples"]
    lines = [f"loss {values['loss']:.6f} over {samples} samples, {values['hvps']} products"]
    for rank in dataset["rank"].values - 1:
        mark = "" if bool(dataset.converged[rank]) else "  not converged"
        value, bound = float(dataset.eigenvalue[rank]), float(dataset.error_bound[rank])
        lines.append(f"λ{rank + 1:<2} {value:.6g}  ± {bound:.1e}{mark}")
    return values, lines


def spectrum(dataset: xr.Dataset) -> Summary:
    """APE and NEP over mini-batches, and every eigenvalue."""
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


def trace(dataset: xr.Dataset) -> Summary:
    """The trace, its standard error and interval."""
    values = _trace(dataset)
    low, high = values["interval"]
    probes = attribute(dataset, "protocol")["options"]["probes"]
    error = f"± {values['standard_error']:.2g} (one standard error, {probes} probes)"
    line = f"trace {values['value']:.5g} {error}, 95 % interval {low:.5g} to {high:.5g}"
    return values | {"probes": probes}, [line]


def density(dataset: xr.Dataset) -> Summary:
    """The ends of the spectrum, and its first moment."""
    moment, nodes = _trace(dataset), dataset.node.values[dataset.weight.values > 0]
    low, high = float(nodes.min()), float(nodes.max())
    values = {"trace": moment, "smallest": low, "largest": high, "width": float(dataset.width)}
    text = f"{moment['value']:.5g} ± {moment['standard_error']:.2g} (one standard error)"
    return values, [f"density from {low:.4g} to {high:.4g}, first moment a trace of {text}"]


def _trace(dataset: xr.Dataset) -> dict[str, Any]:
    ends = [float(dataset.trace_low), float(dataset.trace_high)]
    error = float(dataset.trace_standard_error)
    return {"value": float(dataset.trace), "standard_error": error, "interval": ends}


def layers(dataset: xr.Dataset) -> Summary:
    """One row a layer."""
    rows = dataset.drop_vars("products").to_dataframe().to_dict(orient="records")
    lines = [
        f"{row['name']:<24} λ₁ {row['eigenvalue']:<10.5g} trace {row['trace']:.5g} ± "
        f"{row['trace_standard_error']:.2g}" + ("" if row["converged"] else "  not converged")
        for row in rows
    ]
    return {"rows": rows}, lines
