"""A job's life over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from server_kit import HEADER, Api, question, rows

SMALL = {"kind": "query", "tables": {"t": {"files": "small.csv"}}, "queries": {"q": "SELECT sum(a) AS s FROM t"}}


def test_submit_and_fetch(api: Api) -> None:
    job = api.submit(SMALL)
    done = api.wait(job)
    assert done["progress"]["records_done"] == 3
    assert api.get(f"/api/v1/job/{job}").json() == done
    manifest = api.get(done["links"]["results"]).json()
    (part,) = manifest["output"]
    whole = api.get(part["link"])
    assert whole.text == "s\n6\n"
    assert whole.headers["etag"] == f'"{part["sha256"]}"'
    assert api.job(job)["retrieved_at"] is not None


@pytest.mark.parametrize(
    ("wanted", "status", "content"),
    [
        ("bytes=0-0", 206, "s"),
        ("bytes=2-", 206, "6\n"),
        ("bytes=-2", 206, "6\n"),
        ("bytes=0-99", 200, "s\n6\n"),
        ("bytes=9-", 416, ""),
        ("bytes=-0", 416, ""),
        ("bytes=2-1", 200, "s\n6\n"),
        ("lines=1-2", 200, "s\n6\n"),
    ],
)
def test_ranges(api: Api, wanted: str, status: int, content: str) -> None:
    job = api.submit(SMALL)
    api.wait(job)
    answer = api.get(f"/api/v1/jobs/{job}/results/q_0001.csv", headers={"Range": wanted})
    assert (answer.status_code, answer.text) == (status, content)


def test_validators(api: Api) -> None:
    job = api.submit(SMALL)
    api.wait(job)
    url = f"/api/v1/jobs/{job}/results/q_0001.csv"
    etag = api.get(url).headers["etag"]
    assert api.get(url, headers={"If-None-Match": f'"x", {etag}'}).status_code == 304
    assert api.get(url, headers={"If-None-Match": '"x"'}).status_code == 200
    assert api.get(url, headers={"Range": "bytes=0-0", "If-Range": etag}).status_code == 206
    assert api.get(url, headers={"Range": "bytes=0-0", "If-Range": '"x"'}).status_code == 200


def test_prefer_wait(api: Api) -> None:
    answer = api.post("/api/v1/jobs", json=SMALL, headers={"Prefer": "respond-async, wait=30"})
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.headers["preference-applied"] == "wait=30"


def test_the_plan_and_what_it_took(api: Api) -> None:
    job = api.submit(question("SELECT a % 3 AS k, count(*) FROM t GROUP BY k"))
    assert api.get(f"/api/v1/jobs/{job}/plan").status_code == 404
    api.put_file(job, "t/x.csv", HEADER + rows(0, 10))
    api.start_job(job)
    api.wait(job)
    plan = api.get(f"/api/v1/jobs/{job}/plan").json()
    assert {stage["name"] for stage in plan["stages"]} == set(plan["measured"])
    assert plan["measured"]["scan_t"]["records_read"] == 10
    tree = api.get(f"/api/v1/jobs/{job}/plan?format=tree").text
    assert "partial groups by k" in tree
    assert "measured: 1 task" in tree


def test_idempotency_key(api: Api) -> None:
    first = api.submit(SMALL, **{"Idempotency-Key": "one"})
    assert api.submit(SMALL, **{"Idempotency-Key": "one"}) == first
    other = api.post("/api/v1/jobs", json=question(), headers={"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["code"]) == (422, "reused_key")


def test_list_pages(api: Api) -> None:
    made = [api.submit(question()) for _ in range(5)]
    url, found = "/api/v1/jobs?limit=2&status=pending", []
    while True:
        answer = api.get(url)
        found += [job["id"] for job in answer.json()["jobs"]]
        if "next" not in answer.links:
            break
        url = answer.links["next"]["url"]
    assert [job for job in found if job in made] == made[::-1]
    assert len(set(found)) == len(found)
    assert api.get("/api/v1/jobs?after=nonsense").status_code == 422


def test_status_for_pollers(api: Api) -> None:
    job = api.submit(question())
    waiting = api.get(f"/api/v1/jobs/{job}/status")
    assert (waiting.status_code, waiting.headers["x-progress"]) == (202, "pending 0%")
    assert "retry-after" in waiting.headers
    api.put_file(job, "t/x.csv", HEADER + rows(0, 3))
    api.start_job(job)
    api.wait(job)
    done = api.get(f"/api/v1/jobs/{job}/status")
    assert (done.status_code, len(done.json()["output"])) == (200, 1)
    assert "expires" in done.headers


def test_events_resume(api: Api) -> None:
    document = {"kind": "query", "queries": {"a": "SELECT 1 AS x", "b": "SELECT 2 AS x"}}
    job = api.submit(document)
    events = _events(api, job)
    kinds = [event["event"] for event in events]
    assert kinds[-3:] == ["part", "part", "end"]
    assert {event["event"] for event in events[:-3]} <= {"progress"}
    seen = [json.loads(event["data"])["name"] for event in events if event["event"] == "part"]
    assert sorted(seen) == ["a_0001.csv", "b_0001.csv"]
    again = _events(api, job, **{"Last-Event-ID": events[-3]["id"]})
    assert [event["event"] for event in again] == ["part", "end"]
    assert json.loads(again[0]["data"])["name"] == seen[1]
    assert [event["event"] for event in _events(api, job, **{"Last-Event-ID": again[-1]["id"]})] == ["end"]


def test_cancel_and_delete(api: Api) -> None:
    job = api.submit(question())
    api.put_file(job, "t/x.csv", HEADER + rows(0, 3))
    assert api.post(f"/api/v1/jobs/{job}/cancel").json()["status"] == "cancelled"
    assert api.post(f"/api/v1/jobs/{job}/cancel").status_code == 200
    assert api.start_job(job).status_code == 409
    gone = api.get(f"/api/v1/jobs/{job}/results")
    assert (gone.status_code, gone.json()["code"]) == (410, "expired")
    assert [event["event"] for event in _events(api, job)] == ["end"]
    assert api.delete(f"/api/v1/jobs/{job}").status_code == 204
    assert api.get(f"/api/v1/jobs/{job}").status_code == 404
    done = api.submit(SMALL)
    api.wait(done)
    assert api.post(f"/api/v1/jobs/{done}/cancel").status_code == 409


def test_failed_jobs_say_why_and_can_be_retried(api: Api) -> None:
    job = api.submit({"kind": "query", "queries": {"q": "SELECT nothing"}})
    failed = api.wait(job, "failed")
    assert failed["error"]["code"] == "query"
    assert api.post(f"/api/v1/jobs/{job}/retry").status_code == 202
    assert api.wait(job, "failed")["error"]["code"] == "query"
    assert api.get(f"/api/v1/jobs/{job}/tasks?state=dead").json() == {"tasks": []}
    assert api.post(f"/api/v1/jobs/{job}/retry?task=1").status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "document"),
        (b"{", "document"),
        (b"[]", "document"),
        (b'{"kind": "quary"}', "document"),
        (b"\xff", "document"),
        (b"[" * 100_000, "document"),
        (b'{"kind": "query", "tables": {"t": {"files": "/etc/passwd"}}, "queries": {"q": "SELECT 1"}}', "document"),
        (b'{"kind": "query", "tables": {"t": {"files": "../x"}}, "queries": {"q": "SELECT 1"}}', "document"),
    ],
)
def test_bad_documents(api: Api, body: bytes, code: str) -> None:
    answer = api.post("/api/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_yaml_is_taken_too(api: Api) -> None:
    body = "kind: query\nqueries: {q: {sql: SELECT 41 + 1 AS x, format: ndjson}}\n"
    answer = api.post("/api/v1/jobs", content=body, headers={"Content-Type": "application/yaml"})
    job = answer.json()["id"]
    api.wait(job)
    assert api.answer(job, format="ndjson") == '{"x":42}\n'


def _events(api: Api, job: str, **headers: str) -> list[dict[str, Any]]:
    with api.stream("GET", f"/api/v1/jobs/{job}/events", headers=headers) as answer:
        text = "".join(answer.iter_text())
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
