"""Options of the commands that measure surfaces, and what these say of surfaces and of the flatness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from landscape.cli.measuring import Summary, option

if TYPE_CHECKING:
    import xarray as xr

STEPS = option("--steps", "Points per side; an odd number.", 21, least=3)
TOLERANCE = option(
    "--tolerance",
    "Standard error of a point, as a share of its NLL, from leaving samples out; the 95 % interval is "
    "four times as wide to each side. 0 takes every sample.",
    0.0,
)
CURVATURE = option(
    "--curvature",
    "Also measure the largest and smallest Hessian eigenvalue of each point, at many times the cost.",
    False,
)
PARTIAL = option(
    "--partial",
    "Write what a stopped run has to NAME.partial.zarr, and compute nothing.",
    False,
    group="Run",
)


def summary(dataset: xr.Dataset) -> Summary:
    """The JSON of a surface, and what people read."""
    import numpy as np

    from landscape.results import at_centre
    from landscape.results.surfaces import SCORES, loss_label

    one = dataset.isel({name: 0 for name in ("repeat", "mask") if name in dataset.dims})
    dims = [name for name in ("y", "x") if name in one.dims]
    middle = at_centre(one)
    finite = one.nll.where(np.isfinite(one.nll))

    def place(position: dict) -> dict[str, float]:
        cell = one.isel(position)
        return {**{name: float(cell[name]) for name in dims[::-1]}, "nll": float(cell.nll)}

    # A surface without any finite cell has neither: both are null then.
    extremes = bool(np.isfinite(one.nll).any())
    values: dict[str, Any] = {
        "center": None
        if middle is None
        else {name: float(middle[name]) for name in ("nll", "l2", *SCORES) if name in middle},
        "minimum": place(finite.argmin(dims)) if extremes else None,
        "maximum": place(finite.argmax(dims)) if extremes else None,
        "not_finite": int((~np.isfinite(dataset.nll) & dataset.done).sum()),
        "not_computed": int((~dataset.done).sum()),
        "span": float(one.x.values[-1]),
    }
    lines, loss = [], loss_label(one)
    if values["center"]:
        shown = "".join(f", {name} {value:.4f}" for name, value in values["center"].items() if name in SCORES)
        lines.append(f"centre   {loss} {values['center']['nll']:.6f}{shown}")
    for name in ("minimum", "maximum"):
        if values[name]:
            where = ", ".join(f"{values[name][axis]:+.3g}" for axis in dims[::-1])
            lines.append(f"{name}  {loss} {values[name]['nll']:.6g} at ({where})")
    size = "×".join(str(one.sizes[name]) for name in dims)
    left = f", {values['not_computed']} not computed" if values["not_computed"] else ""
    lines.append(f"{size} points, {values['not_finite']} not finite{left}")
    for more, said in (_sampling(dataset), _roughness(one), _convexity(dataset), _precision(dataset)):
        values |= more
        lines += said
    return values, lines


def _sampling(dataset: xr.Dataset) -> Summary:
    """What leaving samples out costs, as shares of the NLL; nothing where none was left out."""
    from landscape.results import left_out

    found = left_out(dataset)
    if found is None:
        return {}, []
    text = f"samples left out: standard error {100 * found.error:.2g} % of the NLL at most, "
    text += f"95 % interval ± {100 * found.interval:.2g} %"
    return {"sampling": {"standard_error": found.error, "interval": found.interval}}, [text]


def _roughness(one: xr.Dataset) -> Summary:
    """Local minima and what no quadratic explains; nothing of a surface that is not finished."""
    import numpy as np

    if "minima" not in one:
        return {}, []
    counts = {name: int(one[name]) for name in ("minima", "significant_minima") if name in one}
    numbers = {name: float(one[name]) for name in ("total_persistence", "quadratic_residual")}
    text = f"roughness: {counts['minima']} local minima inside"
    if "significant_minima" in counts:
        text += f", {counts['significant_minima']} beyond sampling error"
    if np.isfinite(numbers["quadratic_residual"]):
        text += f"; {100 * numbers['quadratic_residual']:.2g} % of the variation is not quadratic"
    return {"roughness": counts | numbers}, [text]


def _convexity(dataset: xr.Dataset) -> Summary:
    """The extreme Hessian eigenvalues over the whole surface."""
    import numpy as np

    if "hessian_largest" not in dataset or not np.isfinite(dataset.hessian_largest).any():
        return {}, []
    found = {
        "largest": float(np.nanmax(dataset.hessian_largest)),
        "smallest": float(np.nanmin(dataset.hessian_smallest)),
        "convexity": float(np.nanmax(np.abs(dataset.hessian_smallest / dataset.hessian_largest))),
    }
    text = "Hessian eigenvalues from {smallest:.4g} to {largest:.4g}; |λmin/λmax| is {convexity:.3g} at most"
    return {"curvature": found}, [text.format(**found)]


def _precision(dataset: xr.Dataset) -> Summary:
    known = "precision_error" in dataset
    return ({"precision_error": float(dataset.precision_error)} if known else {}), []


def flatness(dataset: xr.Dataset) -> Summary:
    """The flatness along many directions."""
    interval = dataset.curvature_interval.values.tolist()
    values: dict[str, Any] = {
        "repeats": dataset.sizes["repeat"],
        "curvature": {"mean": float(dataset.curvature_mean), "interval": interval},
        "rise": [
            {
                "radius": float(radius),
                "mean": float(dataset.rise_mean.sel(radius=radius)),
                "interval": dataset.rise_interval.sel(radius=radius).values.tolist(),
            }
            for radius in dataset.radius.values
        ],
    }
    lines = [
        f"over {values['repeats']} directions: curvature {values['curvature']['mean']:.4g} "
        f"[{interval[0]:.4g}, {interval[1]:.4g}]"
    ]
    for row in values["rise"]:
        low, high = row["interval"]
        lines.append(f"loss rise at radius {row['radius']:g}: {row['mean']:.4g} [{low:.4g}, {high:.4g}]")
    return values, lines
