"""Hints between machines: Celery on RabbitMQ, or on any other broker that it speaks to (tried: SQS).

One queue a role. A message carries a few hints of one role as JSON and nothing else; it is acknowledged when the
handler returns. All that is durable is in the catalog, so nothing here is guarded at a price: hints that can't be sent
are dropped, and the reconciler offers their tasks again once the broker answers and the queue is empty.

Celery's worker runs inside this process (``celery_worker``), because a handler's own work is done by tolva's child
processes, which can be killed one by one.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from celery import Celery
from celery.exceptions import Reject
from kombu.entity import Exchange, Queue

from tolva.dispatch import Handler
from tolva.dispatchers.celery_worker import EmbeddedWorker
from tolva.model import Hint
from tolva.plan import Role

_TASK = "tolva.work"

_MAX_MESSAGE_HINTS = 64
_MAX_MESSAGE_BYTES = 4 * 2**20
_SHARES = 8
"""Many small tasks go together, but into no fewer messages than this, so that other workers get some."""

_CONFIRM_SECONDS = 10.0
_KEEPALIVE = {socket.TCP_KEEPIDLE: 10, socket.TCP_KEEPINTVL: 5}
"""Seconds until a broker that vanished without a word is noticed by who waits for its answer: on connections that only
ask and send now and then nobody expects a heartbeat."""

_AGAIN_SECONDS = 60.0
_MAX_SENT = 100_000
"""What was sent this lately isn't offered again while messages wait; of so many hints this is remembered."""

_SILENT_SECONDS = 1.0
"""How long nothing is sent to a broker that has just failed."""
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
"""A handler that fails is called again after a pause that doubles."""

_log = logging.getLogger(__name__)


