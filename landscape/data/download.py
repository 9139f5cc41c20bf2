"""A file from the network: resumed, limited in size and time, and no more than what was asked for."""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import urlsplit

from landscape.errors import DataError, printable
from landscape.work import Progress

CHUNK = 1 << 16
_SLOWEST = 1 << 10  # bytes a second, over a time-out
_DEADLINE = 12 * 3600.0  # seconds a download may take in all
_SCHEMES = ("http", "https")
_AGAIN = "run it again: the download goes on where it stopped"


def download(
    url: str, stream: IO[bytes], *, largest: int, timeout: float, progress: Progress, begin: bool = False
) -> None:
    """Complete a partial file by what the server has beyond it, or replace it where the server starts over.

    What has arrived is written at once, so that an interruption loses none of it.

    Args:
        url: Address, by http or https; redirects may lead to these alone.
        stream: The partial file, open for reading and writing.
        largest: Bytes that the whole file may have.
        timeout: Seconds without an answer, or at less than 1 KiB/s, after which the download is given up.
        progress: Shows the pieces of the download.
        begin: Start over whatever is there.

    Raises:
        DataError: If the server cannot be reached, answers otherwise, or is too slow or too generous.
        OSError: If the file cannot be written.
    """
    offset = 0 if begin else stream.seek(0, 2)
    with _open(url, offset, timeout) as response:
        resumed = offset > 0 and (response.headers.get("Content-Range") or "").startswith(f"bytes {offset}-")
        start = offset if resumed else 0
        size = _announced(response, url, largest - start)
        stream.seek(start)
        stream.truncate()
        received = _Received(response, url, largest - start, timeout)
        pieces = None if size is None else -(-size // CHUNK)
        for _ in progress(received.into(stream), "download", pieces):
            pass
    if size is not None and received.count < size:
        raise DataError(f"the connection to {url} ended after {received.count:,} of {size:,} bytes; {_AGAIN}")


def _open(url: str, offset: int, timeout: float) -> http.client.HTTPResponse:
    """The server's answer, from `offset` on if it can resume, else from the start."""
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        if urlsplit(url).scheme not in _SCHEMES:
            raise ValueError(f"it is no address that begins with {' or '.join(_SCHEMES)}")
        return _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and offset:
            return _open(url, 0, timeout)  # the partial file is longer than the archive: start again
        reason = printable(" ".join(str(error.reason).split()))
        raise DataError(
            f"the server answered {error.code} {reason} for {url}; try again later, or give another url"
        ) from error
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        reason = printable(" ".join(str(getattr(error, "reason", None) or error).split()))
        raise DataError(
            f"cannot reach {url}: {reason}; check the network, "
            "or download the archive elsewhere and unpack it here"
        ) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https alone."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in _SCHEMES:
            raise urllib.error.URLError(f"it redirects to {newurl}, which is no address on the web")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """One that knows http and https, and neither files nor ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _announced(response: http.client.HTTPResponse, url: str, most: int) -> int | None:
    """How many bytes are to come, None if the server does not say.

    Raises:
        DataError: If what it says is no number, or too many.
    """
    length = response.headers.get("Content-Length")
    if length is None or response.headers.get("Transfer-Encoding"):
        return None
    if not re.fullmatch(r"[0-9]{1,15}", length.strip()):
        raise DataError(f"the server announced a length of {length!r} for {url}; give another url")
    if int(length) > most:
        raise DataError(
            f"{url} announced {int(length):,} bytes, more than the {most:,} that the archive may have; "
            "give another url"
        )
    return int(length)


class _Received:
    """The body of an answer, written as it comes.

    Attributes:
        count: Bytes so far.
    """

    def __init__(self, response: http.client.HTTPResponse, url: str, most: int, timeout: float) -> None:
        self.count = 0
        self._response, self._url, self._most, self._timeout = response, url, most, timeout

    def into(self, stream: IO[bytes]) -> Iterator[None]:
        """Write everything, and yield once a chunk."""
        shown, began = 0, time.monotonic()
        since, before = began, 0
        while data := self._read():
            stream.write(data)
            stream.flush()
            self.count += len(data)
            if self.count > self._most:
                stream.truncate(0)
                raise DataError(
                    f"{self._url} sent more than the {self._most:,} bytes that the archive may have; "
                    "what came was deleted: give another url"
                )
            now = time.monotonic()
            if now - since >= self._timeout:
                if self.count - before < _SLOWEST * self._timeout or now - began > _DEADLINE:
                    pace = f"{self.count:,} bytes in {now - began:.0f} s"
                    raise DataError(f"{self._url} sends too slowly ({pace}); {_AGAIN}")
                since, before = now, self.count
            while shown < self.count // CHUNK:
                shown += 1
                yield
        if self.count % CHUNK:
            yield

    def _read(self) -> bytes:
        try:
            return self._response.read1(CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DataError(
                f"the connection to {self._url} was lost: {printable(error)}; {_AGAIN}"
            ) from error
