"""Thick-restart block Lanczos with full reorthogonalisation (Wu & Simon 2000, SIAM J. Matrix Anal. 22(2))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from landscape.errors import ArgumentError, LandscapeError
from landscape.linalg.eigenpairs import Eigenpairs, Matvec, Which, check_request, goal, order, rank_key
from landscape.linalg.ranks import Verdict, allowance
from landscape.linalg.ranks import confirm as look
from landscape.linalg.subspace import Subspace
from landscape.linalg.vectors import (
    Parts,
    closing,
    lengths,
    normalised,
    orthonormal,
    random_directions,
    template,
    whole,
)

_MEMORY = 2**30  # bytes that a basis may take before restarts, which cost products, are worth it


def lanczos(
    matvec: Matvec,
    size: int,
    k: int,
    *,
    which: Which = "largest",
    tolerance: float = 1e-3,
    max_products: int = 200,
    block: int = 1,
    basis: int = 0,
    seed: int = 0,
    like: Tensor | None = None,
    start: Tensor | None = None,
    confirm: int | None = None,
    parts: Parts | None = None,
) -> Eigenpairs:
    """K extreme eigenpairs of a symmetric operator.

    Each step multiplies the newest directions and takes what their images add to the basis as the next ones.
    A full basis is compressed to its best Ritz vectors, which costs no product. A pair's residual follows
    from the projection; before it counts as converged it is confirmed on the stored images.

    A Krylov space from b directions holds at most b of each eigenspace, and may pass over an eigenvalue in
    which they had next to no part. Pairs that have converged are therefore confirmed: a fresh random
    direction outside the basis looks for what was passed over (`landscape.linalg.ranks`). What it sees joins
    the search, which goes on; what it cannot exclude within its products is said, rank by rank.

    Args:
        matvec: The operator.
        size: Its dimension n.
        k: Number of eigenpairs.
        which: Which end of the spectrum.
        tolerance: Stop when every wanted residual is at most this share of its own |λ|.
        max_products: Products allowed.
        block: Directions per step. One needs the fewest products, unless eigenvalues repeat.
        basis: Vectors kept at most, each with its image; 0 takes as many as fit in 1 GiB, and no fewer than
            2k + 20.
        seed: Random seed of the start vectors.
        like: Tensor whose device and dtype the vectors take; float64 on the CPU by default.
        start: Directions to start from, shape (b, n), such as the eigenvectors of a similar operator. Random
            ones make up the number to `block`; an eigenvector orthogonal to all of them can be missed, unless
            it is confirmed that none was.
        confirm: Products that confirming the ranks may take, of those allowed. By default a tenth of those of
            the search, up to four tenths with a tolerance looser than 0.0025.
        parts: Where several processes hold a part of every vector each: what of vectors is given, returned
            or multiplied is then the part held here, shape (here,) in place of (n,). Each runs the same
            search, with a seed of its own; a product that is not finite has to be refused by all of them.

    Raises:
        LandscapeError: If k, the tolerance, the number of products, the block, the basis or the start is out
            of range, or a product is not finite.
    """
    check_request(k, size, tolerance, max_products)
    rank_key(np.zeros(0), which)
    like = template(like)
    ahead, drawn = _first(start, block, size, seed, like, parts)
    capacity = min(_capacity(k, len(ahead), basis, size, like), max_products)
    space = Subspace(matvec, size, capacity, like, parts)
    search = _Search(space, k, which)
    while True:
        newest = ahead[: max_products - space.products]
        space.extend(newest)
        space.ritz()  # brings the scale up to date
        floor = closing(like) * space.scale
        images, known = space.images[-len(newest) :], space.projected[:, -len(newest) :].T
        ahead, coupling = orthonormal(images, space.vectors, floor, space.wide[0], space.total, known)
        state = search.state(coupling, tolerance)
        if state == "found":
            verdict = _confirmed(search, tolerance, max_products - space.products, confirm, seed, drawn)
            if not verdict.missed:
                return space.best(k, which, tolerance, verdict.risks)
            drawn += 1
            candidates = torch.cat([ahead, space.images[-1:]])
            floor = closing(like) * space.scale
            ahead, _ = orthonormal(candidates, space.vectors, floor, None, space.total)
            state = "open" if len(ahead) else "closed"
        if space.count == size:
            return space.best(k, which, tolerance, np.zeros(k))
        if space.products == max_products:
            return space.best(k, which, tolerance)
        if state == "closed":
            search.close(begun_at_random=drawn > 0, whole=not len(ahead))
            ahead = ahead[:0]
        room = min(len(ahead) or block, size - space.count, max_products - space.products)
        if space.count + room > capacity:
            search.compress()
        if state == "closed":
            ahead = random_directions(space.vectors, room, seed, drawn, space.total)
            drawn += room


def _confirmed(
    search: _Search, tolerance: float, spare: int, asked: int | None, seed: int, drawn: int
) -> Verdict:
    """Whether something was passed over; if so, what showed it has joined the basis."""
    space = search.space
    allowed = min(allowance(space.products, tolerance, asked), spare, space.size - space.count)
    if space.count + allowed > space.capacity and not search.closed:
        search.compress()  # where spaces have closed, it would not keep pairs that lie across them
    found = space.count
    allowed = min(allowed, space.capacity - found)
    verdict = look(space, search.k, search.which, products=allowed, seed=seed, drawn=drawn)
    if not verdict.missed:
        space.truncate(found)
    return verdict


@dataclass
class _Search:
    """What is looked for, and which part of the basis is done with.

    Attributes:
        space: The basis.
        k: Number of wanted pairs.
        which: Which end of the spectrum.
        closed: How many of the first directions belong to Krylov spaces that are done with.
        repeats: Whether one of those began at random and closed, so that what is left has no eigenvalue but
            theirs.
    """

    space: Subspace
    k: int
    which: Which
    closed: int = 0
    repeats: bool = False

    def state(self, coupling: np.ndarray, tolerance: float) -> Literal["found", "closed", "open"]:
        """Whether the wanted pairs are found, the Krylov space in work is done with, or it goes on.

        Args:
            coupling: Remainders of the newest images in the next directions, shape (newest, next).
            tolerance: Residual that counts as converged, relative to |λ|.
        """
        unsettled: Literal["closed", "open"] = "open" if coupling.shape[1] else "closed"
        if self.space.count <= self.k:
            return unsettled
        values, coefficients = self.space.ritz()
        wanted = order(values, self.which)[: self.k]
        accuracy = goal(values[wanted], tolerance, self.space.scale, self.space.vectors)
        if (_estimates(coefficients[:, wanted], coupling) > accuracy).any():
            return unsettled
        if unsettled == "closed" and not self.repeats:
            return "closed"  # the first space holds each repeated eigenvalue but once
        if self.closed:
            # The best pair of the space in work bounds what is left outside those done with.
            inside, parts = self.space.ritz(self.closed)
            best = order(inside, self.which)[:1]
            near = goal(inside[best], tolerance, self.space.scale, self.space.vectors)
            if (_estimates(parts[:, best], coupling) > near).any():
                return unsettled
            keys = rank_key(np.append(inside[best], values[wanted[-1]]), self.which)
            if self.repeats and keys[0] < keys[1] - accuracy[-1]:
                return "closed"  # one more of a repeated eigenvalue, and there may be others
        true = self.space.residuals(values[wanted], coefficients[:, wanted])
        return "found" if (true <= accuracy).all() else unsettled

    def close(self, *, begun_at_random: bool, whole: bool) -> None:
        """Be done with the Krylov space in work; unless it closed as a whole, only the wanted pairs have."""
        if not whole:
            values, coefficients = self.space.ritz()
            self.space.rotate(coefficients[:, order(values, self.which)[: self.k]])
        self.closed, self.repeats = self.space.count, begun_at_random

    def compress(self) -> None:
        """Make room in the basis, for a block at least, keeping the best Ritz vectors.

        Closed spaces keep what they have among the k best of all; the space in work keeps its own and fills
        half of what is left, measured to need the fewest products over tight and roomy bases.
        """
        old = self.space.projected[: self.closed, : self.closed]
        exact, first = np.linalg.eigh((old + old.T) / 2)
        values, second = self.space.ritz(self.closed)
        ranking = order(np.concatenate([exact, values]), self.which)[: self.k]
        kept = int((ranking < self.closed).sum())
        needed = max(self.k - kept, 1)
        free = self.space.capacity - kept
        more = min(needed + (free - needed) // 2, len(values))
        rotation = np.zeros((self.space.count, kept + more))
        rotation[: self.closed, :kept] = first[:, order(exact, self.which)[:kept]]
        rotation[self.closed :, kept:] = second[:, order(values, self.which)[:more]]
        self.space.rotate(rotation)
        self.closed = kept


def _estimates(coefficients: np.ndarray, coupling: np.ndarray) -> np.ndarray:
    """Residuals of Ritz pairs as the recurrence has them: only the newest directions have images outside."""
    return np.linalg.norm(coupling.T @ coefficients[-len(coupling) :], axis=0)


def _capacity(k: int, block: int, basis: int, size: int, like: Tensor) -> int:
    """Vectors to keep at most."""
    least = min(k + 2 * block, size)
    if basis and basis < least:
        raise LandscapeError(
            f"a basis of {basis} vectors is too small for {k} eigenvalues with {block} directions a step; "
            f"allow at least {least}, or 0 for a good number"
        )
    cheap = _MEMORY // (2 * size * torch.finfo(like.dtype).bits // 8)
    return min(basis or max(2 * k + 18 + 2 * block, cheap), size)


def _first(
    start: Tensor | None, block: int, size: int, seed: int, like: Tensor, parts: Parts | None
) -> tuple[Tensor, int]:
    """Orthonormal directions to start from, and how many of them are random."""
    if block < 1:
        raise ArgumentError(f"a block of {block} directions a step; choose 1 or more")
    here, total = (parts.here, parts.total) if parts else (size, whole)
    rows = torch.empty(0, here, dtype=like.dtype, device=like.device)
    if start is not None:
        if start.ndim != 2 or start.shape[1] != here or not bool(torch.isfinite(start).all()):
            raise LandscapeError(
                f"start directions of shape {tuple(start.shape)}; expected (b, {here}), finite, "
                "one direction a row"
            )
        given = start.to(rows)
        given = normalised(given[lengths(given, total) > 0], total)
        rows, _ = orthonormal(given, rows, closing(like), None, total)
    missing = max(min(block, size) - len(rows), 0)
    return torch.cat([rows, random_directions(rows, missing, seed, 0, total)]), missing
