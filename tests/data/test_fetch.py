"""Downloads from a server on this machine: whole, cut off, resumed, wrong, and none at all."""

import errno
import hashlib
import http.server
import io
import os
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from landscape.data import fetch as module
from landscape.data.download import CHUNK
from landscape.data.fetch import ARCHIVES, Archive, fetch
from landscape.errors import DataError
from landscape.files import locked

from .server import Handler, md5, packed, serving

PIXELS = np.random.default_rng(0).bytes(300_000)
FILES = {"data_batch_1.bin": PIXELS, "test_batch.bin": PIXELS[:50_000]}


CONTENT = packed(
    {f"small-set/{name}": content for name, content in FILES.items()} | {"small-set/a.html": b""}
)


@pytest.fixture(autouse=True)
def small_archive(monkeypatch):
    """A small archive in the place of CIFAR-10's; its own address leads nowhere."""
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    archive = Archive("http://127.0.0.1:9/nowhere", md5(CONTENT), "small-set", expected)
    monkeypatch.setitem(ARCHIVES, "cifar10", archive)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def _part(folder: Path) -> Path:
    return folder / "small-set.tar.gz.part"


def _is_complete(folder: Path) -> bool:
    return all((folder / "small-set" / name).read_bytes() == content for name, content in FILES.items())


def _nothing_else(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["small-set"]


@pytest.mark.parametrize("chunked", [False, True])
def test_whole_download(tmp_path, chunked):
    place = tmp_path / "new" / "place"
    with serving(CONTENT, chunked=chunked) as (url, seen):
        assert fetch("cifar10", place, url=url) == place / "small-set"
    assert seen == [None]
    assert _is_complete(place)
    assert _nothing_else(place)


def test_nothing_is_done_where_it_is_complete(tmp_path):
    with serving(CONTENT) as (url, seen):
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

    with serving(CONTENT) as (url, _):
        fetch("cifar10", tmp_path, url=url, progress=progress)
    pieces = -(-len(CONTENT) // CHUNK)
    assert calls == [(pieces, pieces)]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_server_killed_half_way_and_a_resumed_download(tmp_path, chunked):
    half = len(CONTENT) // 2
    with (
        serving(CONTENT, stop_after=half, chunked=chunked) as (url, _),
        pytest.raises(DataError, match="run it again: the download goes on where it stopped"),
    ):
        fetch("cifar10", tmp_path, url=url)
    kept = _part(tmp_path).read_bytes()
    assert half - CHUNK <= len(kept) <= half
    assert CONTENT.startswith(kept)
    assert not (tmp_path / "small-set").exists()
    with serving(CONTENT) as (url, seen):
        fetch("cifar10", tmp_path, url=url)
    assert seen == [f"bytes={len(kept)}-"]
    assert _is_complete(tmp_path)
    assert _nothing_else(tmp_path)


def test_a_server_that_ignores_ranges_starts_over(tmp_path):
    _part(tmp_path).write_bytes(CONTENT[:1000])
    with serving(CONTENT, ranges=False) as (url, seen):
        fetch("cifar10", tmp_path, url=url)
    assert seen == ["bytes=1000-"]
    assert _is_complete(tmp_path)


def test_a_part_longer_than_the_archive_starts_over(tmp_path):
    _part(tmp_path).write_bytes(CONTENT + b"more")
    with serving(CONTENT) as (url, seen):
        fetch("cifar10", tmp_path, url=url)
    assert seen == [f"bytes={len(CONTENT) + 4}-", None]
    assert _is_complete(tmp_path)


def test_a_complete_part_needs_no_network(tmp_path):
    _part(tmp_path).write_bytes(CONTENT)
    fetch("cifar10", tmp_path)
    assert _is_complete(tmp_path)


def test_wrong_checksum(tmp_path):
    _part(tmp_path).write_bytes(b"x" * 1000)
    message = rf"has the MD5 [0-9a-f]{{32}}, expected {md5(CONTENT)}; it was deleted: run it again"
    with serving(CONTENT) as (url, _):
        with pytest.raises(DataError, match=message):
            fetch("cifar10", tmp_path, url=url)
        assert not _part(tmp_path).exists()
        fetch("cifar10", tmp_path, url=url)
    assert _is_complete(tmp_path)


def test_wrong_files_in_an_archive_with_the_given_checksum(tmp_path):
    other = packed({"small-set/test_batch.bin": b"other", "small-set/data_batch_1.bin": PIXELS})
    with (
        serving(other) as (url, _),
        pytest.raises(DataError, match=r"holds wrong or no test_batch\.bin; it was deleted"),
    ):
        fetch("cifar10", tmp_path, url=url, md5=md5(other))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        packed({"../outside": b"x"}),
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
        fetch("cifar10", place, url=url, md5=md5(content))
    assert list(place.iterdir()) == []
    assert list(tmp_path.iterdir()) == [place]


def test_damaged_files_are_replaced_and_others_stay(tmp_path):
    folder = tmp_path / "small-set"
    folder.mkdir()
    (folder / "test_batch.bin").write_bytes(b"damaged")
    (folder / "mine.txt").write_text("mine")
    with serving(CONTENT) as (url, _):
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


def test_full_disk(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "download", full)
    with pytest.raises(DataError, match=r"cannot write to .*: No space left on device; free some space"):
        fetch("cifar10", tmp_path)


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write to .*file.place: Not a directory"):
        fetch("cifar10", tmp_path / "file" / "place")


def test_what_kills_left_goes_with_the_next_call(tmp_path):
    with serving(CONTENT) as (url, _):
        fetch("cifar10", tmp_path, url=url)
        (tmp_path / ".small-set.abcdefgh").mkdir()  # killed while it unpacked
        _part(tmp_path).write_bytes(CONTENT)  # killed before the archive was deleted
        fetch("cifar10", tmp_path, url=url)
    assert _is_complete(tmp_path)
    assert _nothing_else(tmp_path)


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


def test_a_part_that_is_a_link_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    place = tmp_path / "place"
    place.mkdir()
    _part(place).symlink_to(victim)
    with serving(CONTENT) as (url, _):
        fetch("cifar10", place, url=url)
    assert victim.read_text() == "precious"
    assert _is_complete(place)


def test_two_at_once_both_end_well(tmp_path):
    # The first is in the middle of its download.
    with serving(CONTENT) as (url, seen), open(_part(tmp_path), "wb") as held:
        assert locked(held)
        held.write(CONTENT[:1000])
        held.flush()
        fetch("cifar10", tmp_path, url=url)
        assert _part(tmp_path).read_bytes() == CONTENT[:1000]
    assert seen == [None]
    assert _is_complete(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_no_full_disk(tmp_path):
    (tmp_path / "small-set").write_text("mine")
    with pytest.raises(DataError, match="small-set is in the way: it is no folder"):
        fetch("cifar10", tmp_path)


def test_what_is_too_large_is_refused_and_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", 10_000)
    with serving(CONTENT) as (url, _), pytest.raises(DataError, match=r"announced [0-9,]+ bytes, more than"):
        fetch("cifar10", tmp_path, url=url)
    with (
        serving(CONTENT, chunked=True) as (url, _),
        pytest.raises(DataError, match=r"sent more than the 10,000 bytes"),
    ):
        fetch("cifar10", tmp_path, url=url)
    assert list(tmp_path.iterdir()) == []


class _Answers(Handler):
    """Sends `answer` as it is, then a byte at a time."""

    answer: bytes
    drip: int

    def do_GET(self):
        self.wfile.write(self.answer)
        for _ in range(self.drip):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "drip", "message"),
    [
        (
            b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
            0,
            "Redirection to url 'file:///etc/passwd' is not allowed",
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://host/x\r\n\r\n", 0, "redirects to ftp://host/x"),
        (b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", 0, "answered 302 .*infinite loop"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", 0, "announced a length of '-5'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n", 0, "announced a length of '²'"),
        (b"no answer\r\n\r\n", 0, "cannot reach"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 0, "cannot reach .*line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", 40, "sends too slowly .*run it again"),
    ],
)
def test_answers_of_a_bad_server(tmp_path, monkeypatch, answer, drip, message):
    monkeypatch.setattr(module, "_TIMEOUT", 0.5)
    handler = type("Handler", (_Answers,), {"answer": answer, "drip": drip, "protocol_version": "HTTP/1.1"})
    handler.handle = handler.handle_one_request
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            with pytest.raises(DataError, match=message) as caught:
                fetch("cifar10", tmp_path, url=f"http://127.0.0.1:{server.server_address[1]}/x")
        finally:
            server.shutdown()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "data:,hello", "javascript:alert(1)", "http://[::1/"])
