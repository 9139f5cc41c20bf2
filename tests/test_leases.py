"""Claims of items: each is claimed once while there is enough, and again where its worker is dead or late."""

import numpy as np
import pytest

from landscape import leases
from landscape.leases import Board, Lease, pause


def claimed(boards: list[Board], log: list[Lease], who: int, now: float, pace: float, **more) -> Lease | None:
    """What a worker claims once it has read the log."""
    board = boards[who]
    for lease in log[len(board.leases) :]:
        board.note(lease, now)
    lease = board.choose(now, pace, **more)
    if lease:
        log.append(lease)
        board.note(lease, now)
    return lease


def test_everything_is_claimed_once_and_ever_less_at_a_time():
    boards, log = [Board(1000, name) for name in "abc"], []
    covered = np.zeros(1000, int)
    for turn in range(10**4):
        lease = claimed(boards, log, turn % 3, 0.0, 1e-3 if turn > 2 else 0.0)
        if lease is None:
            break
        covered[lease.begin : lease.end] += 1
        boards[turn % 3].done[lease.begin : lease.end] = True
    assert (covered == 1).all()
    sizes = [lease.end - lease.begin for lease in log]
    assert sizes[:3] == [1, 1, 1]  # nobody knows how long an item takes
    assert sizes[3] == 997 // (leases.PARTS * 3)
    assert sizes[3:] == sorted(sizes[3:], reverse=True)
    assert sizes[-1] == 1
    assert len(log) < 100


def test_a_lease_holds_seconds_of_work_at_most():
    board = Board(10**6, "a")
    lease = board.choose(0.0, 0.01)
    assert lease == Lease("a", 0, int(leases.SECONDS / 0.01), 0.01)
    assert board.choose(0.0, 100.0) == Lease("a", 0, 1, 100.0)


def test_what_is_finished_is_left_out():
    board = Board(10, "a")
    board.done[[0, 1, 3]] = True
    assert board.choose(0.0, 0.0) == Lease("a", 2, 3)
    board.note(Lease("b", 2, 5), 0.0)
    assert board.choose(0.0, 0.0) == Lease("a", 5, 6)
    board.done[:] = True
    assert board.choose(0.0, 1.0) is None


def test_what_the_dead_hold_is_taken_at_once():
    board = Board(4, "a")
    board.note(Lease("b", 0, 4, 1.0), 0.0)
    assert board.choose(0.1, 5.0) is None
    assert board.choose(0.1, 3.0, lambda worker: worker == "b") == Lease("a", 3, 4, 3.0)


def test_what_is_late_is_taken_and_not_before():
    board = Board(2, "a")
    board.note(Lease("b", 0, 2, 1.0), 10.0)
    late = 10.0 + leases.OVERDUE * 2 + leases.GRACE
    assert board.choose(late - 0.01, 5.0) is None
    again = board.choose(late + 0.01, 5.0)
    assert again == Lease("a", 1, 2, 5.0)
    board.note(again, late + 0.01)
    assert board.choose(late + 0.02, 5.0) == Lease("a", 1, 2, 5.0)  # its own, if it comes back to it
    other = Board(2, "c")
    for lease in board.leases:
        other.note(lease, late)
    assert other.choose(late + 0.02, 5.0) is None  # it has just learnt of them
    assert other.choose(late + 3.5, 5.0) == Lease("c", 0, 1, 5.0)


def test_a_fast_worker_takes_from_the_back_of_a_slow_one():
    board = Board(4, "fast")
    board.note(Lease("slow", 0, 4, 2.0), 0.0)
    assert board.choose(1.0, 0.5) == Lease("fast", 3, 4, 0.5)
    assert board.choose(7.6, 0.5) is None  # it will be as soon
    assert board.choose(1.0, 0.0) is None  # nobody knows whether it is faster


def test_a_lease_of_unknown_length_is_waited_for():
    board = Board(1, "a")
    board.note(Lease("b", 0, 1), 0.0)
    assert board.choose(leases.UNKNOWN - 1, 0.0) is None
    assert board.choose(leases.UNKNOWN + 1, 0.0) == Lease("a", 0, 1)


def test_a_claim_of_nothing_holds_nothing():
    board = Board(2, "a")
    board.note(Lease("", 0, 0), 0.0)
    assert board.choose(0.0, 0.0) == Lease("a", 0, 1)


@pytest.mark.parametrize(("waited", "seconds"), [(0.0, 0.002), (1.0, 0.1), (60.0, 0.25)])
def test_pauses_are_short_beside_what_was_waited(waited: float, seconds: float):
    assert pause(waited) == pytest.approx(seconds)
