"""Who may see what: keys, roles, other clients' ids, and what is written down of it all."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import program
import pytest
from fastapi.routing import APIRoute
from server_kit import HEADER, Api, Server, question, rows

from tolva.gateway.app import make_app

PUBLIC = {"/healthz", "/readyz", "/metrics", "/openapi.json"}
RECORD = "4111111111111111"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "data").mkdir()
    (folder / "data" / "own.csv").write_text("a\n1\n")
    server = Server(folder, "--require-keys", "--data", str(folder / "data"))
    server.keys = {
        name: _key(folder, name, role) for name, role in (("ann", "client"), ("bob", "client"), ("root", "admin"))
    }
    server.start()
    yield server
    server.close()


def _tolva(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return program.run(*words, state=folder / "state", cwd=folder)


def _key(folder: Path, client: str, role: str) -> str:
    done = _tolva(folder, "keys", "add", client, "--role", role)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def ann(guarded: Server) -> Iterator[Api]:
    with guarded.client(guarded.keys["ann"]) as api:
        yield api


@pytest.fixture
def bob(guarded: Server) -> Iterator[Api]:
    with guarded.client(guarded.keys["bob"]) as api:
        yield api


@pytest.fixture
def root(guarded: Server) -> Iterator[Api]:
    with guarded.client(guarded.keys["root"]) as api:
        yield api


class _Closed:
    keys_needed = True


def _all_routes(routes: Iterable[Any]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif (included := getattr(route, "original_router", None)) is not None:
            yield from _all_routes(included.routes)


def routes() -> list[tuple[str, str]]:
    """Return every (method, path) as the application has them, so that no new one is forgotten."""
    app = make_app(None, _Closed())  # type: ignore[arg-type] - nothing is asked of them
    return sorted((method, route.path) for route in _all_routes(app.routes) for method in route.methods)


def test_the_routes_are_found() -> None:
    assert len(routes()) > 20


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in routes() if p not in PUBLIC])
def test_no_route_answers_without_a_key(guarded: Server, method: str, path: str) -> None:
    if method == "OPTIONS":
        return
    for key in (None, "nonsense", "tolva_x_y", guarded.keys["ann"][:-1] + "!"):
        with guarded.client(key) as api:
            answer = api.request(method, _filled(path, "any", "any", "any"))
        assert answer.status_code == 401, (key, answer.text)
        if method != "HEAD":
            assert answer.json()["code"] == "not_allowed"
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in routes() if "{job_id}" in p])
def test_anothers_job_is_not_found(ann: Api, bob: Api, method: str, path: str) -> None:
    if method == "OPTIONS":
        return
    job = ann.submit(question())
    ann.put_file(job, "t/x.csv", HEADER + rows(0, 1))
    upload = ann.get(f"/api/v1/jobs/{job}/files").json()["files"][0]["id"]
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "5",
        "Upload-Offset": "0",
        "Upload-Metadata": "table dA==,filename eA==",
        "Content-Type": "application/offset+octet-stream",
    }
    content = b""
    if (method, path) == ("POST", "/api/v1/jobs/{job_id}/files"):
        headers, content = (
            {"Content-Type": "application/json"},
            b'{"files": [{"table": "t", "name": "y.csv", "bytes": 5}]}',
        )
    answer = bob.request(method, _filled(path, job, "t", upload), headers=headers, content=content)
    assert answer.status_code == 404, answer.text
    assert len(ann.get(f"/api/v1/jobs/{job}/files").json()["files"]) == 1
    unharmed = ann.job(job)
    assert unharmed["status"] in ("pending", "wip")
    assert not unharmed["uploads_ended"]
    # Of jobs that wait for files only so many run at once.
    assert ann.delete(f"/api/v1/jobs/{job}").status_code == 204


def test_anothers_table_is_not_there(ann: Api, bob: Api) -> None:
    wait = {"Prefer": "wait=30"}
    assert ann.put("/api/v1/tables/mine", content=b"a\n1\n", headers=wait).json()["status"] == "completed"
    for method in ("GET", "DELETE"):
        assert bob.request(method, "/api/v1/tables/mine").status_code == 404
    # A name is each client's own.
    assert bob.put("/api/v1/tables/mine", content=b"b\n1\n2\n", headers=wait).json()["status"] == "completed"
    assert bob.delete("/api/v1/tables/mine").status_code == 204
    assert [each["name"] for each in ann.get("/api/v1/tables/mine").json()["columns"]] == ["a"]


def _filled(path: str, job: str, table: str, upload: str) -> str:
    values = {"job_id": job, "table": table, "name": "x.csv", "upload_id": upload, "a": "1", "b": "2"}
    return path.format(**values)


def test_lists_hold_ones_own_jobs(ann: Api, bob: Api, root: Api) -> None:
    job = ann.submit(question())
    for api, sees in ((ann, True), (bob, False), (root, True)):
        ids = [each["id"] for each in api.get("/api/v1/jobs?limit=1000").json()["jobs"]]
        assert (job in ids) == sees


def test_only_administrators_name_files_of_the_server(ann: Api, root: Api) -> None:
    document = {"kind": "query", "tables": {"t": {"files": "own.csv"}}, "queries": {"q": "SELECT a FROM t"}}
    assert ann.post("/api/v1/jobs", json=document).status_code == 422
    job = root.submit(document)
    root.wait(job)
    assert root.answer(job) == "a\n1\n"


def test_links_do_not_lead_out_of_the_data_folder(guarded: Server, root: Api) -> None:
    outside = guarded.folder / "outside.csv"
    outside.write_text("a\n1\n")
    (guarded.folder / "data" / "link.csv").symlink_to(outside)
    job = root.submit({"kind": "query", "tables": {"t": {"files": "link.csv"}}, "queries": {"q": "SELECT a FROM t"}})
    assert "not in the data folder" in root.wait(job, "failed")["error"]["message"]


def test_a_revoked_key_opens_nothing_at_once(guarded: Server) -> None:
    key = _key(guarded.folder, "eve", "client")
    with guarded.client(key) as api:
        assert api.get("/api/v1/jobs").status_code == 200
        assert _tolva(guarded.folder, "keys", "revoke", key.split("_")[1]).returncode == 0
        assert api.get("/api/v1/jobs").status_code == 401
    listed = _tolva(guarded.folder, "keys", "list").stdout
    assert "revoked" in listed
    assert key.split("_", 2)[2] not in listed


def test_no_secret_and_no_record_is_logged(guarded: Server, ann: Api) -> None:
    job = ann.submit(question("SELECT count(*) AS n FROM t"))
    ann.put_file(job, "t/x.csv", f"a,b\n{RECORD},{RECORD}\n".encode())
    ann.put_file(job, "t/y.csv", f"a,b\n1,2,{RECORD}\n".encode())
    ann.get(f"/api/v1/jobs/{job}?{RECORD}")
    ann.post(f"/api/v1/jobs/{job}/cancel")
    ann.post("/api/v1/jobs", content=RECORD)
    log = "".join(guarded.log)
    assert f"/api/v1/jobs/{job}" in log
    assert RECORD not in log
    for key in guarded.keys.values():
        assert key.split("_", 2)[2] not in log


def test_without_keys_only_loopback_is_served(tmp_path: Path) -> None:
    done = _tolva(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - that is what is refused
    assert done.returncode == 2
    assert "tolva keys add" in done.stderr


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "127.0.0.1.evil"}],
)
def test_without_keys_no_web_page_of_others_is_answered(api: Api, headers: dict[str, str]) -> None:
    assert api.get("/api/v1/jobs", headers=headers).status_code == 403


def test_local_pages_are_answered(api: Api) -> None:
    assert api.get("/api/v1/jobs", headers={"Origin": "http://localhost:3000"}).status_code == 200
