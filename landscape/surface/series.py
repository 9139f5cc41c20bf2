"""Lines and planes through checkpoints, and the principal components of a series of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.linalg.vectors import pieces
from landscape.parameters import Parameters, dot, norm
from landscape.surface.directions import Directions, rejected
from landscape.surface.norms import require_same_shapes

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Last parts of the names of BatchNorm's buffers."""

Checkpoint = Mapping[str, Tensor]


def only_parameters(checkpoint: Checkpoint) -> Parameters:
    """The checkpoint without BatchNorm's running statistics and whole numbers, which are no parameters.

    Nothing that is measured along these directions moves them: under BatchNorm `eval` they stay those of the
    network that is evaluated. Half precision becomes float32, whose differences mean something.
    """
    return {
        name: value.detach().float() if value.dtype in (torch.float16, torch.bfloat16) else value.detach()
        for name, value in checkpoint.items()
        if value.is_floating_point() and name.rpartition(".")[2] not in STATISTICS
    }


def line(a: Checkpoint, b: Checkpoint) -> Directions:
    """The line through two checkpoints: a at 0, b at 1 (Goodfellow et al. 2015).

    Args:
        a: The origin; parameters by name, all of a network's or some. BatchNorm's running statistics are
            left out.
        b: Of the same names and shapes.

    Raises:
        LandscapeError: If the two do not fit each other, or are the same weights.
    """
    start, end = _fitting({"checkpoint a": a, "checkpoint b": b})
    step = _difference(end, start)
    if norm(step) == 0:
        raise LandscapeError("the two checkpoints hold the same weights; a line needs two that differ")
    return Directions(
        (step,),
        start,
        kind="checkpoints",
        units="share of the way",
        labels=("from a to b", ""),
        options={"points": 2},
    )


def triangle(a: Checkpoint, b: Checkpoint, c: Checkpoint) -> tuple[Directions, np.ndarray]:
    """The plane through three checkpoints, in true proportions (as in Garipov et al. 2018, appendix A).

    δ = b − a. η is the part of c − a at a right angle to δ, stretched to the length of δ, so that one unit is
    ‖b − a‖ on both axes and angles in the picture are those in weight space.

    Args:
        a: The origin; parameters by name, all of a network's or some. BatchNorm's running statistics are
            left out.
        b: Of the same names and shapes.
        c: Likewise.

    Returns:
        The directions, and the coordinates of a, b and c, shape (3, 2): (0, 0), (1, 0) and c's.

    Raises:
        LandscapeError: If they do not fit each other, or lie on one line.
    """
    start, second, third = _fitting({"checkpoint a": a, "checkpoint b": b, "checkpoint c": c})
    step, aside = _difference(second, start), _difference(third, start)
    side, reach = float(norm(step)), float(norm(aside))
    rest = rejected(aside, step) if side > 0 else aside
    height = float(norm(rest))
    if side == 0 or height <= 1e-6 * reach:
        raise LandscapeError(
            "the three checkpoints lie on one line and span no plane; take a third that is not between or "
            "beyond the others, or use the line through two"
        )
    up = {name: (side / height * value).to(step[name].dtype) for name, value in rest.items()}
    directions = Directions(
        (step, up),
        start,
        kind="checkpoints",
        units="‖b − a‖",
        labels=("from a to b", "towards c"),
        options={"points": 3},
    )
    share = float(dot(aside, step)) / side**2
    return directions, np.array([[0.0, 0.0], [1.0, 0.0], [share, height / side]])


