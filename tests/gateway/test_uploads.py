"""Files arrive: streamed, cut, worked on before END, and counted once whatever breaks off."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from server_kit import HEADER, PATIENCE_SECONDS, Api, Server, question, rows

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))


def test_two_files_are_one_table(api: Api) -> None:
    job = api.submit(question())
    assert api.put_file(job, "t/1.csv", HEADER + rows(1, 10)).status_code == 201
    assert api.put_file(job, "t/2.csv", HEADER + rows(11, 10)).status_code == 201
    assert api.start_job(job).status_code == 202
    api.wait(job)
    assert api.answer(job) == "n,s\n20,210\n"


def test_work_goes_on_while_the_upload_does(api: Api) -> None:
    job = api.submit(question())
    seen: list[int] = []
    sent: list[int] = []

    def blocks() -> Iterator[bytes]:
        yield HEADER
        first = 0
        while True:
            yield rows(first, 100_000)
            first += 100_000
            sent.append(first)
            records = api.job(job)["progress"]["records_done"]
            if records and not seen:
                seen.append(first)
            if seen and first > seen[0]:
                return

    answer = api.put_file(job, "t/growing.csv", blocks())
    assert answer.status_code == 201, answer.text
    assert seen, "nothing was scanned before the file had ended"
    api.start_job(job)
    api.wait(job)
    count = sent[-1]
    assert api.answer(job) == f"n,s\n{count},{sum(range(count))}\n"


def test_files_are_announced_together(api: Api) -> None:
    job = api.submit({**question("SELECT a FROM t"), "tables": {"t": {}, "u": {}}})
    one, two = HEADER + rows(1, 3), HEADER + rows(4, 2)
    said = [_new("t", "2.csv", two), _new("u", "empty.csv", b""), _new("t", "1.csv", one), _new("u", "x.csv", one)]
    answer = _announce(api, job, said)
    assert answer.status_code == 201, answer.text
    told = answer.json()["files"]
    assert [{name: file[name] for name in ("table", "name", "bytes")} for file in told] == said
    assert api.get(f"/api/v1/jobs/{job}/files").json()["files"] == told

    for content, file in ((one, told[2]), (one, told[3]), (two, told[0]), (b"", told[1])):
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        sent = api.patch(f"/api/v1/jobs/{job}/tus/{file['id']}", content=content, headers=headers)
        assert sent.status_code == 204, sent.text
    again = _announce(api, job, [said[2], said[1], _new("u", "late.csv", one), _new("u", "late.csv", one)])
    assert [(file["name"], file["received_bytes"], file["ended"]) for file in again.json()["files"]] == [
        ("1.csv", len(one), True),
        ("empty.csv", 0, True),
        ("late.csv", 0, False),
        ("late.csv", 0, False),
    ]
    api.put_file(job, "u/late.csv", one)
    api.start_job(job)
    api.wait(job)
    # In the order of the announcement, not in that of the bytes.
    assert api.answer(job) == "a\n4\n5\n1\n2\n3\n"


def test_announcements_that_cannot_be(api: Api) -> None:
    job = api.submit(question())
    content = HEADER + rows(1, 1)
    good = _new("t", "x.csv", content)
    for status, code, said in (
        (404, "not_found", [good, good | {"table": "other"}]),
        (422, "request", []),
        (422, "request", [good] * 1001),
        (422, "request", [good | {"bytes": -1}]),
        (422, "request", [good | {"sha256": "no"}]),
        (422, "request", [good | {"path": "/etc"}]),
        (422, "document", [good | {"name": "two\nlines"}]),
        (413, "too_large", [good | {"name": "x" * 2**20}]),
    ):
        answer = _announce(api, job, said)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert api.get(f"/api/v1/jobs/{job}/files").json() == {"files": []}

    assert _announce(api, job, [good]).status_code == 201
    assert _announce(api, job, [good | {"bytes": 9000}]).json()["code"] == "conflict"
    api.put_file(job, "t/x.csv", content)
    api.start_job(job)
    assert _announce(api, job, [good | {"name": "y.csv"}]).json()["code"] == "state"


def test_a_job_is_planned_for_the_files_that_were_announced(api: Api) -> None:
    content = HEADER + rows(1, 10)
    job = api.submit({**question("SELECT count(*) AS n FROM t JOIN u USING (a)"), "tables": {"t": {}, "u": {}}})
    said = [_new("t", "1.csv", content), _new("u", "1.csv", content), _new("t", "2.csv", content) | {"bytes": 10**9}]
    _announce(api, job, said)
    for name in ("t/1.csv", "u/1.csv"):
        assert api.put_file(job, name, content).status_code == 201
    with api.stream("GET", f"/api/v1/jobs/{job}/events") as events:
        next(line for line in events.iter_lines() if '"status":"wip"' in line)
    stages = {stage["table"]: stage for stage in api.get(f"/api/v1/jobs/{job}/plan").json()["stages"]}
    assert stages["t"]["estimated_bytes"] == 10**9 + len(content)
    assert stages["u"]["estimated_bytes"] == len(content)
    api.delete(f"/api/v1/jobs/{job}")


def _new(table: str, name: str, content: bytes) -> dict[str, Any]:
    return {"table": table, "name": name, "bytes": len(content)}


def _announce(api: Api, job: str, files: list[dict[str, Any]]) -> Any:
    return api.post(f"/api/v1/jobs/{job}/files", json={"files": files})


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_that_broke_off_goes_on(server: Server, api: Api, pack: Any) -> None:
    print(f"TOLVA_SEED={SEED}")
    chance = random.Random(SEED)
    content = pack(HEADER + rows(0, 400_000))
    job = api.submit(question())
    for _ in range(4):
        _break_off(server, job, "t/x.csv", content, chance.randrange(len(content)))
    assert _send_again(api, job, "t/x.csv", content) == 201
    api.start_job(job)
    api.wait(job)
    assert api.answer(job) == f"n,s\n400000,{sum(range(400_000))}\n"


def test_another_file_of_the_same_name_is_refused(api: Api) -> None:
    job = api.submit(question())
    first = HEADER + rows(0, 10)
    assert api.put_file(job, "t/x.csv", first).status_code == 201
    assert api.put_file(job, "t/x.csv", first).status_code == 200
    for other in (HEADER + rows(1, 10), first[:-1], first + b"1,a\n", b""):
        assert api.put_file(job, "t/x.csv", other).status_code == 409
    api.start_job(job)
    api.wait(job)
    assert api.answer(job) == "n,s\n10,45\n"


@pytest.mark.parametrize("header", ["Digest", "Repr-Digest"])
def test_declared_sha256_is_verified(api: Api, header: str) -> None:
    job = api.submit(question())
    content = HEADER + rows(0, 1000)
    wrong, right = (_digest(header, each) for each in (b"other", content))
    refused = api.put_file(job, "t/x.csv", content, **{header: wrong})
    assert (refused.status_code, refused.json()["code"]) == (422, "checksum")
    assert api.put_file(job, "t/x.csv", content, **{header: "sha-256=:AAAA:"}).status_code == 422
    assert api.get(f"/api/v1/jobs/{job}/files").json()["files"] == []
    assert api.put_file(job, "t/x.csv", content, **{header: right}).status_code == 201
    assert api.put_file(job, "t/x.csv", content, **{header: right}).status_code == 200
    assert api.put_file(job, "t/x.csv", content, **{header: wrong}).status_code == 409
    api.start_job(job)
    api.wait(job)
    assert api.answer(job) == "n,s\n1000,499500\n"


def test_one_that_is_verified_goes_on_after_it_broke_off(server: Server, api: Api) -> None:
    job = api.submit(question())
    content = HEADER + rows(0, 20_000)
    digest = _digest("Digest", content)
    _break_off(server, job, "t/x.csv", content, 100_000, f"Digest: {digest}\r\n")
    assert _send_again(api, job, "t/x.csv", content, Digest=digest) == 201
    api.start_job(job)
    api.wait(job)
    assert api.answer(job) == f"n,s\n20000,{sum(range(20_000))}\n"


def test_start_tells_what_is_missing(server: Server, api: Api) -> None:
    job = api.submit(question())
    content = HEADER + rows(0, 10)
    _break_off(server, job, "t/x.csv", content, 20)
    refused = api.start_job(job)
    assert refused.status_code == 409
    assert refused.json()["data"]["unfinished"] == ["t/x.csv"]
    assert _send_again(api, job, "t/x.csv", content) == 201
    assert api.start_job(job).status_code == 202
    assert api.put_file(job, "t/late.csv", content).status_code == 409
    api.wait(job)


def test_a_table_without_files(api: Api) -> None:
    declared = api.submit(question("SELECT count(*) AS n FROM t", columns={"a": "INTEGER"}))
    api.start_job(declared)
    api.wait(declared)
    assert api.answer(declared) == "n\n0\n"
    unknown = api.submit(question())
    api.start_job(unknown)
    assert "columns" in api.wait(unknown, "failed")["error"]["message"]


def test_many_files_at_once_agree_on_the_columns(api: Api, server: Server) -> None:
    job = api.submit(question("SELECT count(*) AS n, count(b) AS b FROM t"))

    def send(n: int) -> int:
        # Column b alone looks like a number in one file and like text in another; whichever is first decides.
        with server.client() as own:
            return own.put_file(job, f"t/{n}.csv", HEADER + b"1,%s\n" % (b"x" if n % 2 else b"7")).status_code

    with ThreadPoolExecutor(8) as threads:
        codes = set(threads.map(send, range(16)))
    api.start_job(job)
    while (done := api.job(job))["status"] in ("pending", "wip"):
        time.sleep(0.05)
    # With b a number, a record with text in it ends the job, which then takes no more; otherwise all are there.
    if done["status"] == "failed":
        assert (done["error"]["code"], codes <= {201, 409}) == ("record", True)
    else:
        assert (codes, api.answer(job)) == ({201}, "n,b\n16,16\n")


def test_bad_files_are_refused(api: Api) -> None:
    job = api.submit(question())
    assert api.put_file(job, "t/x.csv", HEADER + b"1,x\n").status_code == 201
    other = api.put_file(job, "t/y.csv", b"c,d\n1,2\n")
    assert (other.status_code, other.json()["code"]) == (422, "input")
    assert api.put_file(job, "nope/x.csv", b"a\n1\n").status_code == 404


def _break_off(server: Server, job: str, name: str, content: bytes, at: int, headers: str = "") -> None:
    """Send ``at`` bytes of a file and hang up, once the server knows of the file."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        place = f"/api/v1/jobs/{job}/files/{name}"
        head = f"PUT {place} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
        connection.sendall(head.encode() + content[:at])
        deadline = time.monotonic() + PATIENCE_SECONDS
        with server.client() as api:
            while not api.get(f"/api/v1/jobs/{job}/files").json()["files"]:
                assert time.monotonic() < deadline
                time.sleep(0.02)


def _send_again(api: Api, job: str, name: str, content: bytes, **headers: str) -> int:
    """Send a file that broke off; the server may still be at what came before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := api.put_file(job, name, content, **headers)).status_code == 409:
        assert time.monotonic() < deadline, answer.text
    return answer.status_code


def _digest(header: str, content: bytes) -> str:
    value = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return f"sha-256={value}" if header == "Digest" else f"sha-256=:{value}:"
