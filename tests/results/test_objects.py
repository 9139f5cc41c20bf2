"""Runs that workers share in an object store: in memory, and on an S3 server of this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pytest

from landscape.errors import ResultError
from landscape.leases import Lease
from landscape.results.joined import Joined
from landscape.results.objects import ObjectShelf
from landscape.work import Item
from tests.results.test_joined import together
from tests.results.test_journal import ROOT, assert_identical, item, stopping

RUN = "ab" * 32


@pytest.fixture
def memory() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield "memory://bucket/prefix"
    files.store.clear()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 server with a bucket; its address is in the environment."""
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    values = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "no_proxy": "127.0.0.1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
        yield "s3://bucket/prefix"
    running.stop()


@pytest.fixture
def files(tmp_path_factory) -> str:
    """A folder that is not there yet."""
    return str(tmp_path_factory.mktemp("store") / "new" / "prefix")


@pytest.fixture(params=["memory", "server", "files"])
def url(request: pytest.FixtureRequest) -> str:
    return f"{request.getfixturevalue(request.param)}/{request.node.name}"


def joined(place: Path, url: str, about: str = "cpu") -> Joined:
    return Joined(place, {"seed": 1}, {"device": about}, partial(ObjectShelf, url))


def test_an_item_is_one_object_written_once(url: str, tmp_path: Path):
    with joined(tmp_path / "s.zarr", url) as journal:
        found = journal.runner()(3, item, "trace")
    assert_identical(found, [item(index) for index in range(3)])
    files, root = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    names = [path for path in files.find(root) if "/items/" in path]
    assert len(names) == 3
    with joined(tmp_path / "s.zarr", url) as journal:
        assert_identical(journal.runner()(3, stopping(0), "trace"), found)
    assert not list(tmp_path.iterdir())


def test_workers_share_the_items(url: str, tmp_path: Path):
    computed: list[int] = []

    def compute(index: int) -> Item:
        computed.append(index)
        time.sleep(0.02)
        return item(index)

    def worker(number: int):
        def work():
            with joined(tmp_path / f"{number}.zarr", url) as journal:
                return journal.runner()(24, compute, "surface")

        return work

    for each in together([worker(number) for number in range(2)]):
        assert_identical(each, [item(index) for index in range(24)])
    assert set(computed) == set(range(24))
    assert len(computed) < 40  # on a busy machine some are late


def test_a_number_is_claimed_once(url: str):
    first, second = ObjectShelf(url, RUN), ObjectShelf(url, RUN)
    assert first.lease("trace", 0) is None
    claimed = together(
        [partial(each.claim, "trace", 0, Lease(each.worker, 0, 1)) for each in (first, second)]
    )
    assert sorted(claimed) == [False, True]
    assert first.lease("trace", 0) == second.lease("trace", 0)
    # Nor does it depend on a look beforehand.
    with pytest.raises(FileExistsError):
        second._put(f"leases/{second._name('trace')}/0", b"", new=True)


def test_a_damaged_object_is_computed_again(memory: str, tmp_path: Path):
    with joined(tmp_path / "s.zarr", memory) as journal:
        journal.runner()(2, item, "trace")
    files, root = fsspec.core.url_to_fs(memory)
    path = sorted(path for path in files.find(root) if "/items/" in path)[1]
    files.pipe_file(path, files.cat_file(path)[:-3] + b"bad")
    computed: list[int] = []
    with joined(tmp_path / "s.zarr", memory) as journal:
        found = journal.runner()(2, lambda i: computed.append(i) or item(i), "trace")
    assert computed == [1]
    assert_identical(found, [item(0), item(1)])


def test_a_store_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ResultError, match=r"nonsense://bucket cannot be reached: .*nonsense"):
        joined(tmp_path / "s.zarr", "nonsense://bucket").runner()


SCRIPT = """
import sys, time
from functools import partial
import numpy as np
from landscape.results.joined import Joined
from landscape.results.objects import ObjectShelf
def compute(index):
    time.sleep(0.05)
    return {"values": np.random.default_rng(index).normal(size=100)}
with Joined("s.zarr", {"seed": 1}, {"device": "cpu"}, partial(ObjectShelf, sys.argv[1])) as journal:
    journal.runner()(40, compute, "spectrum")
"""


def test_a_killed_worker_is_replaced(server: str, tmp_path: Path):
    url = f"{server}/killed"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url], cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    files, root = fsspec.core.url_to_fs(url)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        files.invalidate_cache()
        if len([path for path in files.find(root) if "/items/" in path]) >= 5:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    computed: list[int] = []

    def compute(index: int) -> Item:
        computed.append(index)
        return {"values": np.random.default_rng(index).normal(size=100)}

    with joined(tmp_path / "s.zarr", url) as journal:
        found = journal.runner()(40, compute, "spectrum")
    assert_identical(found, [{"values": np.random.default_rng(i).normal(size=100)} for i in range(40)])
    assert len(computed) <= 35