def principal(
    checkpoints: Sequence[Checkpoint],
    origin: Checkpoint | None = None,
    *,
    count: int = 2,
    centred: bool = False,
) -> tuple[Directions, np.ndarray]:
    """Principal components of a series of checkpoints (Li et al. 2018, section 7.2).

    The right singular vectors of the matrix with rows w_t − w_T, found through the small matrix of the rows'
    inner products in float64: beyond the checkpoints, memory is that of the components. A component's sign
    is chosen so that the checkpoint farthest along it has a positive coordinate.

    Args:
        checkpoints: At least three, in order; parameters by name, all of a network's or some. BatchNorm's
            running statistics are left out.
        origin: w_T, the origin of the axes; the last checkpoint by default.
        count: Number of components, 1 or 2.
        centred: Whether the mean of the rows is taken away first, as loss-landscape's code does
            (scikit-learn's PCA); the variances are then about that mean, not about the origin.

    Returns:
        Unit vectors, so that coordinates are ‖Δw‖, and the share of the variance that each component of the
        series explains, descending, shape (checkpoint,).

    Raises:
        LandscapeError: If checkpoints do not fit each other, are not finite, or span fewer dimensions.
    """
    if not checkpoints:
        raise LandscapeError("principal components need a series of checkpoints; got none")
    named = {f"checkpoint {index}": value for index, value in enumerate(checkpoints)}
    centre, *rows = _fitting({"the origin": checkpoints[-1] if origin is None else origin} | named)
    gram = _gram(rows, centre)
    if centred:
        gram = gram - gram.mean(0) - gram.mean(1)[:, None] + gram.mean()
    variances, coefficients = np.linalg.eigh((gram + gram.T) / 2)
    variances, coefficients = variances[::-1].clip(0), coefficients[:, ::-1]
    rank = int((variances > 1e-13 * max(variances[0], np.finfo(float).tiny)).sum())
    if rank < count:
        raise LandscapeError(
            f"{len(rows)} checkpoints span {rank} dimensions around the origin, where {count} components "
            "were asked for; give more checkpoints that differ, or ask for fewer components"
        )
    vectors = _combined(rows, centre, coefficients[:, :count])
    directions = Directions(
        vectors,
        centre,
        kind="principal components",
        units="‖Δw‖",
        labels=("principal component 1", "principal component 2"),
        options={"points": len(rows), "centred": centred},
    )
    return directions, variances / variances.sum()


def _fitting(checkpoints: Mapping[str, Checkpoint]) -> list[Parameters]:
    """Parameters of all, once they are known to fit the first."""
    named = {name: only_parameters(value) for name, value in checkpoints.items()}
    first, expected = next(iter(named.items()))
    if not expected:
        raise LandscapeError(f"{first} holds no parameters; give tensors by their state-dict names")
    for name, value in named.items():
        require_same_shapes(value, expected, what=name, of=first)
    return list(named.values())


def _difference(end: Parameters, start: Parameters) -> Parameters:
    return {name: end[name] - value for name, value in start.items()}


def _gram(rows: Sequence[Parameters], centre: Parameters) -> np.ndarray:
    """Inner products of the rows' differences from the centre, shape (row, row), summed in float64."""
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for name, middle in centre.items():
        flat = [row[name].reshape(-1) for row in (*rows, {name: middle})]
        for piece in pieces(middle.numel(), len(flat)):
            *parts, at = (value[piece].double() for value in flat)
            difference = torch.stack(parts) - at
            total += (difference @ difference.T).cpu()
    gram = total.numpy()
    bad = np.flatnonzero(~np.isfinite(gram.diagonal()))
    if bad.size:
        which = "the origin" if bad.size == len(rows) else f"checkpoint {bad[0]}"
        raise LandscapeError(f"{which} holds values that are not finite; leave it out of the series")
    return gram


def _combined(
    rows: Sequence[Parameters], centre: Parameters, coefficients: np.ndarray
) -> tuple[Parameters, ...]:
    """Unit vectors along Σ_t c_tk · (w_t − centre), one for each column k, orthogonal beyond rounding."""
    vectors: list[Parameters] = []
    for column in coefficients.T:
        column = column * np.sign(column[np.abs(column).argmax()])
        total = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in centre.items()}
        for weight, row in zip(column, rows, strict=True):
            for name, value in centre.items():
                total[name] += float(weight) * (row[name].double() - value.double())
        for before in vectors:
            total = rejected(total, before)
        length = norm(total)
        vectors.append({name: value / length for name, value in total.items()})
    return tuple({name: value.to(centre[name].dtype) for name, value in v.items()} for v in vectors)
