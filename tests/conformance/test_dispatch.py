"""Hints get to handlers: each at least once, in batches, and only while that is wanted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from uuid import uuid4

import pytest

from tolva.dispatch import Dispatcher
from tolva.dispatchers.celery import CeleryDispatcher
from tolva.dispatchers.local import LocalDispatcher
from tolva.model import Hint
from tolva.plan import Role


def _open_local(_: pytest.FixtureRequest) -> Dispatcher:
    return LocalDispatcher()


def _open_celery(request: pytest.FixtureRequest) -> Dispatcher:
    return CeleryDispatcher(request.getfixturevalue("rabbitmq").url, prefix=f"tolva{uuid4().hex}")


def _open_sqs(request: pytest.FixtureRequest) -> Dispatcher:
    host = request.getfixturevalue("sqs")
    options = {"region": "us-east-1", "is_secure": False, "polling_interval": 0.1, "wait_time_seconds": 1}
    return CeleryDispatcher(f"sqs://key:secret@{host}//", prefix=f"tolva{uuid4().hex}", options=options)


OPENERS: dict[str, Callable[[pytest.FixtureRequest], Dispatcher]] = {
    "local": _open_local,
    "celery on rabbitmq": _open_celery,
    "celery on sqs": _open_sqs,
}
"""One line an adapter; every test here runs over each."""

PATIENCE_SECONDS = 120.0
"""After which a test that waits has failed."""


@pytest.fixture(params=list(OPENERS))
def dispatcher(request: pytest.FixtureRequest) -> Iterator[Dispatcher]:
    with ExitStack() as stack:
        dispatcher = OPENERS[request.param](request)
        stack.callback(dispatcher.drain, PATIENCE_SECONDS)
        yield dispatcher


def scan_hints(*ids: int, size: int = 10) -> list[Hint]:
    return [Hint(n, Role.SCAN, size) for n in ids]


class Inbox:
    """A handler that keeps the batches it got, and lets tests wait for them."""

    def __init__(self, fail: Callable[[Sequence[Hint]], bool] = lambda _: False) -> None:
        self.batches: list[list[Hint]] = []
        self.at_work = 0
        self.most_at_work = 0
        self._fail = fail
        self._changed = threading.Condition()
        self._gate = threading.Event()
        self._gate.set()

    def __call__(self, hints: Sequence[Hint]) -> float:
        with self._changed:
            self.at_work += 1
            self.most_at_work = max(self.at_work, self.most_at_work)
            self.batches.append(list(hints))
            self._changed.notify_all()
        assert self._gate.wait(PATIENCE_SECONDS)
        with self._changed:
            self.at_work -= 1
            self._changed.notify_all()
        if self._fail(hints):
            raise RuntimeError("try again")
        return 0.0

    def close(self) -> None:
        """Let no handler call end."""
        self._gate.clear()

    def open(self) -> None:
        self._gate.set()

    def ids(self) -> list[int]:
        return [hint.task_id for batch in self.batches for hint in batch]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE_SECONDS), self.batches


def test_every_hint_is_delivered(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    dispatcher.publish(scan_hints(*range(50)))
    dispatcher.subscribe(list(Role), inbox, slots=3, batch_bytes=25)
    dispatcher.publish(scan_hints(*range(50, 100)))

    inbox.wait_for(lambda: len(inbox.ids()) >= 100)

    assert Counter(inbox.ids()).keys() == set(range(100))
    assert {hint for batch in inbox.batches for hint in batch} == set(scan_hints(*range(100)))


def test_hints_come_only_to_those_who_asked_for_their_role(dispatcher: Dispatcher) -> None:
    scans, finishes = Inbox(), Inbox()
    dispatcher.subscribe([Role.SCAN], scans, slots=1, batch_bytes=0)
    dispatcher.subscribe([Role.FINISH], finishes, slots=1, batch_bytes=0)

    dispatcher.publish([Hint(1, Role.SCAN), Hint(2, Role.REDUCE), Hint(3, Role.FINISH)])

    scans.wait_for(lambda: scans.ids() == [1])
    finishes.wait_for(lambda: finishes.ids() == [3])
    late = Inbox()
    dispatcher.subscribe([Role.REDUCE], late, slots=1, batch_bytes=0)
    late.wait_for(lambda: late.ids() == [2])


def test_small_tasks_come_together_and_a_large_one_alone(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    sizes = [10, 10, 10, 10, 500, 10, 100, 1, 0]
    dispatcher.publish(Hint(n, Role.SCAN, size) for n, size in enumerate(sizes))

    dispatcher.subscribe([Role.SCAN], inbox, slots=1, batch_bytes=100)

    inbox.wait_for(lambda: len(inbox.ids()) == len(sizes))
    for batch in inbox.batches:
        assert len(batch) == 1 or sum(hint.bytes for hint in batch) <= 100
    assert [4] in [[hint.task_id for hint in batch] for batch in inbox.batches]
    assert len(inbox.batches) < len(sizes)


def test_a_batch_is_of_one_role(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    dispatcher.publish(Hint(n, role, 0) for n, role in enumerate(list(Role) * 5))

    dispatcher.subscribe(list(Role), inbox, slots=1, batch_bytes=100)

    inbox.wait_for(lambda: len(inbox.ids()) == 15)
    assert all(len({hint.role for hint in batch}) == 1 for batch in inbox.batches)


def test_as_many_handlers_run_at_once_as_there_are_slots(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    inbox.close()
    dispatcher.subscribe([Role.SCAN], inbox, slots=3, batch_bytes=0)
    dispatcher.publish(scan_hints(*range(10)))

    inbox.wait_for(lambda: inbox.at_work == 3)
    inbox.open()
    inbox.wait_for(lambda: len(inbox.ids()) == 10 and inbox.at_work == 0)

    assert inbox.most_at_work == 3


def test_a_paused_role_is_kept_and_delivered_when_resumed(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    dispatcher.pause(Role.SCAN)
    dispatcher.pause(Role.SCAN)
    dispatcher.subscribe(list(Role), inbox, slots=2, batch_bytes=0)
    dispatcher.publish([*scan_hints(1, 2), Hint(3, Role.REDUCE)])
    inbox.wait_for(lambda: inbox.ids() == [3])
    dispatcher.publish([Hint(4, Role.REDUCE)])
    inbox.wait_for(lambda: inbox.ids() == [3, 4])

    dispatcher.resume(Role.SCAN)

    inbox.wait_for(lambda: sorted(inbox.ids()) == [1, 2, 3, 4])


def test_running_handlers_finish_when_their_role_is_paused(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    inbox.close()
    dispatcher.subscribe([Role.SCAN], inbox, slots=1, batch_bytes=0)
    dispatcher.publish(scan_hints(1, 2))
    inbox.wait_for(lambda: inbox.ids() == [1])

    dispatcher.pause(Role.SCAN)
    inbox.open()
    inbox.wait_for(lambda: inbox.at_work == 0)
    assert inbox.ids() == [1]
    dispatcher.resume(Role.SCAN)

    inbox.wait_for(lambda: inbox.ids() == [1, 2])


def test_hints_of_a_handler_that_failed_are_delivered_again(dispatcher: Dispatcher) -> None:
    def fails(hints: Sequence[Hint]) -> bool:
        return hints[0].task_id == 1 and inbox.ids().count(1) < 3

    inbox = Inbox(fails)
    dispatcher.subscribe([Role.SCAN], inbox, slots=2, batch_bytes=0)
    dispatcher.publish(scan_hints(0, 1, 2))

    inbox.wait_for(lambda: inbox.ids().count(1) == 3)

    assert inbox.ids().count(0) == inbox.ids().count(2) == 1


def test_a_drained_dispatcher_waits_for_handlers_and_delivers_nothing_more(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    inbox.close()
    dispatcher.subscribe([Role.SCAN], inbox, slots=2, batch_bytes=0)
    dispatcher.publish(scan_hints(1, 2, 3))
    inbox.wait_for(lambda: inbox.at_work == 2)

    assert dispatcher.drain(0.0) is False
    inbox.open()
    assert dispatcher.drain(PATIENCE_SECONDS) is True

    assert (inbox.at_work, sorted(inbox.ids())) == (0, [1, 2])
    dispatcher.publish(scan_hints(4))
    assert dispatcher.drain(0.0) is True
    assert sorted(inbox.ids()) == [1, 2]


def test_draining_wakes_idle_handlers(dispatcher: Dispatcher) -> None:
    dispatcher.subscribe(list(Role), Inbox(), slots=4, batch_bytes=0)

    assert dispatcher.drain(PATIENCE_SECONDS) is True


def test_a_handler_may_publish(dispatcher: Dispatcher) -> None:
    seen = Inbox()

    def handler(hints: Sequence[Hint]) -> float:
        dispatcher.publish(Hint(hint.task_id + 1, Role.REDUCE) for hint in hints if hint.task_id < 5)
        return seen(hints)

    dispatcher.subscribe(list(Role), handler, slots=1, batch_bytes=0)
    dispatcher.publish([Hint(0, Role.SCAN)])

    seen.wait_for(lambda: seen.ids() == [0, 1, 2, 3, 4, 5])


def test_publishing_from_many_threads_loses_nothing(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    dispatcher.subscribe([Role.SCAN], inbox, slots=4, batch_bytes=100)
    threads = [
        threading.Thread(target=lambda n=n: [dispatcher.publish(scan_hints(n * 25 + i)) for i in range(25)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    inbox.wait_for(lambda: len(inbox.ids()) >= 200)

    assert set(inbox.ids()) == set(range(200))


def test_messages_come_again_after_an_error_that_celery_gives_up_at(request: pytest.FixtureRequest) -> None:
    dispatcher = CeleryDispatcher(request.getfixturevalue("rabbitmq").url, prefix=f"tolva{uuid4().hex}")
    inbox = Inbox()
    dispatcher.subscribe([Role.SCAN], inbox, slots=1, batch_bytes=100)
    dispatcher.publish(scan_hints(1))
    inbox.wait_for(lambda: inbox.ids() == [1])
    failing = threading.Event()

    def fail() -> None:
        failing.set()
        raise LookupError("no connection is broken")

    assert dispatcher._worker
    dispatcher._worker._soon(fail)
    assert failing.wait(PATIENCE_SECONDS)

    dispatcher.publish(scan_hints(2))

    inbox.wait_for(lambda: 2 in inbox.ids())
    assert dispatcher.drain(PATIENCE_SECONDS)


def test_offered_hints_are_delivered(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    dispatcher.offer([*scan_hints(1), Hint(2, Role.REDUCE)])
    dispatcher.subscribe(list(Role), inbox, slots=1, batch_bytes=0)

    inbox.wait_for(lambda: set(inbox.ids()) == {1, 2})


def test_what_is_offered_again_and_again_does_not_pile_up(dispatcher: Dispatcher) -> None:
    inbox = Inbox()
    for _ in range(10):
        dispatcher.offer(scan_hints(1, 2))
    dispatcher.subscribe([Role.SCAN], inbox, slots=1, batch_bytes=-1)
    dispatcher.publish(scan_hints(3))

    inbox.wait_for(lambda: 3 in inbox.ids())

    assert sorted(inbox.ids()) == [1, 2, 3]


# -- what only the local dispatcher promises --------------------------------------------------------------------------


def test_later_stages_come_first() -> None:
    dispatcher, inbox = LocalDispatcher(), Inbox()
    dispatcher.publish([Hint(1, Role.SCAN), Hint(2, Role.FINISH), Hint(3, Role.REDUCE), Hint(4, Role.SCAN)])

    dispatcher.subscribe([Role.SCAN, Role.REDUCE, Role.FINISH], inbox, slots=1, batch_bytes=-1)

    inbox.wait_for(lambda: inbox.ids() == [2, 3, 1, 4])
    dispatcher.drain(PATIENCE_SECONDS)


def test_a_hint_that_is_queued_is_not_queued_twice() -> None:
    dispatcher, inbox = LocalDispatcher(), Inbox()
    for _ in range(100):
        dispatcher.publish(scan_hints(1, 2))

    dispatcher.subscribe([Role.SCAN], inbox, slots=1, batch_bytes=100)

    inbox.wait_for(lambda: inbox.ids() == [1, 2])
    assert dispatcher.drain(PATIENCE_SECONDS)
    assert inbox.ids() == [1, 2]


def test_a_few_hints_are_shared_among_the_slots() -> None:
    dispatcher, inbox = LocalDispatcher(), Inbox()
    inbox.close()
    dispatcher.publish(scan_hints(1, 2, 3, 4))

    dispatcher.subscribe([Role.SCAN], inbox, slots=2, batch_bytes=1000)

    inbox.wait_for(lambda: inbox.at_work == 2)
    assert inbox.batches[0] == scan_hints(1, 2)
    inbox.open()
    inbox.wait_for(lambda: len(inbox.ids()) == 4)
    assert dispatcher.drain(PATIENCE_SECONDS)


def test_between_two_slow_tasks_others_have_their_turn() -> None:
    dispatcher, inbox = LocalDispatcher(), Inbox()
    inbox.close()

    def slow(hints: Sequence[Hint]) -> float:
        inbox(hints)
        return 10.0

    dispatcher.publish([Hint(n, Role.SCAN, 0, "big", "many") for n in range(100)])
    dispatcher.subscribe([Role.SCAN], slow, slots=1, batch_bytes=100)
    inbox.wait_for(lambda: inbox.at_work == 1)
    dispatcher.publish([Hint(100, Role.SCAN, 0, "small", "one")])
    inbox.open()

    inbox.wait_for(lambda: 100 in inbox.ids() and len(inbox.batches) > 10)

    assert {100} in [{hint.task_id for hint in batch} for batch in inbox.batches[1:3]]
    assert {len(batch) for batch in inbox.batches[1:10]} == {1}
    dispatcher.drain(PATIENCE_SECONDS)
