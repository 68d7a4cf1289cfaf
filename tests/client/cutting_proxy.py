"""A TCP proxy that cuts connections after random numbers of bytes, as networks do."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_BLOCK_BYTES = 16 * 1024


class Proxy:
    """Forwards to a server. Of the first ``cuts`` connections each is cut somewhere; later ones are left alone."""

    def __init__(self, url: str, chance: random.Random, cuts: int, most_bytes: int) -> None:
        self._to = urlsplit(url)
        self._chance = chance
        self._most_bytes = most_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.left = cuts
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection((self._to.hostname, self._to.port))
            cut = self.left > 0
            self.left -= cut
            for source, sink in ((near, far), (far, near)):
                budget = self._chance.randrange(self._most_bytes) if cut else None
                threading.Thread(target=_forward, args=(source, sink, budget), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _forward(source: socket.socket, sink: socket.socket, budget: int | None) -> None:
    with suppress(OSError):
        while block := source.recv(_BLOCK_BYTES):
            if budget is not None and len(block) > budget:
                sink.sendall(block[:budget])
                break
            budget = None if budget is None else budget - len(block)
            sink.sendall(block)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def cutting(url: str, chance: random.Random, *, cuts: int, most_bytes: int) -> Iterator[Proxy]:
    """Have a proxy inside the block."""
    proxy = Proxy(url, chance, cuts, most_bytes)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
