"""Adding two numbers, processing one file, stored tables, figures and packing."""

from __future__ import annotations

import gzip
import io
import re
import time
from pathlib import Path

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from server_kit import PATIENCE_SECONDS, Api, Server

from tolva import clients
from tolva.clients.generate import generate


@pytest.mark.parametrize(("a", "b"), [(1, 2), (-5, 3), (0, 0), (2**63 - 1, 2**63 - 1), (-(2**63) + 1, -1)])
def test_add(api: Api, a: int, b: int) -> None:
    answer = api.post(f"/api/v1/add/{a}/{b}", headers={"Prefer": "wait=30"})
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert api.get(f"/api/v1/jobs/{answer.json()['id']}/results/sum_0001.ndjson").json() == {"sum": a + b}


@pytest.mark.parametrize("path", ["1/x", "1.5/2", f"{2**63}/1", "9/" + "9" * 5000])
def test_add_refuses_what_it_cannot(api: Api, path: str) -> None:
    assert api.post(f"/api/v1/add/{path}").status_code == 422


def test_process(api: Api, tmp_path: Path) -> None:
    generate(tmp_path, rows=2_000, seed=3, dirty=0.01)
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".csv", ".txt", ".dat")]
    answer = api.post(
        "/process", files={"file": (file.name, file.read_bytes())}, data={"note": "other fields are fine"}
    )
    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert set(said) == {"jobId", "totalLines", "chunksCreated", "chunkSize"}
    assert said["totalLines"] == file.read_bytes().count(b"\n")
    assert said["chunksCreated"] >= 1
    done = api.wait(said["jobId"])
    assert done["kind"] == "ingest"
    into = next(line.split()[1] for line in clients.document().splitlines() if line.startswith("into:"))
    assert into in [table["name"] for table in api.get("/api/v1/tables").json()["tables"]]
    assert api.get(f"/api/v1/tables/{into}").json()["records"] > 0
    rejects = api.get(f"/api/v1/jobs/{said['jobId']}/results").json()["rejects"]
    assert 0 < rejects <= float(re.findall(r"^tolva_rejects_total (\S+)$", api.get("/metrics").text, re.MULTILINE)[0])
    assert api.delete(f"/api/v1/tables/{into}").status_code == 204
    assert api.get(f"/api/v1/tables/{into}").status_code == 404


def _part(name: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"x"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"no form"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
        ),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf'),
        ("multipart/form-data; boundary=b", b"--b\r\nA: b\r\n\r\n\r\n" * 5000 + b"--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"A" * 100_000 + b": b\r\n\r\n\r\n--b--\r\n"),
    ],
)
def test_process_refuses_other_forms(api: Api, kind: str, body: bytes) -> None:
    answer = api.post("/process", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (422, "usage")
    assert api.get("/api/v1/jobs?kind=ingest&status=pending").json()["jobs"] == []


def _put_table(api: Api, name: str, content: bytes, kind: str = "text/csv") -> httpx2.Response:
    return api.put(f"/api/v1/tables/{name}", content=content, headers={"Content-Type": kind, "Prefer": "wait=30"})


def _parquet(rows: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": range(rows)}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("plain", "text/csv; charset=utf-8", b"a\n0\n1\n2\n"),
        ("tabs", "text/tab-separated-values", b"a\tb\n0\t\n1\t\n2\t\n"),
        ("lines", "application/x-ndjson", b'{"a": 0}\n{"a": 1}\n{"a": 2}\n'),
        ("columns", "application/vnd.apache.parquet", _parquet(3)),
        ("packed?filename=x.csv.gz", "application/gzip", gzip.compress(b"a\n0\n1\n2\n", mtime=0)),
    ],
)
def test_a_file_is_put_as_a_table(api: Api, name: str, kind: str, content: bytes) -> None:
    answer = _put_table(api, name, content, kind)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed"), answer.text
    assert answer.headers["location"].endswith(answer.json()["id"])
    table = api.get(f"/api/v1/tables/{name.partition('?')[0]}").json()
    assert (table["records"], table["columns"][0]) == (3, {"name": "a", "type": "BIGINT"})


def test_a_table_is_replaced_whole_or_not_at_all(api: Api) -> None:
    for records in (1, 2, 2):
        assert _put_table(api, "kept", b"a\n" + b"7\n" * records).json()["status"] == "completed"
        assert api.get("/api/v1/tables/kept").json()["records"] == records
    failed = _put_table(api, "kept", b"a\n" + b"7\n" * 100_000 + b"x\n").json()
    assert failed["status"] == "failed"
    assert "kept.csv:100002" in failed["error"]["message"]
    other = api.put("/api/v1/tables/kept", content=b"a\n1\n", headers={"Digest": "sha-256=" + "A" * 43 + "="})
    assert (other.status_code, other.json()["code"]) == (422, "checksum")
    assert api.get("/api/v1/tables/kept").json()["records"] == 2
    assert _put_table(api, "no-name", b"a\n1\n").json()["code"] == "document"


def test_metrics(api: Api) -> None:
    api.post("/api/v1/add/1/2", headers={"Prefer": "wait=30"})
    text = api.get("/metrics").text
    assert 'tolva_jobs{status="completed"}' in text
    assert 'tolva_attempts_total{outcome="done"}' in text
    assert "tolva_read_bytes_total" in text
    assert 'tolva_queue_depth{role="scan"}' in text
    assert 'tolva_job_seconds_count{status="completed"}' in text
    assert 'tolva_attempt_seconds_sum{outcome="done"}' in text
    assert "tolva_lease_losses_total" in text
    assert float(re.findall(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)[0]) > 2**20
    assert 'python_gc_collections_total{generation="2"}' in text


def test_health(api: Api) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").status_code == 200


def test_answers_and_results_are_packed_for_those_who_take_it(api: Api) -> None:
    sql = "SELECT range AS n FROM range(1000)"
    answer = api.post("/api/v1/jobs", json={"kind": "query", "queries": {"q": sql}}, headers={"Prefer": "wait=30"})
    url = f"/api/v1/jobs/{answer.json()['id']}/results/q_0001.csv"
    plain = api.get(url, headers={"Accept-Encoding": "identity"})
    with api.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    ranged = api.get(url, headers={"Accept-Encoding": "gzip", "Range": "bytes=0-1"})
    assert (ranged.status_code, ranged.content, "content-encoding" in ranged.headers) == (206, b"n\n", False)
    assert api.get("/openapi.json", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"


def test_the_log_names_the_trace(server: Server, api: Api) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    api.get("/api/v1/jobs", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(trace in line for line in list(server.log)):
        assert time.monotonic() < deadline
