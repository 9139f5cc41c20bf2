"""Beside other work the threads of a command sleep while they wait, and it says so."""

import os

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


@pytest.mark.parametrize(
    ("text", "others"),
    [("0.50 0.40 0.30 4/123 999\n", 3), ("0.00 0.00 0.00 1/80 5\n", 0), ("0.50 0.40", 0), ("a b c d e", 0)],
)
def test_others_are_those_that_linux_counts_but_this_one(text, others, tmp_path):
    table = tmp_path / "loadavg"
    table.write_text(text, encoding="ascii")
    assert threads._running(table) == others
    assert threads._running(tmp_path / "none") == 0


def test_options_before_the_command_change_nothing(busy):
    environment = {}
    assert choose_waiting(["--debug", "hessian", "net.pt"], environment)
    assert choose_waiting(["--debug", "plot", "a.zarr"], {}) == ""
