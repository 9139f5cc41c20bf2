"""Downloads from a server on this machine: whole, cut off, resumed, wrong, and none at all."""

import hashlib
import http.server
import io
import os
import tarfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from landscape.data import fetch as module
from landscape.data.fetch import ARCHIVES, Archive, fetch
from landscape.errors import DataError

PIXELS = np.random.default_rng(0).bytes(300_000)
FILES = {"data_batch_1.bin": PIXELS, "test_batch.bin": PIXELS[:50_000]}


def _pack(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


CONTENT = _pack({f"small-set/{name}": content for name, content in FILES.items()} | {"small-set/a.html": b""})


@pytest.fixture(autouse=True)
def small_archive(monkeypatch):
    """A small archive in the place of CIFAR-10's; its own address leads nowhere."""
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    archive = Archive("http://127.0.0.1:9/nowhere", _md5(CONTENT), "small-set", expected)
    monkeypatch.setitem(ARCHIVES, "cifar10", archive)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves `content`; `stop_after` bytes at most, then the connection breaks."""

    content: bytes
    stop_after: int | None
    ranges: bool
    chunked: bool
    seen: list[str | None]

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.seen.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if start >= len(self.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        body = self.content[start:]
        if self.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.stop_after])

    def log_message(self, *args):
        pass


@contextmanager
def serving(content=CONTENT, *, stop_after=None, ranges=True, chunked=False):
    """The address of a server, and the list of the Range headers it has seen."""
    seen = []
    attributes = {"content": content, "stop_after": stop_after, "ranges": ranges, "chunked": chunked}
    handler = type("Handler", (_Handler,), attributes | {"seen": seen, "protocol_version": "HTTP/1.1"})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        handler.handle = handler.handle_one_request  # one request a connection, so that it can break
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/set.tar.gz", seen
        finally:
            server.shutdown()
            thread.join()


def _part(folder: Path) -> Path:
    return folder / "small-set.tar.gz.part"


def _is_complete(folder: Path) -> bool:
    return all((folder / "small-set" / name).read_bytes() == content for name, content in FILES.items())


def _nothing_else(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["small-set"]


@pytest.mark.parametrize("chunked", [False, True])
def test_whole_download(tmp_path, chunked):
    place = tmp_path / "new" / "place"
    with serving(chunked=chunked) as (url, seen):
        assert fetch("cifar10", place, url=url) == place / "small-set"
    assert seen == [None]
    assert _is_complete(place)
    assert _nothing_else(place)


def test_nothing_is_done_where_it_is_complete(tmp_path):
    with serving() as (url, seen):
        fetch("cifar10", tmp_path, url=url)
        assert fetch("cifar10", tmp_path, url=url) == tmp_path / "small-set"
    assert seen == [None]
    assert fetch("cifar10", tmp_path) == tmp_path / "small-set"  # the server is gone


def test_progress_sees_every_piece(tmp_path):
    calls = []

    def progress(items, label="", total=None):
        pieces = list(items)
        calls.append((total, len(pieces)))
        return pieces

    with serving() as (url, _):
        fetch("cifar10", tmp_path, url=url, progress=progress)
    pieces = -(-len(CONTENT) // module._CHUNK)
    assert calls == [(pieces, pieces)]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_server_killed_half_way_and_a_resumed_download(tmp_path, chunked):
    half = len(CONTENT) // 2
    with (
        serving(stop_after=half, chunked=chunked) as (url, _),
        pytest.raises(DataError, match="run it again: the download goes on where it stopped"),
    ):
        fetch("cifar10", tmp_path, url=url)
    kept = _part(tmp_path).read_bytes()
    assert half - module._CHUNK <= len(kept) <= half
    assert CONTENT.startswith(kept)
    assert not (tmp_path / "small-set").exists()
    with serving() as (url, seen):
        fetch("cifar10", tmp_path, url=url)
    assert seen == [f"bytes={len(kept)}-"]
    assert _is_complete(tmp_path)
    assert _nothing_else(tmp_path)


def test_a_server_that_ignores_ranges_starts_over(tmp_path):
    _part(tmp_path).write_bytes(CONTENT[:1000])
    with serving(ranges=False) as (url, seen):
        fetch("cifar10", tmp_path, url=url)
    assert seen == ["bytes=1000-"]
    assert _is_complete(tmp_path)


def test_a_part_longer_than_the_archive_starts_over(tmp_path):
    _part(tmp_path).write_bytes(CONTENT + b"more")
    with serving() as (url, seen):
        fetch("cifar10", tmp_path, url=url)
    assert seen == [f"bytes={len(CONTENT) + 4}-", None]
    assert _is_complete(tmp_path)


def test_a_complete_part_needs_no_network(tmp_path):
    _part(tmp_path).write_bytes(CONTENT)
    fetch("cifar10", tmp_path)
    assert _is_complete(tmp_path)


def test_wrong_checksum(tmp_path):
    _part(tmp_path).write_bytes(b"x" * 1000)
    message = rf"has the MD5 [0-9a-f]{{32}}, expected {_md5(CONTENT)}; it was deleted: run it again"
    with serving() as (url, _):
        with pytest.raises(DataError, match=message):
            fetch("cifar10", tmp_path, url=url)
        assert not _part(tmp_path).exists()
        fetch("cifar10", tmp_path, url=url)
    assert _is_complete(tmp_path)


def test_wrong_files_in_an_archive_with_the_given_checksum(tmp_path):
    other = _pack({"small-set/test_batch.bin": b"other", "small-set/data_batch_1.bin": PIXELS})
    with (
        serving(other) as (url, _),
        pytest.raises(DataError, match=r"holds wrong or no test_batch\.bin; it was deleted"),
    ):
        fetch("cifar10", tmp_path, url=url, md5=_md5(other))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        _pack({"../outside": b"x"}),
        b"no archive",
        CONTENT[:-2000],
        CONTENT[:5000] + bytes(5000) + CONTENT[10_000:],
    ],
    ids=["escaping path", "no archive", "cut", "damaged"],
)
def test_archives_that_cannot_be_unpacked(tmp_path, content):
    place = tmp_path / "place"
    with (
        serving(content) as (url, _),
        pytest.raises(DataError, match=r"cannot be unpacked: .*; it was deleted|holds wrong or no"),
    ):
        fetch("cifar10", place, url=url, md5=_md5(content))
    assert list(place.iterdir()) == []
    assert list(tmp_path.iterdir()) == [place]


def test_damaged_files_are_replaced_and_others_stay(tmp_path):
    folder = tmp_path / "small-set"
    folder.mkdir()
    (folder / "test_batch.bin").write_bytes(b"damaged")
    (folder / "mine.txt").write_text("mine")
    with serving() as (url, _):
        fetch("cifar10", tmp_path, url=url)
    assert _is_complete(tmp_path)
    assert (folder / "mine.txt").read_text() == "mine"
    assert _nothing_else(tmp_path)


def test_no_network(tmp_path):
    with pytest.raises(
        DataError, match=r"cannot reach http://127\.0\.0\.1:9/nowhere: .*refused.*check the net"
    ):
        fetch("cifar10", tmp_path)


@pytest.mark.parametrize("url", ["nonsense", "ftp2://host/file", "http://127.0.0.1:99999/"])
def test_addresses_that_are_none(tmp_path, url):
    with pytest.raises(DataError, match=f"cannot reach {url}"):
        fetch("cifar10", tmp_path, url=url)


def test_error_of_the_server(tmp_path):
    with (
        serving(b"") as (url, _),
        pytest.raises(DataError, match=r"the server answered 416 .* give another url"),
    ):
        fetch("cifar10", tmp_path, url=url)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_full_disk(tmp_path):
    _part(tmp_path).symlink_to("/dev/full")
    with (
        serving() as (url, _),
        pytest.raises(DataError, match=r"cannot write to .*: No space left on device; free some space"),
    ):
        fetch("cifar10", tmp_path, url=url)


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write to .*file.place: Not a directory"):
        fetch("cifar10", tmp_path / "file" / "place")


def test_unknown_name(tmp_path):
    with pytest.raises(
        DataError, match="unknown data set 'mnist'; these can be downloaded: cifar10, cifar100"
    ):
        fetch("mnist", tmp_path)


def test_sizes_stand_in_where_no_checksum_is_known(tmp_path):
    archive = ARCHIVES["cifar100"]
    (tmp_path / archive.folder).mkdir()
    for name, size in archive.files.items():
        with open(tmp_path / archive.folder / name, "wb") as stream:
            stream.truncate(size)
    assert fetch("cifar100", tmp_path, url="http://127.0.0.1:9/nowhere") == tmp_path / archive.folder
