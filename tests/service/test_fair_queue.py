"""Whose turn it is: clients in turn, jobs of a client in turn, late stages first."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tolva.dispatchers.fair_queue import FairQueue
from tolva.model import Hint
from tolva.plan import Role

ALL = frozenset(Role)


def hint(task: int, client: str = "a", job: str = "j", role: Role = Role.SCAN, size: int = 0) -> Hint:
    return Hint(task, role, size, f"{client}/{job}", client)


def filled(hints: Iterable[Hint]) -> FairQueue:
    queue = FairQueue()
    for each in hints:
        queue.put(each)
    return queue


def take(queue: FairQueue, most: int = 1) -> list[Hint]:
    return queue.take(ALL, 100, lambda _job, _role: most, share=1)


def test_one_task_waits_for_one_turn_of_a_client_with_thousands() -> None:
    queue = filled(hint(n) for n in range(10_000))
    take(queue, 64)
    queue.put(hint(10_000, client="b"))
    taken = [take(queue, 64), take(queue, 64)]
    assert [10_000] in [[each.task_id for each in batch] for batch in taken]


def test_many_jobs_of_a_client_are_one_client() -> None:
    queue = filled(hint(n, job=str(n)) for n in range(100))
    for n in range(100, 110):
        queue.put(hint(n, client="b"))
    first = [take(queue)[0].client for _ in range(20)]
    assert first.count("b") == 10


def test_jobs_of_a_client_take_turns() -> None:
    queue = filled([*(hint(n, job="big") for n in range(10)), hint(10, job="small")])
    assert 10 in [take(queue)[0].task_id for _ in range(2)]


def test_late_stages_go_first_within_a_job() -> None:
    queue = filled([hint(1, role=Role.SCAN), hint(2, role=Role.REDUCE), hint(3, role=Role.FINISH)])
    assert [take(queue, 9)[0].task_id for _ in range(3)] == [3, 2, 1]


@given(
    st.lists(
        st.builds(
            hint,
            st.integers(0, 30),
            st.sampled_from("abc"),
            st.sampled_from("xy"),
            st.sampled_from(list(Role)),
            st.integers(0, 120),
        )
    ),
    st.integers(1, 8),
    st.integers(1, 4),
)
def test_every_hint_comes_out_once_in_batches_of_one_job_and_role(hints: list[Hint], most: int, share: int) -> None:
    queue = filled(hints)
    out: list[Hint] = []
    while batch := queue.take(ALL, 100, lambda _job, _role: most, share):
        assert len(batch) <= most
        assert len(batch) == 1 or sum(each.bytes for each in batch) <= 100
        assert len({(each.client, each.job_id, each.role) for each in batch}) == 1
        out += batch
    keys = [(each.client, each.job_id, each.role, each.task_id) for each in out]
    assert len(keys) == len(set(keys))
    assert set(keys) == {(each.client, each.job_id, each.role, each.task_id) for each in hints}
