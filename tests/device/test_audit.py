"""On a second device everything stays where it is: no mixing, no waiting, float64 only where it is meant."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DERIVATIVES = ("gradient", "product", "ggn")
NETWORKS = ("resnet", "attention", "masks")


@pytest.fixture(scope="module")
def audit() -> dict[str, Any]:
    """What went on between the simulated card and its host."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.device.audit"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_card_gives_the_numbers_of_the_cpu(audit, name):
    for what, seen in audit[name]["three"].items():
        assert seen["numbers"] == audit[name]["cpu"][what]["numbers"], what
        assert seen["operations"] > 50


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batches", ["three", "four"])
def test_no_operation_mixes_the_card_with_its_host(audit, name, batches):
    for what, seen in audit[name][batches].items():
        assert seen["strangers"] == {}, what


@pytest.mark.parametrize("name", NETWORKS)
def test_derivatives_wait_for_nothing_and_hold_no_float64(audit, name):
    for what in DERIVATIVES:
        for batches in ("three", "four"):
            seen = audit[name][batches][what]
            assert (seen["waits"], seen["wide"]) == ({}, {}), what


def test_samples_are_on_the_card_once(audit):
    for name in ("resnet", "attention"):
        for what in (*DERIVATIVES, "point", "prediction"):
            assert audit[name]["three"][what]["uploads"] == 0, (name, what)
    # Masks are made on the host, alike for every device; graphs that are kept hold theirs.
    assert audit["masks"]["three"]["gradient"]["uploads"] > 0
    assert audit["masks"]["three"]["product"]["uploads"] == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_a_point_waits_no_oftener_with_more_micro_batches(audit, name):
    few, many = (audit[name][batches]["point"]["waits"] for batches in ("three", "four"))
    assert few == many
    assert sum(few.values()) <= 4  # losses, correct, confidence; the L2 term where there is one


def test_maps_are_fetched_once(audit):
    few, many = (
        audit["resnet"][batches]["features"]["waits"]["copy to the host"] for batches in ("three", "four")
    )
    assert few == many


def test_every_fault_is_seen(audit):
    seen = audit["faults"]
    assert seen["mixes"]["strangers"] == {"aten::add": 1}
    assert seen["a number of the host"]["strangers"] == {}
    assert seen["asks"]["waits"] == {"aten::_local_scalar_dense": 1}
    assert seen["fetches"]["waits"] == {"copy to the host": 1}
    assert seen["chooses"]["waits"] == {"aten::index": 1}
    assert seen["widens"]["wide"] == {"aten::_to_copy": 1}
    assert seen["uploads"]["uploads"] == 16
    for fault in ("waits", "strangers", "wide"):
        assert seen["stays"][fault] == {}