class CeleryDispatcher:
    """Dispatch over the broker at ``url``; queues are called ``prefix`` and the role, such as ``tolva-scan``.

    Args:
        url: the broker, as Celery takes it: ``amqp://user:password@host//``, ``sqs://``.
        prefix: tells several fleets on one broker apart.
        options: more options of the broker's transport, such as SQS's region.
    """

    def __init__(self, url: str, *, prefix: str = "tolva", options: Mapping[str, Any] | None = None) -> None:
        self._amqp = url.startswith("amqp")
        self._queues = {role: self._queue(f"{prefix}-{role}", prefix) for role in Role}
        self._app = Celery(prefix, broker=url, set_as_current=False)
        self._app.conf.update(_settings(self._queues.values(), {**self._transport_options(), **(options or {})}))
        self._app.task(self._work, name=_TASK, shared=False, acks_late=True, ignore_result=True)
        self._subscriptions: dict[Role, _Subscription] = {}
        self._paused: set[Role] = set()
        self._worker: EmbeddedWorker | None = None
        self._draining = threading.Event()
        self._failures: dict[int, int] = {}
        self._sent: dict[int, float] = {}
        self._silent_until = 0.0
        self._changed = threading.Condition()
        self._at_work = 0

    def publish(self, hints: Iterable[Hint]) -> None:
        """Send the hints to the queues of their roles, confirmed by the broker; dropped while it is away."""
        for role, of_role in _by_role(hints):
            for some in _messages(of_role):
                if not self._send(role, some):
                    return

    def offer(self, hints: Iterable[Hint]) -> None:
        """Send the hints of roles whose queues are empty; of others, those that weren't sent from here lately."""
        now = time.monotonic()
        for role, of_role in _by_role(hints):
            late = [hint for hint in of_role if now - self._sent.get(hint.task_id, -math.inf) > _AGAIN_SECONDS]
            self.publish(of_role if self.waiting(role) == 0 else late)

    def waiting(self, role: Role) -> int | None:
        """Return how many messages of this role wait, None if the broker can't be asked."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=5)
                queue = self._queues[role](connection.default_channel)
                queue.declare()
                return int(queue.queue_declare(passive=True).message_count)
        except Exception as error:  # noqa: BLE001 - each transport has errors of its own
            self._fall_silent(error)
            return None

    def subscribe(self, roles: Collection[Role], handler: Handler, *, slots: int, batch_bytes: int) -> None:
        """Call ``handler`` in up to ``slots`` threads at once with hints of these roles, until drained."""
        subscription = _Subscription(handler, threading.Semaphore(slots), batch_bytes)
        with self._changed:
            self._subscriptions |= dict.fromkeys(roles, subscription)
            if self._worker is None:
                self._worker = EmbeddedWorker(self._app, slots, self._waiting_in)
            self._consume()

    def pause(self, role: Role) -> None:
        """Deliver no more hints of this role here; running handlers finish. Published hints are kept."""
        with self._changed:
            self._paused.add(role)
            self._consume()

    def resume(self, role: Role) -> None:
        """Deliver hints of this role again."""
        with self._changed:
            self._paused.discard(role)
            self._consume()

    def drain(self, timeout_seconds: float) -> bool:
        """Deliver nothing more and wait for running handlers; return whether all ended in time."""
        self._draining.set()
        with self._changed:
            if self._worker is None:
                return True
            self._worker.consume([])
            if not self._changed.wait_for(lambda: self._at_work == 0, timeout_seconds):
                return False
        self._worker.stop()
        return True

    def _waiting_in(self, queue: str) -> int | None:
        return next((self.waiting(role) for role, known in self._queues.items() if known.name == queue), None)

    def _queue(self, name: str, prefix: str) -> Queue:
        if not self._amqp:
            return Queue(name, Exchange(prefix, type="direct"), routing_key=name)
        arguments = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": f"{prefix}-dead",
            "x-dead-letter-routing-key": f"{prefix}-dead",
        }
        return Queue(name, Exchange(prefix, type="direct"), routing_key=name, queue_arguments=arguments)

    def _transport_options(self) -> dict[str, Any]:
        return {"confirm_publish": True, "socket_settings": _KEEPALIVE} if self._amqp else {}

    def _send(self, role: Role, hints: Sequence[Hint]) -> bool:
        if time.monotonic() < self._silent_until:
            return False
        try:
            self._app.send_task(
                _TASK,
                args=[role.value, [[hint.task_id, hint.bytes, hint.job_id, hint.client] for hint in hints]],
                queue=self._queues[role],
                **({"mandatory": True, "confirm_timeout": _CONFIRM_SECONDS} if self._amqp else {}),
            )
        except Exception as error:  # noqa: BLE001 - each transport has errors of its own, and a hint may be lost
            self._fall_silent(error)
            return False
        now = time.monotonic()
        self._sent |= dict.fromkeys((hint.task_id for hint in hints), now)
        if len(self._sent) > _MAX_SENT:
            self._sent = {task_id: at for task_id, at in self._sent.items() if now - at <= _AGAIN_SECONDS}
        return True

    def _fall_silent(self, error: Exception) -> None:
        _log.warning("The broker can't be reached (%s); tasks wait in the catalog.", error)
        self._silent_until = time.monotonic() + _SILENT_SECONDS

    def _consume(self) -> None:
        if self._worker is not None:
            wanted = [self._queues[role] for role in self._subscriptions if role not in self._paused]
            self._worker.consume(wanted)

    def _work(self, role: str, listed: list[list[Any]]) -> None:
        """Be Celery's task: hand the message's hints to the handler of their role."""
        hints = [Hint(task_id, Role(role), size, job_id, client) for task_id, size, job_id, client in listed]
        with self._changed:
            subscription = self._subscriptions.get(Role(role))
            if subscription is None or Role(role) in self._paused or self._draining.is_set():
                raise Reject(requeue=True)
            self._at_work += 1
            if self._worker is not None:
                self._worker.heard()
        try:
            self._deliver(subscription, hints)
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def _deliver(self, subscription: _Subscription, hints: list[Hint]) -> None:
        first = hints[0].task_id
        try:
            with subscription.free_slots:
                for batch in _batches(hints, subscription.batch_bytes):
                    subscription.handler(batch)
        except Exception:  # noqa: BLE001 - whatever it was, the hints must be delivered again
            failures = self._failures[first] = self._failures.get(first, 0) + 1
            _log.warning("A handler failed; its %d hints are delivered again.", len(hints), exc_info=True)
            self._draining.wait(min(_FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1), _LONGEST_PAUSE_SECONDS))
            raise Reject(requeue=True) from None
        self._failures.pop(first, None)


@dataclass(frozen=True, slots=True)
class _Subscription:
    """Who takes the hints of a role, and how many at once."""

    handler: Handler
    free_slots: threading.Semaphore
    batch_bytes: int


def _settings(queues: Collection[Queue], transport: dict[str, Any]) -> dict[str, Any]:
    return {
        "task_queues": list(queues),
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "task_publish_retry": True,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1},
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": True,
        "worker_enable_prefetch_count_reduction": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_detect_quorum_queues": True,
        "worker_hijack_root_logger": False,
        "broker_heartbeat": 20,
        "broker_connection_timeout": 5,
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": transport,
    }


def _by_role(hints: Iterable[Hint]) -> Iterator[tuple[Role, list[Hint]]]:
    for role, of_role in groupby(sorted(hints, key=lambda hint: hint.role), key=lambda hint: hint.role):
        yield role, list(of_role)


def _messages(hints: Sequence[Hint]) -> Iterator[list[Hint]]:
    """Put small tasks together into messages, and leave enough messages for many workers."""
    share = min(-(-len(hints) // _SHARES), _MAX_MESSAGE_HINTS)
    return _batches(hints, _MAX_MESSAGE_BYTES, share)


def _batches(hints: Sequence[Hint], max_bytes: int, max_hints: int = _MAX_MESSAGE_HINTS) -> Iterator[list[Hint]]:
    batch: list[Hint] = []
    held = 0
    for hint in hints:
        if batch and (held + hint.bytes > max_bytes or len(batch) == max_hints):
            yield batch
            batch, held = [], 0
        batch.append(hint)
        held += hint.bytes
    if batch:
        yield batch
