"""Load on a server: is it still quick for others, and does its memory stay flat? ``python -m benchmarks load``.

While big query jobs keep the workers busy, 200 event streams are open, 20 clients upload without a pause, and 50 have
stalled in the middle of an upload. Then one client has 10,000 tasks in the queue, and another comes with one small job.
"""

from __future__ import annotations

import multiprocessing
import selectors
import shutil
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import yaml

from benchmarks.measure import table
from benchmarks.serving import TOLVA, served
from tolva.coffee import four_questions
from tolva.coffee.generate import generate

_STREAMS = 200
_UPLOADS = 20
_STALLED = 50
_SECONDS = 20.0
_FILE = b"a,b\n" + b"12345,some text that is like many others\n" * 100_000
_LOOK_SECONDS = 0.02
_TASKS = 10_000
_CHUNK_BYTES = 4096
_LINE_BYTES = 32
_LINES = _TASKS * _CHUNK_BYTES // _LINE_BYTES
_SMALL_JOBS = 20


def crowd(work: Path, *, transactions: int) -> str:
    """Return what ``/healthz`` took, and how the server's memory grew, without and with the crowd."""
    data = work / f"coffee-{transactions}"
    generate(data, transactions=transactions)
    state = work / "server-load"
    shutil.rmtree(state, ignore_errors=True)
    with (
        served(state, "--data", str(data)) as (url, pid),
        httpx2.Client(base_url=url, timeout=60) as api,
    ):
        server = psutil.Process(pid)
        _ended(api, _submit(api, {"kind": "query", "queries": {"q": "SELECT 1 AS a"}}))
        rows = [_row("nobody", server, _health(url, _SECONDS / 4))]
        before = server.memory_info().rss
        with _busy(api), _streams(url, api), _stalled(url, api), _uploads(url, api) as uploaded:
            rows.append(_row("the crowd", server, _health(url, _SECONDS)))
            peak = server.memory_info().rss
        rows[-1].append(f"+{(peak - before) / 2**20:,.0f} MB, {uploaded[0]} files taken in")
    rows[0].append("")
    return table(["who is there", "/healthz median, ms", "p99, ms", "server's memory", "growth"], rows)


def queue(work: Path) -> str:
    """Return how long one client's small job takes beside another's 10,000 queued tasks."""
    data = work / "many"
    data.mkdir(exist_ok=True)
    (data / "numbers.csv").write_text("a\n" + "".join(f"{number:0{_LINE_BYTES - 1}}\n" for number in range(_LINES)))
    state = work / "server-queue"
    shutil.rmtree(state, ignore_errors=True)
    keys = {name: _key(state, name, role) for name, role in (("many", "admin"), ("one", "client"))}
    with (
        served(state, "--data", str(data), "--require-keys", "--chunk", str(_CHUNK_BYTES)) as (url, _),
        httpx2.Client(base_url=url, headers=keys["many"], timeout=120) as many,
        httpx2.Client(base_url=url, headers=keys["one"] | {"Prefer": "wait=60"}, timeout=120) as one,
    ):
        one.post("/api/v1/add/1/2")
        job = _submit(
            many,
            {
                "kind": "query",
                "tables": {"t": {"files": "numbers.csv", "columns": {"a": "INTEGER"}}},
                "queries": {"q": "SELECT count(*) AS n, sum(a) AS s FROM t"},
            },
        )
        while _tasks(many, job)[0] < _TASKS:
            time.sleep(0.1)
        seconds, left = [], []
        for _ in range(_SMALL_JOBS):
            began = time.perf_counter()
            assert one.post("/api/v1/add/1/2").json()["status"] == "completed"
            seconds.append(time.perf_counter() - began)
            created, done = _tasks(many, job)
            left.append(created - done)
        assert _ended(many, job)["status"] == "completed"
        assert many.get(f"/api/v1/jobs/{job}/results/q_0001.csv").text.split() == [
            "n,s",
            f"{_LINES},{sum(range(_LINES))}",
        ]
    return table(
        ["small jobs of one client", "tasks of the other still waiting", "median, ms", "longest, ms"],
        [
            [
                str(_SMALL_JOBS),
                f"{left[0]:,} to {left[-1]:,}",
                f"{1000 * statistics.median(seconds):.0f}",
                f"{1000 * max(seconds):.0f}",
            ]
        ],
    )


def _row(who: str, server: psutil.Process, seconds: list[float]) -> list[str]:
    p99 = statistics.quantiles(seconds, n=100)[-1]
    memory = server.memory_info().rss / 2**20
    return [who, f"{1000 * statistics.median(seconds):.1f}", f"{1000 * p99:.1f}", f"{memory:,.0f} MB"]


