"""Requests and files that want to do harm: each gets a clear answer, and the server goes on as before."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from server_kit import HEADER, PATIENCE_SECONDS, Api, Server, question, rows


@pytest.fixture(autouse=True)
def _unharmed(server: Server) -> Iterator[None]:
    yield
    with server.client() as api:
        assert api.get("/readyz").status_code == 200
        answer = api.post("/api/v1/add/1/2", headers={"Prefer": "wait=30"})
        assert answer.json()["status"] == "completed"


@pytest.mark.parametrize(
    "name",
    ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%00b", "%0d%0aX: y", "x" * 300, "%ff%fe", "C:%5Cx", "%2e%2e"],
)
def test_names_are_labels(server: Server, api: Api, name: str) -> None:
    before = sorted(path.name for path in server.folder.iterdir())
    job = api.submit(question())
    answer = api.put_file(job, f"t/{name}", HEADER + rows(0, 3))
    assert answer.status_code in (201, 404, 405, 422), answer.text
    for file in api.get(f"/api/v1/jobs/{job}/files").json()["files"]:
        assert file["ended"]
    assert sorted(path.name for path in server.folder.iterdir()) == before
    api.delete(f"/api/v1/jobs/{job}")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000,
        json.dumps({"kind": "query", "queries": {f"q{n}": 1 for n in range(10_000)}}).encode(),
        json.dumps({"kind": "query", "queries": {"q": "SELECT 1"}, "labels": {"x": "y" * 2**20}}).encode(),
        b'{"kind": "query", "queries": {"q": 1e999999999}}',
        b'{"kind": "query", "queries": {"\\ud800": "SELECT 1"}}',
        b'{"kind": ' + b"9" * 100_000 + b"}",
    ],
    ids=["arrays", "objects", "many", "large", "number", "surrogate", "digits"],
)
def test_documents_that_are_bombs(api: Api, body: bytes) -> None:
    answer = api.post("/api/v1/jobs", content=body)
    assert answer.status_code in (413, 422), answer.text[:200]
    assert answer.headers["content-type"] == "application/problem+json"


def test_yaml_that_refers_to_itself(api: Api) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join(['*' + old] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    answer = api.post("/api/v1/jobs", content="\n".join([*lines, "kind: query"]), headers={"Content-Type": "text/yaml"})
    assert (answer.status_code, answer.json()["code"]) == (422, "document")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00" + bytes(200),
    ],
    ids=["headers", "path", "header", "negative", "both lengths", "tls"],
)
def test_heads_that_are_none(server: Server, head: bytes) -> None:
    assert _told(server, head).split(b" ")[1][:1] == b"4"


def test_a_body_longer_than_it_said_is_not_part_of_the_file(server: Server, api: Api) -> None:
    job = api.submit(question())
    content = HEADER + rows(0, 3)
    head = f"PUT /api/v1/jobs/{job}/files/t/x.csv HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    assert b" 201 " in _told(server, head.encode() + content + b"99,more\n" * 1000)
    api.start_job(job)
    api.wait(job)
    assert api.answer(job) == "n,s\n3,3\n"


def test_a_gzip_bomb_is_refused(api: Api) -> None:
    job = api.submit(question())
    bomb = gzip.compress(b"a,b\n" + b"1,x\n" * 40_000_000, compresslevel=9)
    answer = api.put_file(job, "t/x.csv.gz", bomb)
    assert (answer.status_code, answer.json()["code"]) == (422, "input")
    api.delete(f"/api/v1/jobs/{job}")


def test_a_line_of_ten_megabytes(api: Api) -> None:
    job = api.submit(question("SELECT count(*) AS n, max(length(b)) AS l FROM t"))
    answer = api.put_file(job, "t/x.csv", HEADER + b"1," + b"x" * 10_000_000 + b"\n2,y\n")
    if answer.status_code == 201:
        api.start_job(job)
        api.wait(job)
        assert api.answer(job) == "n,l\n2,10000000\n"
    else:
        assert (answer.status_code, answer.json()["code"]) == (422, "input")
        api.delete(f"/api/v1/jobs/{job}")


def test_bytes_that_are_no_text(api: Api) -> None:
    job = api.submit(question("SELECT count(*) AS n, sum(length(b)) AS l FROM t"))
    answer = api.put_file(job, "t/x.csv", HEADER + b"1,\xff\xfe\n")
    if answer.status_code == 201:
        api.start_job(job)
        failed = api.wait(job, "failed")
        assert failed["error"]["code"] in ("record", "input")
    else:
        assert answer.status_code == 422
        api.delete(f"/api/v1/jobs/{job}")


def _told(server: Server, sent: bytes) -> bytes:
    """Return what the server says to bytes sent as they are, until it hangs up or has nothing more to say."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        try:
            return connection.recv(4096)
        except ConnectionResetError:
            return b"HTTP/1.1 400 hung up"
