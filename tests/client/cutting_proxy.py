"""A TCP proxy that cuts connections, as networks do."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_BLOCK_BYTES = 16 * 1024


class Way:
    """One of the two ways through the proxy, over all its connections.

    Whenever so many bytes in all have passed this way as the next of ``marks`` says, the connection that carried the
    last of them is cut. Who has more bytes than the highest mark to send therefore meets every cut.
    """

    def __init__(self, marks: list[int]) -> None:
        self.marks = sorted(marks)
        self._passed = 0
        self._lock = threading.Lock()

    def admit(self, length: int) -> tuple[int, bool]:
        """Return how many of ``length`` bytes may pass, and whether the connection is cut after them."""
        with self._lock:
            cut = bool(self.marks) and self._passed + length >= self.marks[0]
            admitted = self.marks.pop(0) - self._passed if cut else length
            self._passed += admitted
            return admitted, cut


class Proxy:
    """Forwards to a server, and cuts connections where ``up`` and ``down`` say."""

    def __init__(self, url: str, up: Way, down: Way) -> None:
        self._to = urlsplit(url)
        self._up, self._down = up, down
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def cuts_left(self) -> int:
        return len(self._up.marks) + len(self._down.marks)

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection((self._to.hostname, self._to.port))
            for source, sink, way in ((near, far, self._up), (far, near, self._down)):
                threading.Thread(target=_forward, args=(source, sink, way), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _forward(source: socket.socket, sink: socket.socket, way: Way) -> None:
    cut = False
    with suppress(OSError):
        while not cut and (block := source.recv(_BLOCK_BYTES)):
            length, cut = way.admit(len(block))
            sink.sendall(block[:length])
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def cutting(url: str, chance: random.Random, *, up: tuple[int, int], down: tuple[int, int]) -> Iterator[Proxy]:
    """Have a proxy inside the block. ``up`` and ``down`` say how many cuts there are within how many first bytes."""
    ways = [Way([chance.randrange(1, within) for _ in range(cuts)]) for cuts, within in (up, down)]
    proxy = Proxy(url, *ways)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
