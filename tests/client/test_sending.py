"""Files go up two at a time: in order, with one sum of progress, one error, and at once when interrupted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import yaml
from scripted import CONNECTION, answer, listening, of_sessions
from websockets.sync.server import ServerConnection

from patience import within
from tolva.client.sending import Announced, LocalFile, Steps, local_files, opened, send_files
from tolva.errors import InputError, TooLargeError, UsageError

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
PATIENCE_SECONDS = 60.0
STOP_SECONDS = 5.0
"""Well below the ten seconds for which a WebSocket waits to be closed."""


def files(*names: str) -> list[Announced]:
    """Files that were announced, those of a table called by its letter and a number; the first of each leads."""
    first = {name[0]: name for name in reversed(names)}
    found = [LocalFile(name[0], name, Path(name), 100, leads=name is first[name[0]]) for name in names]
    return [Announced(file, file.name, 0, ended=False) for file in found]


def test_two_are_under_way_at_a_time_and_each_once() -> None:
    begun: list[str] = []
    both = threading.Barrier(2)
    at_work: set[str] = set()
    most: list[int] = []

    def send(announced: Announced, _: object) -> Steps:
        name = announced.file.name
        begun.append(name)
        at_work.add(name)
        yield 0
        if name in ("a1", "b1"):
            both.wait(PATIENCE_SECONDS)
        most.append(len(at_work))
        yield 10
        at_work.remove(name)

    given = ["a1", "b1", *(f"a{n}" for n in range(2, 40))]
    send_files(files(*given), send)
    assert set(begun[:2]) == {"a1", "b1"}
    assert sorted(begun) == sorted(given)
    assert max(most) == 2
    assert not at_work


def test_progress_is_a_sum_that_never_falls() -> None:
    print(f"TOLVA_SEED={SEED}")
    chance = random.Random(SEED)
    # Some are there already in part; one falls back, as where a server lost what it had not acknowledged.
    steps = {f"t{n}": [*sorted(chance.choices(range(100), k=chance.randrange(6))), 100] for n in range(30)}
    steps["t7"] = [0, 50, 20, 100]
    told: list[int] = []

    def send(announced: Announced, on_sent: Callable[[int], None]) -> Steps:
        for reached in steps[announced.upload]:
            # So far on the way, and so far there, if nothing was lost.
            on_sent(chance.randint(reached, 100))
            yield reached

    send_files(files(*steps), send, told.append)
    assert told == sorted(told)
    assert told[-1] == 100 * len(steps)


def test_nothing_is_sent_where_there_are_no_files() -> None:
    send_files([], lambda sent, _: pytest.fail(sent.upload))


def test_the_first_file_of_a_table_is_ahead_of_its_others() -> None:
    begun = threading.Event()
    seen: list[bool] = []

    def send(announced: Announced, _: object) -> Steps:
        if announced.upload == "a2":
            seen.append(begun.is_set())
        yield 0
        if announced.upload == "a1":
            begun.set()
        yield 1

    for _ in range(50):
        begun.clear()
        send_files(files("a1", "a2"), send)
    assert seen == [True] * 50


def test_the_first_error_ends_all_and_is_told() -> None:
    closed = threading.Event()
    under_way = threading.Event()
    begun: list[str] = []

    def send(announced: Announced, _: object) -> Steps:
        begun.append(announced.upload)
        yield 0
        if announced.upload == "a1":
            try:
                under_way.set()
                while True:
                    yield 1
            finally:
                closed.set()
        under_way.wait(PATIENCE_SECONDS)
        raise TooLargeError("b1 is too large.")

    with pytest.raises(TooLargeError, match="b1"):
        send_files(files("a1", "b1", "c1"), send)
    assert closed.wait(PATIENCE_SECONDS)
    assert begun == ["a1", "b1"]


def test_an_error_of_a_first_file_lets_go_of_those_that_wait_for_it() -> None:
    threads: list[threading.Thread] = []

    def send(announced: Announced, _: object) -> Steps:
        assert announced.upload == "a1"
        threads.extend(each for each in threading.enumerate() if each.name == "sending")
        yield 0
        raise InputError("a1 can't be read.")

    with pytest.raises(InputError, match="a1"):
        send_files(files("a1", "a2"), send)
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_names_tell_files_of_a_table_apart(tmp_path: Path) -> None:
    one, other, far = tmp_path / "in" / "1" / "x.csv", tmp_path / "in" / "2" / "x.csv", tmp_path / "x.csv"
    for path in (one, other, far):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a\n1\n")
    given = {"t": [one, str(other), far], "u": [one]}
    found = [(file.table, file.name) for file in local_files(given, tmp_path / "in")]
    assert sorted(found) == [("t", "1/x.csv"), ("t", "2/x.csv"), ("t", "x.csv"), ("u", "1/x.csv")]
    with pytest.raises(UsageError, match=r"would both be sent as x\.csv"):
        local_files(given, None)


def test_each_table_s_first_file_is_ahead_of_all_others_and_the_order_within_tables_stays(tmp_path: Path) -> None:
    for name in "abcyz":
        (tmp_path / name).write_text(name * ord(name))
    given = {"t": [tmp_path / name for name in "cab"], "u": [tmp_path / name for name in "zy"], "none": []}
    found = local_files(given, None)
    assert [file.table + file.name for file in found] == ["tc", "uz", "ta", "tb", "uy"]
    assert [file.leads for file in found] == [True, True, False, False, False]
    assert all(file.bytes == ord(file.name) for file in found)

    (tmp_path / "c").write_text("")
    found = local_files(given, None)
    assert [(file.name, file.leads) for file in found][:3] == [("a", True), ("z", True), ("c", False)]


def test_a_file_that_is_not_there_or_changes_meanwhile_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv can't be read: No such file"):
        local_files({"t": [tmp_path / "gone.csv"]}, None)
    path = tmp_path / "grows.csv"
    path.write_text("a\n1\n")
    [file] = local_files({"t": [path]}, None)
    with opened(file) as source:
        assert source.read() == b"a\n1\n"
    path.write_text("a\n1\n2\n")
    with pytest.raises(InputError, match=r"had 4 bytes when it was announced and has 6 now"), opened(file):
        pytest.fail("it was opened")


JOB = {
    "id": "0123456789abcdef",
    "kind": "query",
    "status": "pending",
    "labels": {},
    "created_at": "2026-01-01T00:00:00+00:00",
    "completed_on": None,
    "error": None,
}


FILES = [{"id": name, "received_bytes": 0, "ended": False} for name in "ab"]


@contextmanager
def that_stalls(stalled: threading.Semaphore) -> Iterator[str]:
    """A server that takes a job and announcements, and then never answers when bytes come."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            body = json.dumps(JOB if self.path.endswith("/jobs") else {"files": FILES}).encode()
            self.send_response(202 if self.path.endswith("/jobs") else 201)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PATCH(self) -> None:
            stalled.release()
            over.wait(PATIENCE_SECONDS)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with listening(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        try:
            yield url
        finally:
            over.set()


@contextmanager
def that_stops_reading(stalled: threading.Semaphore) -> Iterator[str]:
    """A server of sessions that takes a job and announcements, and then never reads a file's bytes."""
    over = threading.Event()

    def talk(socket: ServerConnection) -> None:
        uploads = 0
        for message in socket:
            if isinstance(message, bytes):
                stalled.release(2)
                over.wait(PATIENCE_SECONDS)
                return
            said = json.loads(message)
            if said["type"] == "upload":
                uploads += 1
            answers = {
                "begin_connection": CONNECTION,
                "submit_job": {"type": "job", "job": JOB},
                "follow": {"type": "following"},
                "upload": {"type": "upload", "upload": f"{uploads:016}", "received_bytes": 0, "ended": False},
            }
            answer(socket, said, answers)

    with listening(of_sessions(talk, max_queue=1, close_timeout=0.1)) as url:
        try:
            yield url
        finally:
            over.set()


def wait_until_idle(process: psutil.Process) -> None:
    """Wait until the process can do nothing more: all that it could send is in the system's buffers."""
    looks: list[float] = []
    while len(looks) < 4 or len(set(looks[-4:])) > 1:
        time.sleep(0.05)  # the state of another process
        looks.append(sum(process.cpu_times()[:2]))


@pytest.mark.parametrize("one_session", [False, True], ids=["http", "session"])
def test_ctrl_c_ends_the_command_while_a_server_stalls(one_session: bool, tmp_path: Path) -> None:
    tables = {"a": {"files": "a.csv"}, "b": {"files": "b.csv"}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump({"kind": "query", "tables": tables, "queries": {"q": "FROM a"}}))
    for name in "ab":
        (tmp_path / f"{name}.csv").write_bytes(b"x\n" + b"1\n" * 8 * 2**20)
    stalled = threading.Semaphore(0)
    words = [sys.executable, "-m", "tolva", "submit", "job.yaml", *(["--output", "out"] if one_session else [])]
    with (that_stops_reading if one_session else that_stalls)(stalled) as url:
        process = subprocess.Popen(
            words, cwd=tmp_path, env=os.environ | {"TOLVA_SERVER": url}, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2):
            assert stalled.acquire(timeout=PATIENCE_SECONDS)
        wait_until_idle(psutil.Process(process.pid))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=within(STOP_SECONDS))
    assert process.returncode == 130, errors
    assert "Interrupted. The server keeps what it has" in errors
