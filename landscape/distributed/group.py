"""Ranks that compute one thing together: exact sums, and one error on all of them instead of a hang."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from landscape.distributed.watch import Watch
from landscape.errors import LandscapeError, RankError
from landscape.linalg.vectors import pieces

PATIENCE = 1800.0
"""Seconds that a rank waits for the others; the environment variable `LANDSCAPE_PATIENCE` gives another."""

_AGAIN = "give the same command again: what is finished is kept (torchrun --max-restarts N does so of itself)"


class Group:
    """The processes of a process group of `torch.distributed`, each called a rank.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are.
        watch: Who is alive.
    """

    def __init__(self, processes: Any = None, *, patience: float | None = None) -> None:
        """Take an initialised process group.

        Args:
            processes: Of `torch.distributed`, able to reduce tensors on the CPU and on the objective's
                device; the default one if left out.
            patience: Seconds that its collectives wait, for messages; what it was made with decides.

        Raises:
            LandscapeError: If there is no process group.
        """
        if not (dist.is_available() and dist.is_initialized()):
            raise LandscapeError(
                "there is no process group; start with torchrun --nproc-per-node N, and call "
                "landscape.distributed.joined() or torch.distributed.init_process_group first"
            )
        self._processes = processes
        self.rank, self.size = dist.get_rank(processes), dist.get_world_size(processes)
        self._patience = _patience() if patience is None else patience
        self.watch = Watch(_store() if processes is None else None, self.rank, self.size)

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which writes and speaks for all."""
        return self.rank == 0

    def summed(
        self,
        compute: Callable[[], Tensor],
        size: int,
        device: torch.device | str = "cpu",
        *,
        same: Sequence[Tensor] = (),
    ) -> Tensor:
        """Sum over ranks of what each computes, float64, shape (size,), the same bits on every rank.

        Args:
            compute: This rank's part, shape (size,).
            size: Length of the sum.
            device: Where it is wanted.
            same: Tensors that every rank is to hold alike, compared by their digests.

        Raises:
            RankError: On every rank, if one of them failed, has ended, or holds other tensors.
        """
        block = torch.zeros(size + 3 * self.size, dtype=torch.float64, device=device)
        failure: Exception | None = None
        try:
            block[:size] = compute()
        except Exception as error:  # of whatever kind: the others must hear of it
            failure = error
            block[:size], block[size + self.rank] = 0.0, 1.0
        place = size + self.size + 2 * self.rank
        block[place : place + 2] = _halves(digest(same))
        self._call(lambda: dist.all_reduce(block, group=self._processes))
        tail = block[size:].cpu().view(3, -1)
        if bool(tail[0].any()):
            self._raise(failure)
        digests = tail[1:].reshape(-1, 2)
        odd = [rank for rank in range(self.size) if not torch.equal(digests[rank], digests[0])]
        if odd:
            raise RankError(
                f"the ranks have come apart: vectors of rank {', '.join(map(str, odd))} differ from those of "
                "rank 0; run all ranks on machines of one kind, with one version of PyTorch and equal "
                "checkpoints and options"
            )
        return block[:size]

    def gathered(
        self, compute: Callable[[], Mapping[str, Tensor]], counts: Sequence[int]
    ) -> list[dict[str, Tensor]]:
        """What each rank computes, for all of them, on the CPU.

        Args:
            compute: This rank's tensors, each of so many rows as `counts` says of the rank.
            counts: Rows of each rank.

        Raises:
            RankError: As `summed`.
        """
        mine: dict[str, Tensor] = {}

        def work() -> Tensor:
            mine.update(compute())
            return torch.zeros(0)

        self.summed(work, 0)
        found: list[dict[str, Tensor]] = [{} for _ in counts]
        for name, column in mine.items():
            bits = column.contiguous().view(torch.uint8).reshape(len(column), -1)
            padded = bits.new_zeros(max(counts), bits.shape[1])
            padded[: len(bits)] = bits
            parts = [torch.empty_like(padded) for _ in counts]
            self._call(partial(dist.all_gather, parts, padded, group=self._processes))
            for each, part, count in zip(found, parts, counts, strict=True):
                rows = part[:count].reshape(-1).view(column.dtype)
                each[name] = rows.reshape(count, *column.shape[1:])
        return found

    def heard(self, value: Any = None) -> Any:
        """What rank 0 says; the others give nothing. Any plain value or arrays.

        Raises:
            RankError: If a rank has ended, or rank 0 does not speak in time.
        """
        box = [value]
        first = dist.get_global_rank(self._processes, 0) if self._processes is not None else 0
        self._call(lambda: dist.broadcast_object_list(box, src=first, group=self._processes))
        return box[0]

    def lost(self) -> RankError:
        """Who is to blame for a collective that has failed, as an error to raise."""
        return RankError(f"{self.watch.verdict(self._patience)}; {_AGAIN}")

    def leave(self) -> None:
        """End the process group, once nothing more is to be computed together."""
        self.watch.end()
        if self._processes is None and dist.is_initialized():
            dist.destroy_process_group()

    def _raise(self, failure: Exception | None) -> None:
        """One error on all ranks for what failed on some."""
        words: list[Any] = [None] * self.size
        mine = None if failure is None else str(failure) or type(failure).__name__
        self._call(lambda: dist.all_gather_object(words, mine, group=self._processes))
        told = "; ".join(f"rank {rank} failed: {text}" for rank, text in enumerate(words) if text is not None)
        raise RankError(told) from failure

    def _call(self, collective: Callable[[], Any]) -> None:
        self.watch.entered += 1
        try:
            collective()
        except RuntimeError as error:
            raise self.lost() from error


