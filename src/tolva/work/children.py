"""Child processes that run tasks, one at a time each, and can be killed.

A task runs in a process of its own because a query can't always be interrupted and may use any amount of memory: what
can't be stopped politely is killed, and only its own attempt is lost.

Children come from a fork server that has the heavy imports loaded, so a new one is there in milliseconds. Each has a
pipe of its own: nothing is shared between children, so that killing one at any instruction can't block another.
A child dies with its parent, even when that is killed.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import pickle
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import connection, forkserver
from typing import Any

from tolva.errors import EngineError, ExecutionError, OutOfMemoryError, TolvaError, WorkerLostError
from tolva.machine import out_of_memory_kills

_PR_SET_PDEATHSIG = 1

Call = Callable[[Any], tuple[Any, bool]]
"""Answers a request; returns the answer, and whether the process may be used again."""


Setup = Callable[[], Call]
"""Called once in a new child; returns what answers its requests. Must be picklable."""


class Spent(Exception):  # noqa: N818 - no error: another process can do it
    """Raised in a child for a request that it has made itself unfit for; a new child will get it."""


class Cancelled(Exception):  # noqa: N818 - not an error: somebody wanted it
    """The call's child was killed because the work is no longer wanted."""


class Cancel:
    """A switch that ends a call from another thread, once and for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self.on = False

    def __call__(self) -> None:
        """End the call that runs under this switch, or that ever will."""
        with self._lock:
            self.on = True
            if self._child is not None:
                self._child.kill()

    def bind(self, child: _Child | None) -> None:
        """Say which child runs the call now."""
        with self._lock:
            self._child = child
            if self.on and child is not None:
                child.kill()


class Children:
    """``count`` child processes. Threads call ``run``; each call has one child to itself.

    Args:
        count: how many.
        setup: gets a new child ready.
        preload: modules that the fork server loads, so that children have them from the start.
        bury: called with the process id of each child that has ended, to remove what it may have left behind.
        lasting: whether a child waits for the next call; else it ends with its own, and nothing is held between calls.
    """

    def __init__(
        self,
        count: int,
        setup: Setup,
        *,
        preload: Sequence[str] = (),
        bury: Callable[[int], None] | None = None,
        lasting: bool = True,
    ) -> None:
        self._context = multiprocessing.get_context("forkserver")
        # The allocator's settings are read as Arrow is loaded, so they come first.
        first = ("tolva.work.allocator", "tolva.work.deaf", "tolva.work.loading")
        self._context.set_forkserver_preload([*first, *preload, "tolva.work.loaded"])
        # It loads while its user goes on; if it can't be started, whoever needs a child hears why.
        with suppress(OSError):
            forkserver.ensure_running()
        self._setup = setup
        self._bury = bury
        self._lasting = lasting
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._all: set[_Child] = set()
        self._closed = False
        for _ in range(count):
            self._idle.put(None)

    def run(self, request: Any, *, deadline_seconds: float | None, cancel: Cancel) -> Any:
        """Let a free child answer the request; wait for a free one if need be.

        Raises what the child raised; WorkerLostError if it died; ExecutionError if it was killed for taking longer
        than ``deadline_seconds``; Cancelled if ``cancel`` was used.
        """
        child = self._idle.get()
        try:
            if child is None or not child.alive:
                child = self._start()
            cancel.bind(child)
            try:
                return child.ask(request, deadline_seconds)
            except Spent:
                self._end(child)
                child = self._start()
                cancel.bind(child)
                return child.ask(request, deadline_seconds)
        except WorkerLostError:
            if cancel.on or self._closed:
                raise Cancelled from None
            raise
        finally:
            cancel.bind(None)
            self._idle.put(self._keep(child))

    def prestart(self) -> None:
        """Start the children now rather than with their first request, if they last."""
        if not self._lasting:
            return
        idle = [self._idle.get() for _ in range(self._idle.qsize())]
        for child in idle:
            started = child
            # Whoever needs one that couldn't be started tries again, and hears why it can't be.
            with suppress(Exception):
                started = child or self._start()
            self._idle.put(started)

    @property
    def pids(self) -> list[int]:
        """The process ids of the living children."""
        with self._lock:
            return [child.pid for child in self._all if child.alive]

    def close(self) -> None:
        """Kill every child. Calls that still run raise Cancelled."""
        with self._lock:
            self._closed = True
            children, self._all = self._all, set()
        for child in children:
            child.kill()
        for child in children:
            self._end(child)

    def _start(self) -> _Child:
        with self._lock:
            if self._closed:
                raise Cancelled
            try:
                child = _Child(self._context, self._setup)
            except (EOFError, OSError) as error:  # the fork server died, or can't fork
                raise WorkerLostError(f"No process could be started for the task: {error or 'no answer'}.") from error
            self._all.add(child)
            return child

    def _keep(self, child: _Child | None) -> _Child | None:
        if self._lasting and child is not None and child.alive and not child.tainted:
            return child
        if child is not None:
            self._end(child)
        return None

    def _end(self, child: _Child) -> None:
        child.kill()
        with self._lock:
            self._all.discard(child)
        child.join()
        if self._bury is not None:
            self._bury(child.pid)


class _Child:
    """One process and the pipe to it."""

    def __init__(self, context: Any, setup: Setup) -> None:
        self._kills = out_of_memory_kills()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, setup), daemon=True)
        self._process.start()
        theirs.close()
        self.pid: int = self._process.pid
        self.tainted = False

    @property
    def alive(self) -> bool:
        return bool(self._process.is_alive())

    def kill(self) -> None:
        self._process.kill()

    def join(self) -> None:
        self._process.join()

    def ask(self, request: Any, deadline_seconds: float | None) -> Any:
        # Until an answer has been taken, whatever else happens leaves the pipe in an unknown state.
        self.tainted = True
        try:
            self._pipe.send_bytes(pickle.dumps(request))
            if not connection.wait([self._pipe], deadline_seconds):
                self.kill()
                raise ExecutionError(
                    f"A task ran longer than its limit of {deadline_seconds:g} seconds and was stopped. "
                    "Make the query lighter or raise --task-seconds.",
                    deadline_seconds=deadline_seconds,
                )
            ok, healthy, answer = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - our own child wrote it
        except (EOFError, OSError):
            raise self._lost() from None
        self.tainted = not healthy
        if ok:
            return answer
        raise answer

    def _lost(self) -> WorkerLostError:
        """Return what is known of the process's death."""
        self._process.join()
        code = int(self._process.exitcode or 0)
        if code >= 0:
            return WorkerLostError(f"The process that ran the task ended with exit code {code}.", exit_code=code)
        name = signal.Signals(-code).name
        if code != -signal.SIGKILL:
            why = "It crashed; where memory is short, libraries end like this too."
        elif out_of_memory_kills() > self._kills:
            why = "The kernel stopped it because the container's memory was used up. Give --memory less, or it more."
        else:
            why = "Somebody stopped it from outside."
        return WorkerLostError(f"The process that ran the task was killed by {name}. {why}", signal=name)


