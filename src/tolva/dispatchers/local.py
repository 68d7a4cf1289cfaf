"""Hints between the threads of one process, fair to clients and jobs.

A hint that is queued already isn't queued twice, however often the reconciler publishes it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable

from tolva.dispatch import Handler
from tolva.dispatchers.fair_queue import FairQueue
from tolva.dispatchers.pace import Pace
from tolva.model import Hint
from tolva.plan import Role

_MIN_PAUSE_SECONDS = 0.05
_MAX_PAUSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class LocalDispatcher:
    """Dispatch by threads of this process; its queues end with it, and the catalog makes up for that."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue = FairQueue()
        self._pace = Pace()
        self._put_off: list[tuple[float, list[Hint]]] = []
        self._errors: dict[int, int] = {}
        self._paused: set[Role] = set()
        self._draining = False
        self._threads: list[threading.Thread] = []

    def publish(self, hints: Iterable[Hint]) -> None:
        """Put the hints on the queues of their roles."""
        with self._changed:
            self._enqueue(hints)
            self._changed.notify_all()

    def offer(self, hints: Iterable[Hint]) -> None:
        """Publish the hints; those that are queued already are not queued twice."""
        self.publish(hints)

    def subscribe(self, roles: Collection[Role], handler: Handler, *, slots: int, batch_bytes: int) -> None:
        """Call ``handler`` in up to ``slots`` threads at once with hints of these roles, until drained."""
        wanted = frozenset(roles)

        def serve() -> None:
            while batch := self._take(wanted, slots, batch_bytes):
                self._deliver(handler, batch)

        for slot in range(slots):
            # A daemon: a handler that never ends must not keep the process alive after drain gave up on it.
            thread = threading.Thread(target=serve, name=f"slot-{slot}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def pause(self, role: Role) -> None:
        """Deliver no more hints of this role; running handlers finish. Published hints are kept."""
        with self._changed:
            self._paused.add(role)

    def resume(self, role: Role) -> None:
        """Deliver hints of this role again."""
        with self._changed:
            self._paused.discard(role)
            self._changed.notify_all()

    def drain(self, timeout_seconds: float) -> bool:
        """Deliver nothing more and wait for running handlers; return whether all ended in time."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _take(self, roles: frozenset[Role], slots: int, batch_bytes: int) -> list[Hint]:
        """Wait for hints; an empty list says that there will be no more."""
        with self._changed:
            while not self._draining:
                due_seconds = self._requeue_due()
                if batch := self._queue.take(roles - self._paused, batch_bytes, self._pace.most, share=slots):
                    return batch
                self._changed.wait(due_seconds)
            return []

    def _requeue_due(self) -> float | None:
        """Queue again what was put off long enough; return the seconds until the next is due, None if there is none."""
        now = time.monotonic()
        for due, hints in self._put_off:
            if due <= now:
                self._enqueue(hints)
        self._put_off = [(due, hints) for due, hints in self._put_off if due > now]
        return min((due - now for due, _ in self._put_off), default=None)

    def _enqueue(self, hints: Iterable[Hint]) -> None:
        for hint in hints:
            self._queue.put(hint)

    def _deliver(self, handler: Handler, batch: list[Hint]) -> None:
        try:
            seconds = handler(batch)
        except Exception:  # noqa: BLE001 - whatever it was, the hints must be delivered again
            _log.warning("A handler failed; its %d hints are delivered again.", len(batch), exc_info=True)
            self._put_off_batch(batch)
        else:
            with self._changed:
                self._pace.learn(batch[0].job_id, batch[0].role, len(batch), seconds)
                for hint in batch:
                    self._errors.pop(hint.task_id, None)

    def _put_off_batch(self, batch: list[Hint]) -> None:
        with self._changed:
            for hint in batch:
                self._errors[hint.task_id] = self._errors.get(hint.task_id, 0) + 1
            errors = max(self._errors[hint.task_id] for hint in batch)
            pause_seconds = min(_MIN_PAUSE_SECONDS * 2 ** (errors - 1), _MAX_PAUSE_SECONDS)
            self._put_off.append((time.monotonic() + pause_seconds, batch))
            self._changed.notify_all()
