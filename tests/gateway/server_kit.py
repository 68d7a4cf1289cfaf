"""A server of its own, in a process of its own, and how to ask it."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import program

PATIENCE_SECONDS = 120.0
_URL = re.compile(r"http://\S+")


class Server:
    """``tolva serve`` over a state folder; started, killed and started again."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.folder = folder
        self._words = words
        self._environment = environment
        self.log: list[str] = []
        self.keys: dict[str, str] = {}

    def start(self) -> None:
        words = ["serve", "--port", "0", "--workers", "1", *self._words]
        self.process = program.start(*words, state=self.folder / "state", cwd=self.folder, **self._environment)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            if "serves on" in line and (found := _URL.search(line)):
                self.url = found.group().rstrip('",}')
                break
        else:
            raise AssertionError("".join(self.log))
        # A full pipe would stop the server.
        self._reader = threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        self.kill()

    def client(self, key: str | None = None) -> Api:
        return Api(self.url, key)


class Api(httpx2.Client):
    """The API as a program sees it."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
        # No TLS here, and reading the machine's certificates would cost most of a client's time.
        super().__init__(base_url=url, headers=headers, timeout=PATIENCE_SECONDS, verify=False)

    def submit(self, document: dict[str, Any], **headers: str) -> str:
        answer = self.post("/api/v1/jobs", json=document, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.get(f"/api/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def wait(self, job_id: str, status: str = "completed") -> dict[str, Any]:
        """Wait until the job is over, and see that it ended so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (job := self.job(job_id))["status"] in ("pending", "wip"):
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
        assert job["status"] == status, job
        return job

    def put_file(self, job_id: str, name: str, content: Any, **headers: str) -> httpx2.Response:
        return self.put(f"/api/v1/jobs/{job_id}/files/{name}", content=content, headers=headers)

    def start_job(self, job_id: str) -> httpx2.Response:
        return self.post(f"/api/v1/jobs/{job_id}/start")

    def answer(self, job_id: str, query: str = "q", format: str = "csv") -> str:  # noqa: A002 - as the document calls it
        return self.get(f"/api/v1/jobs/{job_id}/results/{query}_0001.{format}").text


def question(sql: str = "SELECT count(*) AS n, sum(a) AS s FROM t", **table: Any) -> dict[str, Any]:
    """Return the document of a job with one question over an uploaded table ``t``."""
    return {"kind": "query", "tables": {"t": table}, "queries": {"q": sql}}


def rows(first: int, count: int) -> bytes:
    """Return CSV of two columns, a and b, without a header."""
    return b"".join(b"%d,row %d\n" % (n, n) for n in range(first, first + count))


HEADER = b"a,b\n"

Process = subprocess.Popen[str]