def _serve(pipe: connection.Connection, setup: Setup) -> None:
    _die_with_parent()
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer = _prepared(setup)
    while True:
        try:
            request = pickle.loads(pipe.recv_bytes())  # noqa: S301 - our own parent wrote it
        except EOFError:
            return
        pipe.send_bytes(pickle.dumps(_answer(answer, request)))


def _prepared(setup: Setup) -> Call:
    """Return what answers requests; when it can't be had, that is every request's answer."""
    try:
        return setup()
    except Exception as error:  # noqa: BLE001 - whoever asks first must hear of it
        reason = error

    def refuse(_request: Any) -> tuple[Any, bool]:
        raise reason

    return refuse


def _answer(answer: Call, request: Any) -> tuple[bool, bool, Any]:
    """Return (went well, process may be used again, answer or error)."""
    try:
        result, healthy = answer(request)
    except Spent as spent:
        return False, False, spent
    except (EngineError, OutOfMemoryError) as error:
        return False, False, error
    except MemoryError:
        return False, False, OutOfMemoryError("What was asked needs more memory than there is. Ask for less at once.")
    except TolvaError as error:
        return False, True, error
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        return False, False, TolvaError(f"{type(error).__name__}: {error}", type=type(error).__name__)
    return True, healthy, result


def _die_with_parent() -> None:
    # The direct parent is the fork server, which ends when the process that uses it does.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
