"""Requests a second, evenly spread, for all threads of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class EvenPace:
    """Lets requests through one by one, at most ``per_second`` of them; see ``tolva.sources.Pace``.

    Time that nobody used isn't saved up: there are no bursts.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap_seconds = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next_at = 0.0

    def __call__(self) -> None:
        """Wait for this thread's turn."""
        with self._lock:
            now = self._clock()
            turn_at = max(now, self._next_at)
            self._next_at = turn_at + self._gap_seconds
        if turn_at > now:
            self._sleep(turn_at - now)


def no_pace() -> None:
    """Let every request through at once."""
