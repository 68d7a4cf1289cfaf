from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tolva.export.pace import EvenPace


def test_turns_are_even_and_unused_time_isn_t_saved_up() -> None:
    now = [100.0]
    turns: list[float] = []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = EvenPace(10, clock=lambda: now[0], sleep=sleep)
    for _ in range(3):
        pace()
        turns.append(round(now[0], 6))
    now[0] += 5
    for _ in range(2):
        pace()
        turns.append(round(now[0], 6))
    assert turns == [100.0, 100.1, 100.2, 105.2, 105.3]


def test_threads_share_the_pace() -> None:
    slept: list[float] = []
    pace = EvenPace(1, clock=lambda: 50.0, sleep=slept.append)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            pool.submit(pace)
    assert sorted(slept) == [float(n) for n in range(1, 20)]
