"""A server on this machine that serves one archive, whole, in pieces, cut off, with and without ranges."""

import hashlib
import http.server
import io
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PIECE = 1 << 16


def packed(files: dict[str, bytes]) -> bytes:
    """A .tar.gz of these files, the same bytes each time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def md5(content: bytes) -> str:
    """What archives are published with."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `content`; `stop_after` bytes at most, then the connection breaks."""

    content: bytes
    stop_after: int | None
    ranges: bool
    chunked: bool
    pause: float
    seen: list[str | None]

    def do_GET(self) -> None:
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
        body = body[: self.stop_after]
        for begin in range(0, len(body), PIECE):
            self.wfile.write(body[begin : begin + PIECE])
            time.sleep(self.pause)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def serving(
    content: bytes,
    *,
    stop_after: int | None = None,
    ranges: bool = True,
    chunked: bool = False,
    pause: float = 0.0,
) -> Iterator[tuple[str, list[str | None]]]:
    """The address of a server, and the list of the Range headers it has seen.

    Args:
        content: What it serves.
        stop_after: Bytes after which connections break.
        ranges: Whether a download is resumed.
        chunked: Whether the length is not said beforehand.
        pause: Seconds after each piece.
    """
    seen: list[str | None] = []
    attributes = {"content": content, "stop_after": stop_after, "ranges": ranges, "chunked": chunked}
    attributes |= {"pause": pause, "seen": seen, "protocol_version": "HTTP/1.1"}
    handler = type("OfThis", (Handler,), attributes)
    with Quiet(("127.0.0.1", 0), handler) as server:
        handler.handle = handler.handle_one_request  # one request a connection, so that it can break
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/set.tar.gz", seen
        finally:
            server.shutdown()
            thread.join()


class Quiet(http.server.ThreadingHTTPServer):
    """Prints nothing when the other side is gone."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""
