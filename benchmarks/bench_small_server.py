"""A big dirty file sent to a small server: the memory of all its processes, and how long /healthz takes meanwhile."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import yaml

from benchmarks.measure import table, tree_bytes
from tolva.client import Client
from tolva.clients.generate import generate

MEMORY = "256MB"
_EVERY_SECONDS = 0.05


def measure(work: Path, *, rows: int, dirty: float = 0.2) -> str:
    """Return the server's peak memory and slowest answer while it takes in and works on a client file."""
    folder, state = work / f"clients-{rows}", work / "small-server"
    if not folder.exists():
        generate(folder, rows=rows, dirty=dirty, seed=0)
    document = yaml.safe_load((folder / "clients.yaml").read_text())
    del document["files"]  # they are sent
    tolva = Path(sys.executable).with_name("tolva")
    command = [str(tolva), "serve", "--port", "0", "--state", str(state), "--memory", MEMORY]
    server = psutil.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        host, port = _address(server)
        watch = _Watch(server, host, port)
        watch.start()
        began = time.perf_counter()
        with Client(f"http://{host}:{port}") as client:
            job = client.submit(document)
            job.upload("clientes", folder / "clients.dat")
            job.start()
            job.wait()
            rejected = job.rejects()
        seconds = time.perf_counter() - began
        watch.stop()
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(state, ignore_errors=True)
    size = (folder / "clients.dat").stat().st_size
    told = [f"{rows:,} lines, {size / 2**20:,.0f} MB, {rejected:,} rejected", f"{seconds:.0f} s"]
    told += [f"{watch.peak_bytes / 2**20:,.0f} MB", f"{watch.slowest_seconds * 1000:.0f} ms of {watch.asked:,}"]
    return table(["input", "took", f"peak of all processes ({MEMORY})", "slowest /healthz"], [told])


def _address(server: psutil.Popen) -> tuple[str, int]:
    for line in server.stderr:
        found = re.search(r"http://([^:/]+):(\d+)", line)
        if found:
            # What is logged later is of no interest, but a full pipe would stop the server.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return found[1], int(found[2])
    raise RuntimeError("The server ended before it served.")


class _Watch(threading.Thread):
    """Asks /healthz over one connection and sums up memory, in turn, until it is stopped."""

    def __init__(self, server: psutil.Popen, host: str, port: int) -> None:
        super().__init__(name="watch", daemon=True)
        self._server = server
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        self._ended = threading.Event()
        self.peak_bytes = 0
        self.slowest_seconds = 0.0
        self.asked = 0

    def run(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            began = time.perf_counter()
            self._connection.request("GET", "/healthz")
            answer = self._connection.getresponse()
            answer.read()
            self.slowest_seconds = max(self.slowest_seconds, time.perf_counter() - began)
            assert answer.status == http.HTTPStatus.OK, answer.status
            self.asked += 1
            self.peak_bytes = max(self.peak_bytes, tree_bytes(self._server))

    def stop(self) -> None:
        self._ended.set()
        self.join()
