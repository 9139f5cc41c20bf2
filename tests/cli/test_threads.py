"""Beside other work the threads of a command sleep while they wait, and it says so."""

import os
import subprocess
import sys

import pytest

from landscape.cli import COMMANDS, threads
from landscape.cli.threads import IDLE, POLICY, choose_waiting


@pytest.fixture
def busy(monkeypatch):
    monkeypatch.setattr(threads, "_running", lambda: 1.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - set(IDLE)))
def test_threads_sleep_beside_other_work(busy, command):
    environment = {}
    assert "other processes are running" in choose_waiting([command, "net.pt"], environment)
    assert environment == {POLICY: "passive"}


@pytest.mark.parametrize("flag", ["-q", "--quiet", "--help", "-h"])
def test_a_quiet_command_does_not_say_so(busy, flag):
    environment = {}
    assert choose_waiting(["hessian", "net.pt", flag], environment) == ""
    assert environment == {POLICY: "passive"}


def test_idle_commands_exist():
    assert set(IDLE) < set(COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["info", "net.pt"], ["--help"], ["plot", "a.zarr"]])
def test_commands_that_compute_nothing_choose_nothing(busy, arguments):
    environment = {}
    assert choose_waiting(arguments, environment) == ""
    assert not environment


def test_what_the_user_chose_stays(busy):
    environment = {POLICY: "active"}
    assert choose_waiting(["hessian", "net.pt"], environment) == ""
    assert environment == {POLICY: "active"}


@pytest.mark.parametrize(("running", "cores"), [(0.0, 2), (0.1, 2), (6.0, 64)])
def test_a_machine_that_is_free_is_left_alone(monkeypatch, running, cores):
    monkeypatch.setattr(threads, "_running", lambda: running)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    environment = {}
    assert choose_waiting(["hessian", "net.pt"], environment) == ""
    assert not environment


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts running processes")
def test_a_busy_process_is_counted():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        found = [threads._running() for _ in range(20)]
        other.kill()
    assert max(found) >= 1
