"""The server is killed with SIGKILL at random moments under mixed load: every accepted job ends right, once.

Clients do what clients should: they repeat what wasn't answered, with the same Idempotency-Key.
"""

from __future__ import annotations

import gzip
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from server_kit import HEADER, Api, Server, question, rows

KILLS = int(os.environ.get("TOLVA_SERVER_KILLS", "3"))
SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
LOADS = 3
KILLS_A_BREATH = 10
LIVE = ("pending", "wip")
PATIENCE_SECONDS = 300.0


class Load(threading.Thread):
    """One client: submits jobs of all sorts, one after the other, and sees that each answer is right."""

    def __init__(self, server: Server, number: int, stop: threading.Event) -> None:
        super().__init__()
        self._server = server
        self._number = number
        self._stop_asked = stop
        self._chance = random.Random(SEED + number)
        self.jobs: list[str] = []
        self.forgotten: set[str] = set()
        self.done = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                self._chance.choice([self.add, self.upload, self.files])()
                self.done += 1
        except BaseException as error:  # noqa: BLE001 - the test's own thread tells of it
            self.error = error

    def add(self) -> None:
        sql = f"SELECT {len(self.jobs)} + 1 AS n"
        job = self._submit({"kind": "query", "queries": {"q": sql}})
        assert self._answer(job) == f"n\n{len(self.jobs)}\n"

    def files(self) -> None:
        document = {"kind": "query", "tables": {"t": {"files": "*.csv"}}, "queries": {"q": "SELECT sum(a) AS s FROM t"}}
        job = self._submit(document)
        assert self._answer(job) == "s\n6\n"

    def upload(self) -> None:
        job = self._submit(question(columns={"a": "BIGINT", "b": "VARCHAR"}))
        count, total = 0, 0
        files: dict[str, bytes] = {}
        for n in range(self._chance.randint(1, 3)):
            size = self._chance.choice([0, 10, 20_000])
            content = HEADER + rows(n * 100_000, size)
            files[f"{n}.csv"] = gzip.compress(content, mtime=0) if self._chance.random() < 0.3 else content
            count, total = count + size, total + sum(range(n * 100_000, n * 100_000 + size))
        self._chance.choice([self._put, self._resume])(job, files)
        self._insist(lambda api: api.start_job(job), {202})
        assert self._answer(job) == (f"n,s\n{count},{total}\n" if count else "n,s\n0,\n")
        if self._chance.random() < 0.5:
            # Not found: the request that was killed had done it.
            self._insist(lambda api: api.delete(f"/api/v1/jobs/{job}"), {204, 404})
            self.forgotten.add(job)

    def _put(self, job: str, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            self._insist(lambda api, n=name, content=content: api.put_file(job, f"t/{n}", content), {200, 201})

    def _resume(self, job: str, files: dict[str, bytes]) -> None:
        """Announce the files together, and send each by some requests that go on where the server is."""
        said = {"files": [{"table": "t", "name": name, "bytes": len(content)} for name, content in files.items()]}
        told = self._insist(lambda api: api.post(f"/api/v1/jobs/{job}/files", json=said), {201}).json()["files"]
        assert [upload["name"] for upload in told] == list(files)
        for upload, content in zip(told, files.values(), strict=True):
            place = f"/api/v1/jobs/{job}/tus/{upload['id']}"
            most = self._chance.choice([len(content), len(content) // 3 + 1])
            reached = -1
            while reached < len(content):
                append = partial(_append, place=place, content=content, most=most)
                reached = int(self._insist(append, {204}).headers["upload-offset"])

    def _submit(self, document: dict[str, Any]) -> str:
        key = {"Idempotency-Key": f"{self._number}-{len(self.jobs)}"}
        made = self._insist(lambda api: api.post("/api/v1/jobs", json=document, headers=key), {202})
        self.jobs.append(str(made.json()["id"]))
        return self.jobs[-1]

    def _answer(self, job: str) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self._insist(lambda api: api.get(f"/api/v1/jobs/{job}"), {200}).json())["status"] in LIVE:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        assert found["status"] == "completed", found["error"]
        return self._insist(lambda api: api.get(f"/api/v1/jobs/{job}/results/q_0001.csv"), {200}).text

    def _insist(self, ask: Callable[[Api], httpx2.Response], wanted: set[int]) -> httpx2.Response:
        """Ask until the server answers; a file that the killed request was at may be busy for a moment."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self._server.client() as api:
                    answer = ask(api)
            except httpx2.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
                continue
            if answer.status_code in wanted:
                return answer
            assert answer.status_code in (409, 503), answer.text
            assert time.monotonic() < deadline, answer.text


def _append(api: Api, place: str, content: bytes, most: int) -> httpx2.Response:
    """Send the next bytes of a file, at most so many, from where the server is."""
    version = {"Tus-Resumable": "1.0.0"}
    found = api.head(place, headers=version)
    if found.is_error:
        return found
    offset = int(found.headers["upload-offset"])
    headers = version | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return api.patch(place, content=content[offset : offset + most], headers=headers)


def _undisturbed(server: Server) -> float:
    """Return how long one job of each sort takes together."""
    load = Load(server, LOADS, threading.Event())
    began = time.monotonic()
    for work in (load.add, load.files, load.upload):
        work()
    with server.client() as api:
        for job in load.jobs:
            api.delete(f"/api/v1/jobs/{job}")
    return time.monotonic() - began


def _all_jobs(api: Api) -> Iterator[str]:
    url = "/api/v1/jobs?limit=1000"
    while url:
        answer = api.get(url)
        yield from (job["id"] for job in answer.json()["jobs"])
        url = answer.links.get("next", {}).get("url", "")


def _breathe(loads: list[Load]) -> None:
    """Let every client get one job done: on a busy machine kills could come faster than any job can end."""
    before = [load.done for load in loads]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(load.done == done and load.error is None for load, done in zip(loads, before, strict=True)):
        assert time.monotonic() < deadline, "no job ends, though nothing is killed"
        time.sleep(0.05)


def _wait_until_gone(server: Server, jobs: set[str]) -> None:
    """Wait until nothing is stored of these jobs."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := jobs & {path.name for path in (server.folder / "state" / "storage" / "jobs").glob("*")}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_killed_at_random_moments(tmp_path: Path) -> None:
    print(f"TOLVA_SEED={SEED} TOLVA_SERVER_KILLS={KILLS}")
    chance = random.Random(SEED)
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_bytes(b"a,b\n1,x\n2,y\n")
    (data / "b.csv").write_bytes(b"a,b\n3,z\n")
    server = Server(tmp_path, "--data", str(data))
    server.start()
    stop = threading.Event()
    seconds = _undisturbed(server)
    loads = [Load(server, number, stop) for number in range(LOADS)]
    for load in loads:
        load.start()
    for number in range(KILLS):
        if number % KILLS_A_BREATH == 0:
            _breathe(loads)
        if any(load.error for load in loads):
            break
        stop.wait(chance.uniform(0.05, 1.5) * seconds)
        server.kill()
        server.start()
    stop.set()
    for load in loads:
        load.join()
    try:
        for load in loads:
            if load.error is not None:
                raise load.error
        accepted = [job for load in loads for job in load.jobs]
        forgotten = {job for load in loads for job in load.forgotten}
        with server.client() as api:
            there = list(_all_jobs(api))
        assert sorted(there) == sorted(set(accepted) - forgotten)
        _wait_until_gone(server, forgotten)
        print(f"{len(accepted)} jobs, {len(forgotten)} of them deleted")
    finally:
        server.close()