def joined(*, patience: float | None = None) -> Group:
    """The ranks that `torchrun` has started, this process being one of them; a process group that is there.

    Args:
        patience: Seconds that a rank waits for the others in each collective, before it gives up.

    Raises:
        LandscapeError: If this process is none of several ranks, or the others do not come.
    """
    seconds = _patience() if patience is None else patience
    if dist.is_initialized():
        return Group(patience=seconds)
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        raise LandscapeError(
            "this process is not one of several ranks; start it with torchrun --nproc-per-node N"
        )
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    wait = timedelta(seconds=seconds)
    try:
        store, rank, size = next(dist.rendezvous("env://", timeout=wait))
        # torchrun keeps its store when it starts ranks again, and with it the addresses of the dead.
        store = dist.PrefixStore(f"life {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        dist.init_process_group(backend, timeout=wait, store=store, rank=rank, world_size=size)
    except (RuntimeError, ValueError) as error:
        raise LandscapeError(
            f"the ranks did not find one another ({str(error).splitlines()[0]}); look at --rdzv-endpoint, "
            "and whether every machine reaches it"
        ) from error
    return Group(patience=seconds)


def digest(tensors: Sequence[Tensor]) -> Tensor:
    """A number for all bits of some tensors, int64, shape (1,); whole numbers add up alike anywhere."""
    device = tensors[0].device if tensors else "cpu"
    total = torch.zeros(1, dtype=torch.int64, device=device)
    for tensor in tensors:
        whole = torch.int32 if tensor.dtype.itemsize == 4 else torch.int64
        bits = tensor.detach().reshape(-1).view(whole)
        for piece in pieces(len(bits), 1):
            places = torch.arange(piece.start, piece.stop, device=device)
            total = 31 * total + (bits[piece].long() * (2 * places + 1)).sum()
    return total


def _halves(number: Tensor) -> Tensor:
    """An int64 as two numbers that float64 holds exactly."""
    return torch.cat([number >> 32, number & 0xFFFFFFFF]).double()


def _patience() -> float:
    text = os.environ.get("LANDSCAPE_PATIENCE", "")
    try:
        seconds = float(text or PATIENCE)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise LandscapeError(f"LANDSCAPE_PATIENCE is {text!r}, expected seconds, such as 600")
    return seconds


def _store() -> Any:
    """The store that the default group met at, by a connection of its own where that can be had."""
    store = dist.distributed_c10d._get_default_store()
    try:
        return store.clone()  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError, NotImplementedError):
        return store
