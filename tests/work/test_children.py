"""Children answer, die, are killed, and never take anything but their own call with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from tolva.errors import ExecutionError, QueryError, TolvaError, WorkerLostError
from tolva.work import children as of_children
from tolva.work.children import Call, Cancel, Cancelled, Children


def setup() -> Call:
    return answer


def answer(request: Any) -> tuple[Any, bool]:
    match request:
        case "pid":
            return os.getpid(), True
        case "tainted":
            return os.getpid(), False
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "hang":
            signal.pause()
        case "refuse":
            raise QueryError("no such thing", query="q1")
        case "bug":
            raise ValueError("a bug")
    return request, True


@pytest.fixture
def children() -> Iterator[Children]:
    pool = Children(2, setup)
    yield pool
    pool.close()


def ask(children: Children, request: Any, deadline_seconds: float | None = 120) -> Any:
    return children.run(request, deadline_seconds=deadline_seconds, cancel=Cancel())


def test_a_child_is_kept_for_the_next_call(children: Children) -> None:
    assert ask(children, "pid") == ask(children, "pid")


def test_a_child_that_doesn_t_last_ends_with_its_call() -> None:
    pool = Children(1, setup, lasting=False)
    pool.prestart()
    assert pool.pids == []
    assert ask(pool, "pid") != ask(pool, "pid")
    assert pool.pids == []
    pool.close()


def test_children_look_for_garbage_but_not_in_what_they_share() -> None:
    # In a process of its own: what began this one's fork server, maybe for other tests, decided what it loads.
    script = Path(__file__).with_name("collector.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True True\n", "")


def test_errors_cross_with_their_facts_and_the_child_is_kept(children: Children) -> None:
    pid = ask(children, "pid")
    with pytest.raises(QueryError, match="no such thing") as caught:
        ask(children, "refuse")
    assert caught.value.data == {"query": "q1"}
    assert ask(children, "pid") == pid


def test_after_an_unknown_error_the_process_is_not_used_again(children: Children) -> None:
    pid = ask(children, "pid")
    with pytest.raises(TolvaError, match="ValueError: a bug"):
        ask(children, "bug")
    assert ask(children, "pid") != pid


def test_a_child_that_calls_itself_unfit_is_not_used_again(children: Children) -> None:
    assert ask(children, "tainted") != ask(children, "pid")


@pytest.mark.parametrize(("request_", "cause"), [("die", "SIGKILL"), ("exit", "exit code 3")])
def test_a_death_is_named_and_replaced(children: Children, request_: str, cause: str) -> None:
    with pytest.raises(WorkerLostError, match=cause):
        ask(children, request_)
    assert ask(children, "still there") == "still there"


def test_an_idle_child_that_was_killed_is_replaced(children: Children) -> None:
    pid = ask(children, "pid")
    os.kill(pid, signal.SIGKILL)
    _wait_until_gone(children, pid)
    assert ask(children, "still there") == "still there"


def test_a_call_over_its_deadline_is_killed(children: Children) -> None:
    with pytest.raises(ExecutionError, match=r"longer than its limit of 0\.2 seconds"):
        ask(children, "hang", deadline_seconds=0.2)
    assert ask(children, "still there") == "still there"


def test_cancel_ends_a_call_and_every_later_one(children: Children) -> None:
    cancel = Cancel()
    with ThreadPoolExecutor() as threads:
        running = threads.submit(children.run, "hang", deadline_seconds=None, cancel=cancel)
        threading.Timer(0.1, cancel).start()
        with pytest.raises(Cancelled):
            running.result(timeout=120)
    with pytest.raises(Cancelled):
        children.run("late", deadline_seconds=None, cancel=cancel)
    assert ask(children, "still there") == "still there"


def test_closing_ends_running_calls(children: Children) -> None:
    with ThreadPoolExecutor() as threads:
        running = [threads.submit(ask, children, "hang", None) for _ in range(2)]
        children.close()
        for call in running:
            with pytest.raises(Cancelled):
                call.result(timeout=120)


def test_many_threads_share_few_children(children: Children) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda n: ask(children, n), range(200))) == list(range(200))
    assert len(children.pids) == 2


def _wait_until_gone(children: Children, pid: int) -> None:
    give_up = time.monotonic() + 120
    while pid in children.pids:
        assert time.monotonic() < give_up


def test_children_that_could_not_be_started_are_started_by_whoever_needs_them(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fork server dies while it is asked for a process
    def refuse(*_: object) -> NoReturn:
        raise EOFError

    with monkeypatch.context() as broken:
        broken.setattr(of_children, "_Child", refuse)
        children.prestart()
        with pytest.raises(WorkerLostError, match="No process could be started"):
            ask(children, "pid")

    with ThreadPoolExecutor(2) as threads:
        assert None not in threads.map(lambda _: ask(children, "pid"), range(2))


def test_a_dead_fork_server_is_replaced(children: Children) -> None:
    pid = ask(children, "pid")
    parent = psutil.Process(pid).parent()
    assert parent is not None
    assert parent.pid != os.getpid()
    parent.kill()
    while parent.status() != psutil.STATUS_ZOMBIE:  # dead, and not yet waited for by multiprocessing
        time.sleep(0.01)
    children.close()

    again = Children(1, setup)
    again.prestart()
    assert ask(again, "pid") != pid
    again.close()
