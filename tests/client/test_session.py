"""Sessions against a real server: the answer is right, whatever happens to connections and to the server."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cutting_proxy import cutting
from sales import DOCUMENT, Sales, check_answers
from scripted import CONNECTION, answer, listening, of_sessions
from served import Server, served
from starlette.websockets import WebSocketState
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection

from tolva.client import Client, JobInfo, session
from tolva.client.session import Work, run_session
from tolva.errors import (
    ConflictError,
    NotAllowedError,
    NotFoundError,
    QueryError,
    StateError,
    TolvaError,
    TooLargeError,
)
from tolva.gateway.session.wire import Ended, Wire
from tolva.protocol import PATH, SUBPROTOCOL, Frame
from tolva.states import JobStatus

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
PATIENCE_SECONDS = 60.0


def quiet(_: JobInfo) -> None:
    pass


def work(sales: Sales, output: Path) -> Work:
    return Work(DOCUMENT, sales.files, output)


def said(server: Server, *, origin: str | None = None) -> ClientConnection:
    return connect(
        server.url.replace("http", "ws") + PATH,
        subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
        origin=origin,  # type: ignore[arg-type]
        proxy=None,
    )


def test_files_go_up_and_answers_come_down(server: Server, sales: Sales, tmp_path: Path) -> None:
    seen: list[JobInfo] = []
    info = run_session(server.url, None, work(sales, tmp_path), seen.append)
    assert info.status is JobStatus.COMPLETED
    assert info.records_done == 60_000
    assert [each.status for each in seen][-1] is JobStatus.COMPLETED
    check_answers(tmp_path, sales)
    assert not list(tmp_path.glob(".*"))


def test_connections_that_break_off_lose_and_repeat_nothing(
    server: Server, sales: Sales, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"TOLVA_SEED={SEED}")
    monkeypatch.setattr("tolva.client.session._WAIT_MAX_SECONDS", 0.1)
    with cutting(server.url, random.Random(SEED), up=(8, sales.bytes_up), down=(4, sales.bytes_down)) as proxy:
        info = run_session(proxy.url, None, work(sales, tmp_path), quiet)
        assert proxy.cuts_left == 0
    assert info.records_done == 60_000
    check_answers(tmp_path, sales)


def test_a_killed_server_goes_on_where_it_was(sales: Sales, tmp_path: Path) -> None:
    with served(tmp_path / "state") as server:
        kills = iter([True, True])

        def kill_and_restart() -> None:
            server.kill()
            server.start()

        restarts: list[threading.Thread] = []

        def on_progress(info: JobInfo) -> None:
            if info.bytes_total and not info.status.final and next(kills, False):
                restarts.append(threading.Thread(target=kill_and_restart))
                restarts[-1].start()

        info = run_session(server.url, None, work(sales, tmp_path / "out"), on_progress)
        for thread in restarts:
            thread.join()
        assert restarts
        assert info.records_done == 60_000
        check_answers(tmp_path / "out", sales)


def test_many_clients_at_once(server: Server, sales: Sales, tmp_path: Path) -> None:
    def one(number: int) -> None:
        run_session(server.url, None, work(sales, tmp_path / str(number)), quiet)
        check_answers(tmp_path / str(number), sales)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))


def test_results_that_were_taken_count_as_retrieved(server: Server, sales: Sales, tmp_path: Path) -> None:
    info = run_session(server.url, None, work(sales, tmp_path), quiet)
    # The session may be over before the server has come to its last message.
    deadline = time.monotonic() + PATIENCE_SECONDS
    with Client(server.url) as client:
        while client._http.call("GET", f"/api/v1/jobs/{info.id}").json()["retrieved_at"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_refused_query_is_told_as_it_is(server: Server, sales: Sales, tmp_path: Path) -> None:
    document = DOCUMENT | {"queries": {"q": "SELECT shoop FROM sales"}}
    with pytest.raises(QueryError, match="shop"):
        run_session(server.url, None, Work(document, sales.files, tmp_path), quiet)


FAILED_JOB = {
    "id": "0123456789abcdef",
    "kind": "query",
    "status": "failed",
    "labels": {},
    "created_at": "2026-01-01T00:00:00+00:00",
    "completed_on": "2026-01-01T00:00:01+00:00",
    "error": QueryError("There is no column shoop.").to_dict(),
}


@contextmanager
def refusing(refusal: TolvaError) -> Iterator[str]:
    """A server that refuses every frame; the job is told as failed once the client has said that its file is whole."""

    def talk(socket: ServerConnection) -> None:
        for message in socket:
            if isinstance(message, bytes):
                socket.send(json.dumps({"type": "error", **refusal.to_dict(), "upload": Frame.decode(message).subject}))
                continue
            said = json.loads(message)
            answers: dict[str, dict[str, Any]] = {
                "begin_connection": CONNECTION,
                "submit_job": {"type": "job", "job": FAILED_JOB | {"status": "pending", "error": None}},
                "follow": {"type": "following"},
                "upload": {"type": "upload", "upload": "0123456789abcdef", "received_bytes": 0, "ended": False},
                "end_upload": {"type": "error", **NotFoundError("There is no upload open here.").to_dict()},
            }
            answer(socket, said, answers)
            if said["type"] == "end_upload":
                socket.send(json.dumps({"type": "finished", "job": FAILED_JOB}))

    with listening(of_sessions(talk)) as url:
        yield url


@pytest.mark.parametrize(
    ("refusal", "raised"),
    [
        (StateError("Job 1 is failed and takes no more files."), QueryError),
        (TooLargeError("The file is too large."), TooLargeError),
        (ConflictError("Somebody else goes on with it."), ConflictError),
    ],
)
def test_a_refused_frame_tells_why(refusal: TolvaError, raised: type[TolvaError], tmp_path: Path) -> None:
    """A job that fails while its files go up refuses their frames before it is told as failed."""
    (tmp_path / "file.csv").write_bytes(b"a\n1\n")
    with refusing(refusal) as url, pytest.raises(raised):
        run_session(url, None, Work(DOCUMENT, {"sales": [tmp_path / "file.csv"]}, tmp_path / "out"), quiet)


def test_frames_and_window_are_as_the_server_says(tmp_path: Path) -> None:
    sent: list[tuple[int, int]] = []
    ahead: list[str | bytes] = []

    def talk(socket: ServerConnection) -> None:
        for message in socket:
            if isinstance(message, bytes):
                frame = Frame.decode(message)
                sent.append((frame.offset, len(frame.data)))
                reached = frame.offset + len(frame.data)
                if reached % 300:
                    continue
                with suppress(TimeoutError):
                    ahead.append(socket.recv(0.05))
                socket.send(json.dumps({"type": "received", "upload": frame.subject, "received_bytes": reached}))
                continue
            said = json.loads(message)
            answers: dict[str, dict[str, Any]] = {
                "begin_connection": CONNECTION | {"max_data_bytes": 100, "window_bytes": 300},
                "submit_job": {"type": "job", "job": FAILED_JOB | {"status": "pending", "error": None}},
                "follow": {"type": "following"},
                "upload": {"type": "upload", "upload": "0123456789abcdef", "received_bytes": 0, "ended": False},
                "end_upload": {"type": "uploaded"},
                "start_job": {"type": "job"},
            }
            answer(socket, said, answers)
            if said["type"] == "start_job":
                socket.send(json.dumps({"type": "finished", "job": FAILED_JOB}))

    (tmp_path / "file.csv").write_bytes(b"a\n" + b"1\n" * 499)
    files = {"sales": [tmp_path / "file.csv"]}
    with listening(of_sessions(talk)) as url, pytest.raises(QueryError):
        run_session(url, None, Work(DOCUMENT, files, tmp_path / "out"), quiet)
    assert sent == [(offset, 100) for offset in range(0, 1000, 100)]
    assert ahead == []


def test_a_foreign_page_is_turned_away(server: Server) -> None:
    with pytest.raises(InvalidStatus):
        said(server, origin="http://elsewhere.example")
    with said(server, origin=server.url) as socket:
        socket.send('{"type": "begin_connection"}')
        assert json.loads(socket.recv())["type"] == "connection"


def test_who_speaks_another_protocol_is_turned_away(server: Server) -> None:
    with pytest.raises(InvalidStatus):
        connect(server.url.replace("http", "ws") + PATH, proxy=None)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("nonsense", "not of the session protocol"),
        ('{"type": "upload"}', "job"),
        ('{"type": "start_job", "request": 1, "job": "nobodys"}', "nobodys"),
        ('{"type": "end_upload", "request": 1, "upload": "none"}', "say upload first"),
        ('{"type": "begin_connection"}', "has begun already"),
        ('{"type": "submit_job", "request": 1, "document": {"kind": "qery"}}', "did you mean 'query'"),
        ('{"type": "follow", "request": 1, "job": "nobodys"}', "nobodys"),
        (b"0123456789abcdef" + bytes(12) + b"data", "say upload first"),
    ],
)
def test_a_wrong_message_is_answered_and_the_session_goes_on(
    server: Server, message: str | bytes, complaint: str
) -> None:
    with said(server) as socket:
        socket.send('{"type": "begin_connection"}')
        socket.recv()
        socket.send(message)
        answer = json.loads(socket.recv())
        assert answer["type"] == "error"
        assert complaint in answer["message"]
        socket.send('{"type": "ping"}')
        assert json.loads(socket.recv()) == {"type": "pong"}


@pytest.mark.parametrize("message", ['{"type": "ping"}', b"short", b"x" * 2**20])
def test_what_breaks_the_rules_ends_the_connection(server: Server, message: str | bytes) -> None:
    with said(server) as socket:
        if not message.startswith(b"{" if isinstance(message, bytes) else "{"):
            socket.send('{"type": "begin_connection"}')
            socket.recv()
        socket.send(message)
        with pytest.raises(ConnectionClosed):
            socket.recv()


def test_a_declared_sha256_is_verified(server: Server) -> None:
    content = b"a\n1\n2\n"
    wrong, right = (hashlib.sha256(each).hexdigest() for each in (b"other", content))
    with said(server) as socket:
        numbers = itertools.count(1)

        def ask(type_: str, **values: Any) -> dict[str, Any]:
            number = next(numbers)
            socket.send(json.dumps({"type": type_, "request": number, **values}))
            while (answer := json.loads(socket.recv())).get("request") != number:
                pass
            found: dict[str, Any] = answer
            return found

        socket.send('{"type": "begin_connection"}')
        socket.recv()
        document = {"kind": "query", "tables": {"t": {}}, "queries": {"q": "SELECT sum(a) AS s FROM t"}}
        job = ask("submit_job", document=document)["job"]["id"]
        for sha256, outcome in ((wrong, "error"), (right, "uploaded")):
            upload = ask("upload", job=job, table="t", name="x.csv", sha256=sha256)
            assert upload["received_bytes"] == 0
            socket.send(Frame(upload["upload"], 0, 0, content).encode())
            ended = ask("end_upload", upload=upload["upload"])
            assert ended["type"] == outcome
            assert outcome == "uploaded" or ended["code"] == "checksum"
        assert ask("start_job", job=job)["type"] == "job"


def test_a_session_has_one_connection(server: Server) -> None:
    begin = json.dumps({"type": "begin_connection", "session": "the-same-one"})
    with said(server) as first, said(server) as second:
        for socket in (first, second):
            socket.send(begin)
            assert json.loads(socket.recv())["session"] == "the-same-one"
        with pytest.raises(ConnectionClosed, match="another connection"):
            first.recv()
        second.send('{"type": "ping"}')
        assert json.loads(second.recv()) == {"type": "pong"}


def keys(state: Path, *words: str) -> str:
    command = [sys.executable, "-m", "tolva", "keys", *words, "--state", str(state)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_keys_keep_clients_apart(sales: Sales, tmp_path: Path) -> None:
    state = tmp_path / "state"
    alice, bob = (keys(state, "add", client).strip() for client in ("alice", "bob"))
    with served(state, "--require-keys") as server:
        info = run_session(server.url, alice, work(sales, tmp_path / "out"), quiet)
        check_answers(tmp_path / "out", sales)
        with pytest.raises(NotAllowedError):
            run_session(server.url, "tolva_0_wrong", work(sales, tmp_path / "none"), quiet)
        with said(server) as socket:
            socket.send(json.dumps({"type": "begin_connection", "key": bob}))
            assert json.loads(socket.recv())["client"] == "bob"
            for message in (
                {"type": "follow", "request": 1, "job": info.id},
                {"type": "start_job", "request": 1, "job": info.id},
                {"type": "cancel_job", "request": 1, "job": info.id},
                {"type": "upload", "request": 1, "job": info.id, "table": "sales", "name": "x"},
            ):
                socket.send(json.dumps(message))
                assert json.loads(socket.recv())["code"] == "not_found"
            keys(state, "revoke", bob.split("_")[1])
            socket.send(json.dumps({"type": "start_job", "request": 1, "job": info.id}))
            with pytest.raises(ConnectionClosed, match="revoked"):
                socket.recv()


class FakeSocket:
    """A peer that takes everything and says nothing."""

    application_state = WebSocketState.CONNECTED

    async def receive(self) -> None:
        await asyncio.Event().wait()


def test_a_silent_peer_is_dropped() -> None:
    wire = Wire(FakeSocket(), silence_seconds=0.01)  # type: ignore[arg-type]
    with pytest.raises(Ended, match="nothing was heard"):
        asyncio.run(wire.receive())


def test_patience_is_counted_from_what_was_heard_last(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 300.0, 410.0, 421.0])
    monkeypatch.setattr(session.time, "monotonic", lambda: next(now))
    patience = session._Patience()
    patience.heard()
    assert patience(session.LostError("it broke off"))
    assert not patience(session.LostError("it broke off"))
