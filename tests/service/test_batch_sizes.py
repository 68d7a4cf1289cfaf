"""How many hints go together: many of quick work, few of slow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tolva.dispatchers.pace import Pace
from tolva.plan import Role


def worked(pace: Pace, seconds_each: float, batches: int) -> int:
    """Let so many batches be done; return how large the last was."""
    most = 0
    for _ in range(batches):
        most = pace.most("j", Role.SCAN)
        pace.learn("j", Role.SCAN, most, seconds_each * most)
    return most


def test_empty_tasks_go_by_the_dozen() -> None:
    assert worked(Pace(), 0.0, 6) == 64


def test_slow_tasks_go_one_by_one() -> None:
    assert worked(Pace(), 10.0, 2) == 1


def test_work_that_becomes_slower_or_quicker_is_heard_of() -> None:
    pace = Pace()
    worked(pace, 0.001, 10)
    assert worked(pace, 0.05, 2) == 2
    assert worked(pace, 0.001, 10) == 64


def test_jobs_and_roles_are_learned_of_apart() -> None:
    pace = Pace()
    worked(pace, 10.0, 1)
    assert pace.most("j", Role.SCAN) == 1
    assert pace.most("j", Role.REDUCE) == Pace().most("other", Role.SCAN) == 4


@given(st.lists(st.tuples(st.integers(1, 64), st.floats(0, 1e6)), max_size=50))
def test_a_batch_has_at_least_one_hint_and_is_done_in_a_moment_unless_work_changes(
    done: list[tuple[int, float]],
) -> None:
    pace = Pace()
    for hints, seconds in done:
        pace.learn("j", Role.SCAN, hints, seconds)
        most = pace.most("j", Role.SCAN)
        assert 1 <= most <= 64
        assert most == 1 or most * seconds / hints <= 0.1001
