"""A search whose vectors lie in parts with several holders finds what one that holds them whole finds."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from landscape.linalg import Eigenpairs, lanczos, substream
from landscape.linalg.vectors import Parts, inner, random_directions


class Holders:
    """Threads that hold consecutive parts of vectors, and add up what each of them found."""

    def __init__(self, *sizes: int) -> None:
        ends = np.cumsum([0, *sizes])
        self.own = [slice(*pair) for pair in itertools.pairwise(ends)]
        self._found: list[Tensor] = [torch.empty(0)] * len(sizes)
        self._barrier = threading.Barrier(len(sizes), timeout=30)

    def total(self, number: int) -> Callable[[Tensor], Tensor]:
        def total(found: Tensor) -> Tensor:
            self._found[number] = found
            self._barrier.wait()
            result = torch.stack(self._found).sum(0)
            self._barrier.wait()
            return result

        return total

    def gathered(self, number: int, part: Tensor) -> Tensor:
        """The whole vector, out of its parts."""
        whole = torch.zeros(self.own[-1].stop, dtype=torch.float64)
        whole[self.own[number]] = part
        return self.total(number)(whole)

    def each(self, work: Callable[[int], object]) -> list:
        with ThreadPoolExecutor(len(self.own)) as threads:
            return list(threads.map(work, range(len(self.own))))


def matrix(size: int = 60) -> Tensor:
    basis = torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(0)).double())[0]
    values = torch.cat([torch.tensor([30.0, 17.0, 12.0, 5.0, -21.0]), torch.linspace(-1, 2, size - 5)])
    return basis @ torch.diag(values.double()) @ basis.T


@pytest.mark.parametrize("which", ["largest", "smallest", "magnitude"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_parts_find_the_eigenvalues_of_the_whole(which, dtype):
    holders, dense = Holders(25, 0, 35), matrix()

    def search(number: int) -> Eigenpairs:
        own, total = holders.own[number], holders.total(number)
        here = own.stop - own.start

        def matvec(part: Tensor) -> Tensor:
            return (dense @ holders.gathered(number, part.double()))[own].to(part.dtype)

        options = {"which": which, "tolerance": 1e-5, "basis": 14, "confirm": 40}
        like = torch.empty(0, dtype=dtype)
        seed = substream(3, number)
        return lanczos(matvec, 60, 3, seed=seed, like=like, parts=Parts(here, total), **options)

    first, *others = holders.each(search)
    exact = np.linalg.eigvalsh(dense.numpy())
    keys = {"largest": -exact, "smallest": exact, "magnitude": -np.abs(exact)}[which]
    true = exact[np.argsort(keys, kind="stable")[:3]]
    assert first.converged.all()
    assert first.certain[0]
    assert (np.abs(first.eigenvalues - true) <= first.error_bounds + 1e-13 * np.abs(exact).max()).all()
    for other in others:
        for name in ("eigenvalues", "residuals", "error_bounds", "risks"):
            assert np.array_equal(getattr(first, name), getattr(other, name)), name
    vectors = torch.cat([first.vectors, *(other.vectors for other in others)], 1).double()
    images, values = vectors @ dense, torch.from_numpy(first.eigenvalues)[:, None]
    lengths = torch.linalg.vector_norm(images - values * vectors, dim=1).numpy()
    np.testing.assert_allclose(
        lengths, first.residuals, rtol=0.1, atol=1e-4 if dtype is torch.float32 else 1e-9
    )


def test_random_parts_make_random_vectors_of_the_whole():
    holders = Holders(2, 6)

    def draw(number: int) -> Tensor:
        empty = torch.empty(0, holders.own[number].stop - holders.own[number].start, dtype=torch.float64)
        one = [
            random_directions(empty, 1, substream(0, number), i, holders.total(number)) for i in range(400)
        ]
        return torch.cat(one)

    rows = torch.cat(holders.each(draw), 1)
    np.testing.assert_allclose(torch.linalg.vector_norm(rows, dim=1).numpy(), 1)
    # Uniform on the sphere, entries share the length alike, whoever holds them.
    assert rows.square().mean(0).numpy() == pytest.approx(1 / 8, abs=0.035)
    assert np.abs(inner(rows.T, rows.T) / 400 - np.eye(8) / 8).max() < 0.035
