"""What only the S3 storage promises: few requests, and patience with a server that is slow or falls silent.

The server is made up, so that it can be as slow as need be. Times are those of the storage, shortened.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from tolva.storages import s3
from tolva.storages.s3 import S3Storage

CONTENT = bytes(range(256)) * 40
PIECES = 12
PAUSE_SECONDS = 0.1
"""Pieces that come so take longer than the storage's patience does here, though nobody waits long for any of them."""
PATIENCE_SECONDS = 1.0


class Slow(ThreadingHTTPServer):
    """An S3 server with one object. It sends ``piece_bytes`` at a time; ``silent_after`` bytes it once falls silent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.piece_bytes = len(CONTENT)
        self.silent_after: int | None = None
        self.asked: list[str] = []
        self.given_up = threading.Event()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Slow

    def do_PUT(self) -> None:
        self.server.asked.append("PUT")
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        first = int(match[1]) if (match := re.match(r"bytes=(\d+)-", wanted)) else 0
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        self.send_header("Content-Length", str(len(CONTENT) - first))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        silent_after, self.server.silent_after = self.server.silent_after, None
        self._send(CONTENT[first:silent_after])
        if silent_after is not None:
            self.server.given_up.wait()

    def _send(self, content: bytes) -> None:
        for start in range(0, len(content), self.server.piece_bytes):
            if start:
                self.server.given_up.wait(PAUSE_SECONDS)
            self.wfile.write(content[start : start + self.server.piece_bytes])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    with Slow() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            monkeypatch.setenv(name, "made-up")
        yield server
        server.given_up.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def shortened(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what makes a time of requests as much shorter as the storage's patience must be to last a second."""

    def shorten(name: str) -> None:
        amount, unit = re.fullmatch(r"(\d+)([smh])", str(dict(s3._CLIENT)[name])).groups()  # type: ignore[union-attr]
        seconds = int(amount) * {"s": 1, "m": 60, "h": 3600}[unit] * PATIENCE_SECONDS / s3._PATIENCE_SECONDS
        monkeypatch.setitem(cast("dict[str, str]", s3._CLIENT), name, f"{1000 * seconds:.0f}ms")

    return shorten


def test_a_small_object_goes_up_in_one_request(server: Slow) -> None:
    assert S3Storage("s3://bucket").put("k", [CONTENT, b"", CONTENT]) == 2 * len(CONTENT)

    assert server.asked == ["PUT"]


def test_a_read_may_take_longer_than_anybody_waits_for_a_server(server: Slow, shortened: Callable[[str], None]) -> None:
    shortened("timeout")
    server.piece_bytes = -(-len(CONTENT) // PIECES)
    storage = S3Storage("s3://bucket", patience_seconds=PATIENCE_SECONDS)

    assert b"".join(storage.stream("k")) == CONTENT

    assert server.asked == [""]


def test_a_read_that_hears_nothing_more_goes_on_with_another_request(
    server: Slow, shortened: Callable[[str], None]
) -> None:
    shortened("read_timeout")
    server.silent_after = 1000

    assert b"".join(S3Storage("s3://bucket").stream("k")) == CONTENT

    assert server.asked[:2] == ["", f"bytes=1000-{len(CONTENT) - 1}"]
