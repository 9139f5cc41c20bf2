"""One process writes a result: who comes second is told of the first; what the dead leave is taken over."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from landscape.errors import ResultError
from landscape.results import holding
from landscape.results.holding import LEASE, Hold, Holder

ROOT = Path(__file__).resolve().parents[2]


def lock(folder: Path) -> Path:
    return folder / ".s.zarr.lock"


def held(folder: Path, **changes: object) -> Holder:
    """A file of another holder than this process."""
    holder = replace(Holder.this("work"), token="another", **changes)  # type: ignore[arg-type]
    lock(folder).write_text(json.dumps(asdict(holder)))
    return holder


def left_alone(folder: Path) -> None:
    """Take it, and see that nothing else stays."""
    hold = Hold(folder / "s.zarr", "work")
    assert [path.name for path in folder.iterdir()] == [".s.zarr.lock"]
    assert json.loads(lock(folder).read_text())["token"] == hold.holder.token
    hold.release()
    assert not list(folder.iterdir())


def test_the_second_is_told_of_the_first(tmp_path: Path):
    hold = Hold(tmp_path / "s.zarr", "work")
    who = re.escape(f"(process {os.getpid()} on {socket.gethostname()}, since {hold.holder.since})")
    with pytest.raises(
        ResultError, match=rf"cannot write .*s\.zarr: this very run is under way already {who}"
    ):
        Hold(tmp_path / "s.zarr", "work")
    with pytest.raises(
        ResultError, match=r"another run writes there .*; wait for its end, or choose another --out$"
    ):
        Hold(tmp_path / "s.zarr", "other work")
    Hold(tmp_path / "other.zarr", "work").release()
    hold.check()
    hold.release()
    hold.release()
    left_alone(tmp_path)


def test_a_folder_made_for_nothing_goes(tmp_path: Path):
    for file, left in (("", False), ("kept", True)):
        hold = Hold(tmp_path / "a" / "b" / "s.zarr", "work")
        if file:
            (tmp_path / "a" / "b" / file).touch()
        hold.release()
        assert (tmp_path / "a").exists() == left


def test_a_living_process_keeps_it_however_old_it_is(tmp_path: Path):
    held(tmp_path, process=os.getppid(), began=holding._began(os.getppid()))
    os.utime(lock(tmp_path), (0, 0))
    with pytest.raises(ResultError, match=f"process {os.getppid()} on "):
        Hold(tmp_path / "s.zarr", "work")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_what_the_dead_leave_is_taken_over(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held(tmp_path, process=process.pid, began=holding._began(process.pid))
    with pytest.raises(ResultError, match=f"process {process.pid} on "):
        Hold(tmp_path / "s.zarr", "work")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    left_alone(tmp_path)  # though nobody has waited for it
    process.wait()
    held(tmp_path, process=process.pid)
    left_alone(tmp_path)
    held(tmp_path, began="1")  # another process has its number now
    left_alone(tmp_path)


@pytest.mark.parametrize(
    "change", [{"host": "elsewhere"}, {"machine": "before it was started again"}, {"began": ""}]
)
def test_where_the_process_table_does_not_say_the_age_does(tmp_path: Path, change: dict):
    holder = held(tmp_path, **change)
    with pytest.raises(ResultError, match=f"on {holder.host}, since") as refused:
        Hold(tmp_path / "s.zarr", "work")
    assert ("delete" in str(refused.value)) == ("machine" in change)
    os.utime(lock(tmp_path), (time.time() - LEASE - 5,) * 2)
    left_alone(tmp_path)


def test_a_holder_touches_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(holding, "BEAT", 0.01)
    hold = Hold(tmp_path / "s.zarr", "work")
    os.utime(lock(tmp_path), (0, 0))
    until = time.monotonic() + 20
    while lock(tmp_path).stat().st_mtime < 1e9 and time.monotonic() < until:
        time.sleep(0.01)
    assert lock(tmp_path).stat().st_mtime > 1e9
    other = held(tmp_path, host="elsewhere")  # into the same file: still its own
    hold.check()
    lock(tmp_path).unlink()
    held(tmp_path, host="elsewhere")
    while not hold.lost and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(ResultError, match="another process has taken"):
        hold.check()
    hold.release()
    assert json.loads(lock(tmp_path).read_text())["host"] == other.host  # whose it is stays


FOREIGN: dict[str, Callable[[Path], object]] = {
    "empty": Path.touch,
    "half written": lambda path: path.write_text('{"host": "a'),
    "something else": lambda path: path.write_bytes(os.urandom(100)),
    "a list": lambda path: path.write_text("[1, 2]"),
    "too deep": lambda path: path.write_text("[" * 4000),
    "nobody": lambda path: path.write_text(json.dumps({**asdict(Holder.this("")), "process": -1})),
    "of other types": lambda path: path.write_text(json.dumps({**asdict(Holder.this("")), "process": True})),
    "endless": lambda path: path.write_text(json.dumps({**asdict(Holder.this("")), "host": "a" * 10**6})),
    "a folder": Path.mkdir,
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to("/etc/passwd"),
    "a link to nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_names_nobody_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(holding, "_PATIENCE", (3, 0.01))
    FOREIGN[name](lock(tmp_path))
    hold = Hold(tmp_path / "s.zarr", "work")
    assert json.loads(lock(tmp_path).read_text())["token"] == hold.holder.token
    hold.release()
    # A folder may hold anything, and only steps aside.
    assert len(list(tmp_path.iterdir())) == (name == "a folder")


def test_what_is_just_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lock(tmp_path).touch()
    looks: list[float] = []

    def later(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            held(tmp_path, process=os.getppid(), began=holding._began(os.getppid()))

    monkeypatch.setattr(holding.time, "sleep", later)
    with pytest.raises(ResultError, match=f"process {os.getppid()} on"):
        Hold(tmp_path / "s.zarr", "work")
    assert len(looks) == 2


def test_words_of_a_file_are_printed_not_obeyed(tmp_path: Path):
    held(tmp_path, host="\x1b[31mevil\n" + "a" * 1000)
    with pytest.raises(ResultError) as refused:
        Hold(tmp_path / "s.zarr", "work")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500 + 2 * len(str(tmp_path))


def test_a_fork_holds_nothing(tmp_path: Path):
    hold = Hold(tmp_path / "s.zarr", "work")
    child = os.fork()
    if not child:
        hold.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert lock(tmp_path).exists()
    hold.release()


RACE = """
import os, sys, time
from pathlib import Path
from landscape.errors import ResultError
from landscape.results import holding
rounds, count = 12, 4
folder = Path(sys.argv[1])
for child in range(count):
    if os.fork():
        continue
    for turn in range(rounds):
        time.sleep(max(0, float(sys.argv[2]) + 0.05 * turn - time.time()))
        place = folder / str(turn) / "s.zarr"
        try:
            hold = holding.Hold(place, "work")
            os.write(1, f"{turn} won\\n".encode())
            globals()[f"kept{turn}"] = hold
        except ResultError as error:
            end = "refused" if "under way already" in str(error) else str(error)
            os.write(1, f"{turn} {end}\\n".encode())
    time.sleep(1)
    os._exit(0)
for child in range(count):
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_of_those_who_start_at_once_one_wins(tmp_path: Path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for turn in range(12):
        (tmp_path / str(turn)).mkdir()
        if turn % 2:  # half of them find what somebody left
            held(tmp_path / str(turn), process=dead.pid)
    command = [sys.executable, "-c", RACE, str(tmp_path), str(time.time() + 1)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.splitlines()) == sorted(
        f"{turn} {end}" for turn in range(12) for end in ("won", *["refused"] * 3)
    )


def test_the_killed_leave_it_to_the_next(tmp_path: Path):
    code = (
        "import sys, time; from pathlib import Path; from landscape.results.holding import Hold\n"
        "hold = Hold(Path(sys.argv[1]), 'work'); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "s.zarr")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    with pytest.raises(ResultError, match=f"process {process.pid} on "):
        Hold(tmp_path / "s.zarr", "work")
    process.send_signal(signal.SIGKILL)
    process.wait()
    left_alone(tmp_path)
