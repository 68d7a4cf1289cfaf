"""The Python client and the commands over it, against a real server."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from cutting_proxy import cutting
from sales import DOCUMENT, Sales, check_answers
from served import Server

from tolva.client import Client, Job
from tolva.errors import DocumentError, NotFoundError, UnreachableError
from tolva.states import JobStatus

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
TYPES = {"a": "1.50::DECIMAL(5,2)", "b": "DATE '2024-02-29'", "c": "NULL::INTEGER", "d": "''", "e": "[1, 2]"}


def sent(client: Client, sales: Sales) -> Job:
    job = client.submit(DOCUMENT)
    told: list[int] = []
    job.upload_all(sales.files, on_bytes=told.append)
    assert told == sorted(told)
    assert told[-1] == sales.bytes_up
    job.start()
    return job


def test_submit_upload_wait_download(server: Server, sales: Sales, tmp_path: Path) -> None:
    with Client(server.url) as client:
        job = sent(client, sales)
        assert job.wait().status is JobStatus.COMPLETED
        paths = job.download(tmp_path)
        assert sorted(paths) == sorted(tmp_path.iterdir())
        check_answers(tmp_path, sales)
        before = {path: path.stat().st_mtime_ns for path in paths}
        assert job.download(tmp_path) == paths
        assert {path: path.stat().st_mtime_ns for path in paths} == before


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_connections_that_break_off(
    server: Server, sales: Sales, packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"TOLVA_SEED={SEED}")
    monkeypatch.setattr("tolva.client.http._WAIT_MAX_SECONDS", 0.1)
    if packed:  # as for servers that are further away
        monkeypatch.setattr("tolva.client.http.LOOPBACK_HOSTS", frozenset())
    # With gzip they surely don't come to a twentieth.
    up, down = (8, sales.bytes_up), (4, sales.bytes_down // (20 if packed else 1))
    with cutting(server.url, random.Random(SEED), up=up, down=down) as proxy, Client(proxy.url) as client:
        job = sent(client, sales)
        assert job.wait().records_done == 60_000
        job.download(tmp_path)
        assert proxy.cuts_left == 0
    check_answers(tmp_path, sales)


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_answers_come_back_with_their_types(server: Server, form: str) -> None:
    listed = ", ".join(f"{sql} AS {name}" for name, sql in TYPES.items())
    queries = {
        name: {"sql": f"SELECT {listed} LIMIT {limit}", "format": form} for name, limit in (("q", 1), ("none", 0))
    }
    with Client(server.url) as client:
        job = client.submit({"kind": "query", "queries": queries})
        job.start()
        job.wait()
        table = job.arrow("q")
        assert table.schema.types[:3] == [pa.decimal128(5, 2), pa.date32(), pa.int32()]
        (row,) = job.rows("q")
        assert [str(row["a"]), str(row["b"]), row["c"], row["d"], list(row["e"])] == [
            "1.50",
            "2024-02-29",
            None,
            "",
            [1, 2],
        ]
        assert job.arrow("none").schema.names == list(TYPES)
        assert job.arrow("none").num_rows == 0
        with pytest.raises(NotFoundError, match="there are: none, q"):
            job.arrow("other")


def test_the_same_request_is_one_job(server: Server) -> None:
    with Client(server.url) as client:
        first = client.submit(DOCUMENT, request_key="the same")
        assert client.submit(DOCUMENT, request_key="the same").id == first.id
        first.cancel()
        assert client.job(first.id).info.status is JobStatus.CANCELLED
        first.cancel()


def test_errors_are_the_server_s_own(server: Server) -> None:
    with Client(server.url) as client:
        with pytest.raises(DocumentError, match="did you mean 'queries'"):
            client.submit(DOCUMENT | {"querys": {}})
        with pytest.raises(NotFoundError, match="nobodys"):
            client.job("nobodys")
    with Client("http://127.0.0.1:9") as client, pytest.raises(UnreachableError, match="Is it running"):
        client.job("any")


def test_lists_go_on_over_pages(server: Server) -> None:
    with Client(server.url) as client:
        made = [client.submit(DOCUMENT).id for _ in range(3)]
        assert [info.id for info in client.jobs()][:3] == made[::-1]
        assert set(made) <= {info.id for info in client.jobs(statuses=[JobStatus.PENDING])}
        for job_id in made:
            client.job(job_id).delete()
        assert not set(made) & {info.id for info in client.jobs()}


def tolva(server: Server, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tolva", *map(str, words)],
        env=os.environ | {"TOLVA_SERVER": server.url},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def document(tmp_path: Path) -> Path:
    values = json.loads(json.dumps(DOCUMENT))
    values["tables"]["sales"]["files"] = "sales_*.csv"
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_commands(server: Server, sales: Sales, document: Path, tmp_path: Path) -> None:
    folder = sales.files["sales"][0].parent
    submitted = tolva(server, "submit", document, "--data", folder)
    assert submitted.returncode == 0, submitted.stderr
    job_id = submitted.stdout.strip()
    watched = tolva(server, "watch", job_id)
    assert (watched.returncode, watched.stdout) == (0, "")
    assert f"tolva results {job_id}" in watched.stderr
    assert tolva(server, "status", job_id).stdout.split("\t")[:3] == [job_id, "completed", "query"]
    assert json.loads(tolva(server, "status", job_id, "--json").stdout)["progress"]["records_done"] == 60_000
    tasks = tolva(server, "status", job_id, "--tasks").stdout.splitlines()[1:]
    assert len(tasks) > 3
    assert "sales_0.csv [20, " in tasks[0]
    assert tasks[0].split("\t")[-1].rpartition(" lines ")[2].startswith("2-")
    assert all(task.split("\t")[2:4] == ["done", "attempt 1"] for task in tasks)
    fetched = tolva(server, "results", job_id, "--output", tmp_path / "out")
    assert sorted(fetched.stdout.split()) == sorted(map(str, (tmp_path / "out").iterdir()))
    check_answers(tmp_path / "out", sales)
    assert job_id in tolva(server, "jobs", "--status", "completed").stdout
    assert tolva(server, "jobs", "--status", "done").returncode == 2
    again = tolva(server, "cancel", job_id)
    assert again.returncode == 1
    assert "can't be cancelled any more" in again.stderr


def test_all_in_one_session(server: Server, sales: Sales, document: Path, tmp_path: Path) -> None:
    folder = sales.files["sales"][0].parent
    done = tolva(server, "submit", document, "--data", folder, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    check_answers(tmp_path / "out", sales)


@pytest.mark.parametrize("one_session", [False, True], ids=["http", "session"])
def test_files_of_one_name_in_two_folders(server: Server, one_session: bool, tmp_path: Path) -> None:
    tables = {"t": {"files": "*/x.csv"}}
    (tmp_path / "job.yaml").write_text(
        yaml.safe_dump({"kind": "query", "tables": tables, "queries": {"q": "SELECT a, b FROM t"}})
    )
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text(f"a,b\n{name},x\n")
    out = tmp_path / "out"
    words = ["submit", tmp_path / "job.yaml", "--data", tmp_path]
    done = tolva(server, *words, *(["--output", out] if one_session else []))
    assert done.returncode == 0, done.stderr
    if not one_session:
        assert tolva(server, "watch", done.stdout.strip()).returncode == 0
        tolva(server, "results", done.stdout.strip(), "--output", out)
    assert (out / "q_0001.csv").read_text() == "a,b\n1,x\n2,x\n"


def test_a_failed_job_s_exit_code_is_its_own(server: Server, document: Path, tmp_path: Path) -> None:
    (tmp_path / "sales_0.csv").write_text("id,shop,amount,note\n1,2,three,four\n")
    done = tolva(server, "submit", document, "--data", tmp_path, "--watch")
    assert done.returncode == 1
    assert "three" in done.stderr
    assert "sales_0.csv" in done.stderr
    fetched = tolva(server, "results", done.stdout.strip(), "--output", tmp_path / "out")
    assert (fetched.returncode, fetched.stdout, "three" in fetched.stderr) == (1, "", True)


def test_a_dead_task_is_looked_at_and_tried_again(server: Server, document: Path, tmp_path: Path) -> None:
    (tmp_path / "sales_0.csv").write_text("id,shop,amount,note\n1,2,3,four\n1,2,three,four\n")
    job_id = tolva(server, "submit", document, "--data", tmp_path, "--watch").stdout.strip()
    tasks = [line.split("\t") for line in tolva(server, "status", job_id, "--tasks").stdout.splitlines()]
    dead = [task for task in tasks if "dead" in task]
    assert dead
    assert all("lines 2-3" in task[4] and "three" in task[5] for task in dead)
    refused = tolva(server, "retry", job_id, "--task", "0")
    assert (refused.returncode, "0" in refused.stderr) == (2, True), refused.stderr
    again = tolva(server, "retry", job_id, "--task", dead[0][0])
    assert again.returncode == 0, again.stderr
    assert tolva(server, "watch", job_id).returncode == 1