def test_addresses_that_are_not_on_the_web(tmp_path, url):
    with pytest.raises(DataError, match="cannot reach"):
        fetch("cifar10", tmp_path, url=url)


def _tar(*entries: tuple[str, bytes, str]) -> bytes:
    """Entries of a name, a type and what they link to, behind the files of the data set."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, kind, link in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, link
            tar.addfile(entry)
        for name, content in FILES.items():
            entry = tarfile.TarInfo(f"small-set/{name}")
            entry.size, entry.mode = len(content), 0o4777
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize(
    "entry",
    [
        ("../outside", tarfile.REGTYPE, ""),
        ("/tmp/landscape-outside", tarfile.REGTYPE, ""),
        ("small-set/link", tarfile.SYMTYPE, "/etc/passwd"),
        ("small-set/hard", tarfile.LNKTYPE, "../../etc/passwd"),
        ("small-set/device", tarfile.CHRTYPE, ""),
        ("small-set/pipe", tarfile.FIFOTYPE, ""),
        ("small-set", tarfile.SYMTYPE, "/tmp"),
    ],
)
def test_only_the_files_of_the_data_set_leave_the_archive(tmp_path, entry):
    content = _tar(entry)
    with serving(content) as (url, _):
        fetch("cifar10", tmp_path / "place", url=url, md5=md5(content))
    assert sorted(path.name for path in (tmp_path / "place" / "small-set").iterdir()) == sorted(FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert not any(path.stat().st_mode & 0o4000 for path in (tmp_path / "place" / "small-set").iterdir())


def test_a_file_that_unpacks_to_more_than_a_data_set_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST_FILE", 100_000)
    with (
        serving(CONTENT) as (url, _),
        pytest.raises(DataError, match="beyond what a data set holds; it was"),
    ):
        fetch("cifar10", tmp_path, url=url)
