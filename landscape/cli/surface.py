"""`landscape surface`: a filter-normalised plane of the loss."""

from typing import Any

import click

from landscape.cli.options import CHECKPOINT, OUT, Request, protocol_options, result_path


@click.command("surface")
@CHECKPOINT
@click.option(
    "--span", type=float, default=1.0, show_default=True, help="Half the side of the square, in filter norms."
)
@click.option(
    "--steps", type=click.IntRange(min=3), default=21, show_default=True, help="Points a side, odd."
)
@OUT
@protocol_options(samples=1000)
def command(request: Request, checkpoint: str, span: float, steps: int, out: str | None) -> None:
    """NLL, L2 and accuracy on a plane through the weights.

    The plane is spanned by two random directions, filter-normalised as in Li et al. (2018).
    """
    import numpy as np

    from landscape import analyses, results
    from landscape.cli.answer import answer

    network = request.network(checkpoint)
    path = result_path(out, network, "surface")
    objective = request.settings().objective(network)
    dataset = analyses.plane(objective, span=span, steps=steps, progress=request.progress)
    results.save(dataset, path)
    middle = dataset.isel(x=steps // 2, y=steps // 2)
    finite = dataset.nll.where(np.isfinite(dataset.nll))

    def place(position: dict) -> dict:
        cell = dataset.isel(position)
        return {"x": float(cell.x), "y": float(cell.y), "nll": float(cell.nll)}

    # A surface without any finite cell has neither: both are null then.
    extremes = bool(np.isfinite(dataset.nll).any())
    values: dict[str, Any] = {
        "center": {"nll": float(middle.nll), "l2": float(middle.l2), "accuracy": float(middle.accuracy)},
        "minimum": place(finite.argmin(("y", "x"))) if extremes else None,
        "maximum": place(finite.argmax(("y", "x"))) if extremes else None,
        "not_finite": int((~np.isfinite(dataset.nll)).sum()),
    }
    lines = [f"centre   NLL {values['center']['nll']:.6f}, accuracy {values['center']['accuracy']:.4f}"]
    for name in ("minimum", "maximum"):
        if values[name]:
            lines.append("{}  NLL {nll:.6g} at ({x:+.3g}, {y:+.3g})".format(name, **values[name]))
    lines.append(f"{steps}×{steps} points, {values['not_finite']} not finite")
    answer(request, "surface", dataset, path, values, lines)
