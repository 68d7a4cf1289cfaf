"""The limits that an operator sets hold, and each says which it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from server_kit import PATIENCE_SECONDS, Server, question

CONNECTIONS = 5


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("limited")
    server = Server(
        folder,
        *("--max-file-bytes", "1KB", "--max-job-bytes", "1.5KB", "--max-job-files", "3"),
        *("--max-client-jobs", "2", "--max-client-connections", str(CONNECTIONS)),
    )
    server.start()
    yield server
    server.close()


def test_files_jobs_and_connections(limited: Server) -> None:
    with limited.client() as api:
        job = api.submit(question())
        large = api.put_file(job, "t/large.csv", b"a,b\n" + b"1,x\n" * 300)
        assert (large.status_code, large.json()["code"]) == (413, "too_large")
        small = api.put_file(job, "t/small.csv", b"a,b\n" + b"1,x\n" * 200)
        assert small.status_code == 201, small.text
        job_full = api.put_file(job, "t/third.csv", b"a,b\n" + b"1,x\n" * 200)
        assert (job_full.status_code, job_full.json()["code"]) == (413, "too_large")
        fourth = api.put_file(job, "t/fourth.csv", b"a,b\n")
        assert (fourth.status_code, fourth.json()["code"]) == (429, "limit")
        api.submit(question())
        refused = api.post("/api/v1/jobs", json=question())
        assert (refused.status_code, refused.json()["code"]) == (429, "limit")
    assert _streams_until_refused(limited, job) in (CONNECTIONS - 1, CONNECTIONS)  # the client above may still count


def _streams_until_refused(server: Server, job: str) -> int:
    """Open event streams of an unfinished job, which last, until one isn't taken; return how many were."""
    host, port = server.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for count in range(CONNECTIONS + 1):
            stream = stack.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS))
            try:
                stream.sendall(f"GET /api/v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                if not stream.recv(1):
                    return count
            except ConnectionError:
                return count
    raise AssertionError("no connection was refused")
