"""Ctrl-C, a request to end and a closed terminal: what they stop ends in one and the same way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """A signal that ends the process as Ctrl-C does.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        """Say which signal it was."""
        super().__init__()
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """While open, SIGTERM and SIGHUP raise `Interrupted`, unless they are ignored (nohup) or handled."""

    def stop(number: int, frame: object) -> None:
        raise Interrupted(number)

    before = {}
    try:
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    except ValueError:  # signals are handled in the main thread alone
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ending(error: BaseException) -> tuple[int, str]:
    """Exit status, 128 and the number of the signal, and what to say of an interruption.

    Args:
        error: The interruption, or what click made of it.
    """
    cause = error.__cause__ or error
    number = getattr(cause, "number", signal.SIGINT)
    return 128 + int(number), "; ".join(("interrupted", *getattr(cause, "__notes__", ())))
