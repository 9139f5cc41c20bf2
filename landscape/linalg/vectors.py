"""Random vectors from streams of their own, and inner products a solver can trust."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from landscape.errors import ArgumentError

_PIECE = 2**20  # entries widened to float64 at a time: 8 MiB

Total = Callable[[Tensor], Tensor]
"""What every holder of a part of some vectors found of its own, float64, any shape → the sum over all."""


@dataclass(frozen=True)
class Parts:
    """Vectors of which several processes, each running the same search, hold a part each.

    Attributes:
        here: Entries that are held here.
        total: Adds numbers up over all holders, to the same bits on each.
    """

    here: int
    total: Total


def whole(found: Tensor) -> Tensor:
    """The total where vectors are held whole."""
    return found


def substream(seed: int, index: int) -> int:
    """The seed of the index-th of many independent streams; no two (seed, index) share one.

    Raises:
        LandscapeError: If the seed is negative.
    """
    words = np.random.SeedSequence(_checked(seed), spawn_key=(index,)).generate_state(2, np.uint64)
    return int(words[0]) << 64 | int(words[1])


def random_unit(size: int, seed: int, like: Tensor | None = None, total: Total = whole) -> Tensor:
    """A vector uniform on the unit sphere, shape (size,), on the device and in the precision of `like`.

    Of one that is held in parts, each holder gives a seed of its own.

    Raises:
        LandscapeError: If the seed is negative.
    """
    vector = torch.from_numpy(np.random.default_rng(_checked(seed)).standard_normal(size))
    return normalised(vector[None], total)[0].to(template(like))


def rademacher(size: int, seed: int, like: Tensor | None = None) -> Tensor:
    """Independent signs ±1, shape (size,), on the device and in the precision of `like`.

    Raises:
        LandscapeError: If the seed is negative.
    """
    bits = np.random.default_rng(_checked(seed)).integers(0, 2, size, dtype=np.int8)
    return torch.from_numpy(2 * bits - 1).to(template(like))


def template(like: Tensor | None) -> Tensor:
    """What new vectors are made like: `like`, or float64 on the CPU."""
    return torch.empty(0, dtype=torch.float64) if like is None else like


def inner(left: Tensor, right: Tensor, total: Total = whole) -> np.ndarray:
    """Inner products of rows, (a, n) and (b, n) to (a, b), summed in float64 whatever the precision."""
    found = torch.zeros(len(left), len(right), dtype=torch.float64, device=left.device)
    for piece in pieces(left.shape[1], len(left) + len(right)):
        found += left[:, piece].double() @ right[:, piece].double().T
    return total(found).cpu().numpy()


def lengths(rows: Tensor, total: Total = whole) -> Tensor:
    """Length of each row of shape (k, n), summed in float64, shape (k,)."""
    own = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return own if total is whole else total(own.square()).sqrt()


def normalised(rows: Tensor, total: Total = whole) -> Tensor:
    """Rows of shape (k, n) divided by their lengths, which are summed in float64; zero rows become NaN."""
    return rows / lengths(rows, total)[:, None].to(rows.dtype)


def pieces(size: int, rows: int) -> Iterator[slice]:
    """Cut `size` columns so that `rows` rows of a piece can be widened to float64 at little memory."""
    width = max(_PIECE // max(rows, 1), 1)
    for start in range(0, size, width):
        yield slice(start, min(start + width, size))


def orthonormal(
    candidates: Tensor,
    basis: Tensor,
    floor: float,
    wide: Tensor | None = None,
    total: Total = whole,
    known: np.ndarray | None = None,
) -> tuple[Tensor, np.ndarray]:
    """What the candidates add to an orthonormal basis, as orthonormal rows.

    Gram–Schmidt, twice for rounding (Parlett 1998, *The Symmetric Eigenvalue Problem*, section 6.9).

    Args:
        candidates: Rows, shape (b, n).
        basis: Orthonormal rows, shape (m, n).
        floor: A candidate whose remainder is no longer than this adds nothing.
        wide: The basis in float64, where that is at hand; the result is the same.
        total: See `Parts`.
        known: Inner products of the candidates with the basis, shape (b, m), where they are at hand.

    Returns:
        The r ≤ b new rows, shape (r, n), and coefficients C, shape (b, r): candidate i is Σ_j C_ij row_j
        plus a combination of the basis.
    """
    rows, count = torch.empty_like(candidates), 0
    coefficients = np.zeros((len(candidates), len(candidates)))
    for i, candidate in enumerate(candidates):
        rest = candidate
        for turn in range(2):
            first = known[i] if known is not None and not turn else None
            rest, _ = _remainder(rest, basis, wide, total, first)
            if count:
                rest, along = _remainder(rest, rows[:count], None, total)
                coefficients[i, :count] += along
        length = float(lengths(rest[None], total))
        if length > floor:
            coefficients[i, count] = length
            rows[count] = rest / length
            count += 1
    return rows[:count], coefficients[:, :count]


def _remainder(
    vector: Tensor, basis: Tensor, wide: Tensor | None, total: Total, along: np.ndarray | None = None
) -> tuple[Tensor, np.ndarray]:
    """The vector without its part along orthonormal rows, and its coefficients along them.

    A float32 sum over 10⁶ entries is right to 10⁻⁴ only, so the coefficients are summed in float64.
    """
    if along is None:
        along = inner(vector[None], basis if wide is None else wide, total)[0]
    return vector - torch.from_numpy(along).to(basis) @ basis, along


def random_directions(basis: Tensor, number: int, seed: int, drawn: int = 0, total: Total = whole) -> Tensor:
    """Random rows orthonormal to a basis of shape (m, n) and to each other, shape (number, n).

    Each has a stream of its own under the seed; `drawn` streams were used before.
    """
    streams = (substream(seed, drawn + i) for i in range(number))
    units = [random_unit(basis.shape[1], stream, basis, total) for stream in streams]
    return orthonormal(torch.stack(units), basis, 0.0, None, total)[0] if units else basis[:0]


def closing(like: Tensor) -> float:
    """Share of the operator's scale below which a remainder is rounding, which grows along a recurrence."""
    return torch.finfo(like.dtype).eps ** 0.75


def _checked(seed: int) -> int:
    if seed < 0:
        raise ArgumentError(f"the seed is {seed}; choose 0 or a positive integer")
    return seed
