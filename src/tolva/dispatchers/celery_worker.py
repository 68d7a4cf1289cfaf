"""Celery's worker inside this process, in a thread, with a pool of threads that acknowledges at once.

Celery's own thread pool hands acknowledgements to the loop that owns the connection, but doesn't wake it: they wait
for the next message or timer. This pool wakes the loop through a pipe, so that messages flow, and still only the
loop's thread ever writes to the connection.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.concurrency.base import BasePool, apply_target
from celery.exceptions import CPendingDeprecationWarning
from celery.worker import WorkController, state
from celery.worker.consumer import Consumer
from kombu.entity import Queue

_WATCH_SECONDS = 20.0
_CLOSE_SECONDS = 10.0
_EARLY_ACK_SECONDS = 600.0
"""RabbitMQ closes the channel of who doesn't acknowledge for 30 minutes. The hint of a task that runs this long did
its duty when the task was claimed; what guards it is its lease."""

_AGAIN_SECONDS = 1.0
_GAVE_UP = "Celery's worker gave up; another one is started."

_MAX_THREADS = 256

_log = logging.getLogger(__name__)


class EmbeddedWorker:
    """Celery's worker in a thread. One at a time in a process: Celery keeps its state in globals.

    Args:
        app: its broker and tasks.
        prefetch: how many messages of each queue may be here at once, unacknowledged.
        waiting: tells how many messages wait in the queue of that name, None if nobody knows.
    """

    def __init__(self, app: Celery, prefetch: int, waiting: Callable[[str], int | None]) -> None:
        self._app = app
        self._prefetch = prefetch
        self._waiting = waiting
        self._controller: Any = None
        self._wanted: dict[str, Queue] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._heard_at = time.monotonic()
        self._threads: list[threading.Thread] = []

    def consume(self, queues: Sequence[Queue]) -> None:
        """Consume from exactly these queues from now on; the first call that names any starts the worker."""
        with self._lock:
            self._wanted = {queue.name: queue for queue in queues}
            if self._threads:
                self._soon(self._adjust)
            elif self._wanted:
                self._start()

    def heard(self) -> None:
        """Note that a message came."""
        self._heard_at = time.monotonic()

    def stop(self) -> None:
        """Acknowledge what is done, close the connection and end. Only while no task runs."""
        self._stopping.set()
        if self._threads:
            state.should_stop = 0
            self._controller.pool.wake()
            for thread in self._threads:
                thread.join(_CLOSE_SECONDS)
            state.should_stop = None

    def _start(self) -> None:
        # A running task goes on when the connection is lost: its lease guards it, and its message means nothing more.
        warnings.simplefilter("ignore", CPendingDeprecationWarning)
        # Threads of the pool find their task by way of the process's default app.
        self._app.set_default()
        self._controller = self._new_controller()
        for target in (self._run, self._watch):
            # Daemons: a connection that never closes must not keep the process alive.
            self._threads.append(threading.Thread(target=target, name="celery", daemon=True))
            self._threads[-1].start()

    def _run(self) -> None:
        """Be Celery's worker until stopped, and another one whenever one has given up.

        It does that after a cut that only this side noticed: the broker still keeps the exclusive queue for remote
        control for the old connection. The next one has another name, and so another queue.
        """
        while True:
            try:
                self._controller.start()
            except Exception:  # noqa: BLE001 - whatever it was, nobody else takes messages here
                _log.warning(_GAVE_UP, exc_info=True)
            if self._stopping.wait(_AGAIN_SECONDS):
                return
            with self._lock:
                self._ready.clear()
                self._controller = self._new_controller()

    def _new_controller(self) -> WorkController:
        return _Controller(
            app=self._app,
            # No two may share a name: the queue for remote control is named by it.
            hostname=f"tolva-{os.getpid()}-{secrets.token_hex(2)}@{socket.gethostname()}",
            pool=_WokenPool,
            consumer_cls=_Consumer,
            concurrency=self._prefetch,
            queues=list(self._wanted),
            use_eventloop=True,
            without_mingle=True,
            without_gossip=True,
            ready_callback=self._on_ready,
        )

    def _on_ready(self, _consumer: Any) -> None:
        self.heard()
        self._ready.set()
        self._adjust()

    def _soon(self, callback: Callable[[], None]) -> None:
        """Have the loop's thread call this, once it is connected."""
        if self._ready.is_set():
            self._controller.hub.call_soon(callback)
            self._controller.pool.wake()

    def _adjust(self) -> None:
        consumer = self._controller.consumer
        consumed = set(self._app.amqp.queues.consume_from)
        for name in consumed - self._wanted.keys():
            consumer.cancel_task_queue(name)
        for name in self._wanted.keys() - consumed:
            consumer.add_task_queue(self._wanted[name])

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH_SECONDS):
            for request in list(state.active_requests):
                if request.time_start and time.monotonic() - request.time_start > _EARLY_ACK_SECONDS:
                    self._soon(request.acknowledge)
            silent = time.monotonic() - self._heard_at > 2 * _WATCH_SECONDS
            if silent and not state.active_requests and any(self._waiting(name) for name in self._wanted):
                _log.warning("Messages wait, but none comes: the connection to the broker is opened again.")
                self.heard()
                self._soon(_break_connection)


class _Controller(WorkController):  # type: ignore[misc]  # Celery has no types
    """Celery's worker, which tells why it gave up: Celery's own words go to its loggers alone."""

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        if exitcode:
            _log.warning(_GAVE_UP, exc_info=True)
        super().stop(in_sighandler, exitcode)


class _Consumer(Consumer):  # type: ignore[misc]  # likewise
    """Celery's consumer without the 28 queues and exchanges for tasks with an ETA: the catalog schedules retries."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # likewise
        """The steps of the consumer's start and end."""

        default_steps = tuple(step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step)


class _WokenPool(BasePool):  # type: ignore[misc]  # likewise
    """Threads that wake the loop when a task is over. As many run as messages are delivered."""

    signal_safe = False
    body_can_be_buffer = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="slot")
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def register_with_event_loop(self, loop: Any) -> None:
        loop.add_reader(self._wake_read, self._woken)

    def wake(self) -> None:
        """Let the loop look around now."""
        with suppress(BlockingIOError, OSError):  # full: it is about to wake; closed: it has ended
            os.write(self._wake_write, b".")

    def on_apply(self, target: Any, args: Any = None, kwargs: Any = None, callback: Any = None, **options: Any) -> None:
        accept = options.get("accept_callback")
        future = self._executor.submit(apply_target, target, args, kwargs, callback, accept)
        future.add_done_callback(lambda _: self.wake())

    def on_stop(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    on_terminate = on_stop

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)


def _break_connection() -> None:
    raise ConnectionResetError("the watchdog ended a silent connection")
