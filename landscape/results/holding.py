"""Who writes a result: one process at a time, named in a file beside it.

The file is made exclusively, which every file system can do, and removed at the end. Where its holder has
ended without that, the next one takes it over: on the same machine that is seen in the process table, from
another one by the file's age, as a living holder touches it again and again.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from landscape.errors import ResultError, printable
from landscape.files import created, regular

BEAT = 10.0
"""Seconds after which a holder touches its file again."""

LEASE = 180.0
"""Seconds without that after which a holder on another machine counts as ended."""

JOINED = "joined"
"""In place of its machine, of a holder that stands for all workers of a run."""

MEMBERS = "workers"
"""Folder of the files of these workers, in that of the run."""

_LARGEST = 4096
_PATIENCE = 100, 0.02  # looks, and seconds between them, at what somebody is about to write or to leave


@dataclass(frozen=True)
class Holder:
    """A process that writes.

    Attributes:
        host: Name of its machine.
        process: Its number there.
        since: When it began to hold, ISO 8601, UTC.
        work: What it does; equal for equal runs.
        machine: The start of the machine, and the namespace of its process numbers; empty if unknown.
        began: When the process began, as that machine counts; empty if unknown.
        token: Tells it from every other one.
    """

    host: str
    process: int
    since: str
    work: str
    machine: str
    began: str
    token: str

    @classmethod
    def this(cls, work: str) -> Holder:
        """The process that asks."""
        now, process = datetime.now(UTC).isoformat(timespec="seconds"), os.getpid()
        token = secrets.token_hex(8)
        return cls(socket.gethostname(), process, now, work, _machine(), _began(process), token)

    def lives(self, path: Path) -> bool:
        """Whether the process is still there, by the process table or the age of its file."""
        if self.machine == JOINED:
            run = f"{path.name.removesuffix('.lock')}.{self.work[:12]}.part"
            return any(member.lives(file) for file, member in members(path.with_name(run) / MEMBERS))
        if (self.host, self.machine) == (socket.gethostname(), _machine()):
            runs = _runs(self.process, self.began)
            if runs is not None:
                return runs
        with suppress(OSError), tempfile.TemporaryFile(dir=path.parent) as probe:
            # Both times are those of the file system: clocks of several machines differ.
            return os.fstat(probe.fileno()).st_mtime - os.lstat(path).st_mtime < LEASE
        return os.path.lexists(path)

    def __str__(self) -> str:
        return f"process {self.process} on {printable(self.host, 80)}, since {printable(self.since, 40)}"


def members(folder: Path) -> Iterator[tuple[Path, Holder]]:
    """The workers of a run that others can join, by the files that name them."""
    for path in folder.glob("*") if folder.is_dir() else ():
        with suppress(OSError, ValueError, TypeError, RecursionError):
            yield path, _read(path)


class Hold:
    """The right of this process to write a result, until it is released."""

    def __init__(self, place: Path, work: str) -> None:
        """Take it.

        Args:
            place: Path of the result.
            work: What is done; equal for equal runs.

        Raises:
            ResultError: If another process has it: who and since when.
            OSError: If nothing can be written there.
        """
        self.holder = Holder.this(work)
        self._path = place.with_name(f".{place.name}.lock")
        self._made = [folder for folder in (place.parent, *place.parent.parents) if not folder.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._descriptor = taken(self._path, self.holder)
        except HeldError as error:
            raise ResultError(refusal(place, self._path, error.holder, work)) from None
        self._lost, self._released = threading.Event(), threading.Event()
        beating = (self._path, self._descriptor, self._lost, self._released)
        threading.Thread(target=_beat, args=beating, daemon=True, name="landscape-hold").start()

    @property
    def lost(self) -> bool:
        """Whether another process has taken over, as this one seemed to have ended."""
        return self._lost.is_set()

    def check(self) -> None:
        """Go on.

        Raises:
            ResultError: If it is lost.
        """
        if self.lost:
            raise ResultError(
                f"another process has taken {self._path} over while this one slept; what is finished is "
                "kept: give the same command again once that process has ended"
            )

    def release(self) -> None:
        """Let others write, and remove folders made for nothing; more than once does nothing."""
        if self._released.is_set() or os.getpid() != self.holder.process:  # a fork holds nothing
            return
        self._released.set()
        with suppress(OSError):
            if _same(self._path, self._descriptor):
                self._path.unlink()
            for folder in self._made:
                folder.rmdir()  # unless anything is in it
        os.close(self._descriptor)

    def __del__(self) -> None:
        if hasattr(self, "_released"):
            self.release()


class HeldError(Exception):
    """Somebody else has it."""

    def __init__(self, holder: Holder) -> None:
        """Say who."""
        self.holder = holder
        super().__init__(str(holder))


def refusal(place: Path, path: Path, holder: Holder, work: str) -> str:
    """What a process is told that may not write a result, as this holder does."""
    doing = "this very run is under way already" if holder.work == work else "another run writes there"
    elsewhere = "" if holder.machine == _machine() else f"; if that process has ended, delete {path}"
    if holder.machine == JOINED:
        doing, elsewhere = "another run, of workers that joined, writes there", ""
    return f"cannot write {place}: {doing} ({holder}); wait for its end, or choose another --out{elsewhere}"


def taken(path: Path, holder: Holder) -> int:
    """The descriptor of a new file that names the holder, in place of one whose holder has ended."""
    tries, pause = _PATIENCE
    while True:
        with suppress(FileExistsError):
            return made(path, holder)
        before = found_in(path)
        if not before:
            continue
        if isinstance(before, Holder) and before.lives(path):
            raise HeldError(before)
        # Only who holds the right to remove it may remove it, and looks once more: whoever came first may
        # have made a new one meanwhile. That right is a file of the same kind.
        right = path.with_name(f"{path.name}~")
        try:
            descriptor = taken(right, holder)
        except HeldError as error:
            tries -= 1
            if not tries:
                raise error from None
            time.sleep(pause)
            continue
        try:
            if found_in(path) == before:
                removed(path, holder.token)
        finally:
            right.unlink(missing_ok=True)
            os.close(descriptor)


def made(path: Path, holder: Holder) -> int:
    """The descriptor of a new file that names the holder.

    Raises:
        OSError: If something has that name, or it cannot be written.
    """
    descriptor = created(path)
    try:
        os.write(descriptor, json.dumps(asdict(holder)).encode())
    except BaseException:
        os.close(descriptor)
        path.unlink()
        raise
    if not _same(path, descriptor):  # it seemed to be nobody's, as nothing was written for long
        os.close(descriptor)
        raise FileExistsError(path)
    return descriptor


def found_in(path: Path) -> Holder | str:
    """Who is named in a file; what is there instead, if nobody is; empty if nothing is there."""
    tries, pause = _PATIENCE
    for _ in range(tries):
        try:
            return _read(path)
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, TypeError, RecursionError):
            time.sleep(pause)  # it may be about to be written
    with suppress(FileNotFoundError):
        found = os.lstat(path)
        return f"{found.st_dev}:{found.st_ino}"
    return ""


def _read(path: Path) -> Holder:
    with regular(path) as stream:
        content = json.loads(stream.read(_LARGEST))
    kinds = {each.name: int if each.name == "process" else str for each in fields(Holder)}
    found = {name: type(value) for name, value in content.items()} if isinstance(content, dict) else {}
    if found != kinds or content["process"] <= 0:
        raise ValueError(f"{path} names nobody")
    return Holder(**content)


def removed(path: Path, token: str) -> None:
    """Out of the way: a folder, which may hold anything, under another name."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        path.rename(path.with_name(f"{path.name}.{token}"))


def _beat(path: Path, descriptor: int, lost: threading.Event, released: threading.Event) -> None:
    while not released.wait(BEAT):
        with suppress(OSError):  # a file system that is away for a moment
            if not _same(path, descriptor):
                lost.set()
                return
            os.utime(path)


def _same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _machine() -> str:
    with suppress(OSError):
        started = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{started} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _began(process: int) -> str:
    """When a process began, in ticks of the machine; `ended` if it only waits to be taken note of."""
    with suppress(OSError, ValueError, IndexError):
        state, *rest = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return "ended" if state in "ZX" else rest[18]
    return ""


def _runs(process: int, began: str) -> bool | None:
    """Whether that very process is there; None where the system does not say."""
    if os.name != "posix":
        return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    except OverflowError:
        return False
    now = _began(process)
    return now == began if now and began else None