def _health(url: str, for_seconds: float) -> list[float]:
    """Ask for ``/healthz`` again and again; return how long each answer took."""
    # From a process of its own: the crowd's threads in this one would make it wait.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as asker:
        return asker.submit(_ask_health, url, for_seconds).result()


def _ask_health(url: str, for_seconds: float) -> list[float]:
    seconds = []
    with httpx2.Client(base_url=url, timeout=30) as api:
        until = time.monotonic() + for_seconds
        while time.monotonic() < until:
            began = time.perf_counter()
            assert api.get("/healthz").status_code == 200
            seconds.append(time.perf_counter() - began)
            time.sleep(_LOOK_SECONDS)
    return seconds


@contextmanager
def _busy(api: httpx2.Client) -> Iterator[None]:
    """Keep the workers busy with big queries over the server's files."""
    document = yaml.safe_load(four_questions())
    jobs = [_submit(api, document) for _ in range(4)]
    while api.get(f"/api/v1/jobs/{jobs[0]}").json()["progress"]["bytes_done"] == 0:
        time.sleep(0.1)
    try:
        yield
    finally:
        for job in jobs:
            api.post(f"/api/v1/jobs/{job}/cancel")


@contextmanager
def _streams(url: str, api: httpx2.Client) -> Iterator[None]:
    """Follow the newest of the jobs over many connections, reading whatever comes."""
    job = api.get("/api/v1/jobs", params={"limit": "1"}).json()["jobs"][0]["id"]
    over = threading.Event()
    with ExitStack() as open_ones, selectors.DefaultSelector() as ready:
        for _ in range(_STREAMS):
            stream = open_ones.enter_context(_connect(url))
            stream.sendall(f"GET /api/v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            ready.register(stream, selectors.EVENT_READ)

        def read() -> None:
            while not over.is_set():
                for key, _ in ready.select(0.1):
                    held: Any = key.fileobj
                    if not held.recv(65536):
                        ready.unregister(held)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            over.set()
            reader.join()


@contextmanager
def _stalled(url: str, api: httpx2.Client) -> Iterator[None]:
    """Begin uploads that don't go on."""
    job = _submit(api, _asking())
    with ExitStack() as open_ones:
        for number in range(_STALLED):
            stream = open_ones.enter_context(_connect(url))
            place = f"/api/v1/jobs/{job}/files/t/{number}.csv"
            stream.sendall(
                f"PUT {place} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\na,b\n1".encode()
            )
        yield


@contextmanager
def _uploads(url: str, api: httpx2.Client) -> Iterator[list[int]]:
    """Upload files one after the other in many threads; yield how many were taken in."""
    job = _submit(api, _asking())
    over = threading.Event()
    count = [0]

    def send(sender: int) -> None:
        with httpx2.Client(base_url=url, timeout=120) as own:
            number = 0
            while not over.is_set():
                number += 1
                answer = own.put(f"/api/v1/jobs/{job}/files/t/{sender}-{number}.csv", content=_FILE)
                assert answer.status_code == 201, answer.text
                count[0] += 1

    senders = [threading.Thread(target=send, args=(number,)) for number in range(_UPLOADS)]
    for each in senders:
        each.start()
    try:
        yield count
    finally:
        over.set()
        for each in senders:
            each.join()


def _asking() -> dict[str, Any]:
    return {"kind": "query", "tables": {"t": {}}, "queries": {"q": "SELECT sum(a) AS s FROM t"}}


def _connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname, place.port))


def _submit(api: httpx2.Client, document: dict[str, Any]) -> str:
    answer = api.post("/api/v1/jobs", json=document)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _ended(api: httpx2.Client, job: str) -> dict[str, Any]:
    while (now := api.get(f"/api/v1/jobs/{job}").json())["status"] in ("pending", "wip"):
        time.sleep(0.1)
    found: dict[str, Any] = now
    return found


def _tasks(api: httpx2.Client, job: str) -> tuple[int, int]:
    stages = api.get(f"/api/v1/jobs/{job}").json()["progress"]["stages"]
    return sum(each["tasks_created"] for each in stages), sum(each["tasks_done"] for each in stages)


def _key(state: Path, client: str, role: str) -> dict[str, str]:
    command = [str(TOLVA), "keys", "add", client, "--role", role, "--state", str(state)]
    key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return {"Authorization": f"Bearer {key}"}
