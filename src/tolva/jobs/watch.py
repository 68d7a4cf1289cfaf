"""Who waits for news of a job is told when there may be some."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

Tell = Callable[[bool], None]
"""Hears, in any thread, that a job went on, and whether it is over. It must return at once."""


class Watch:
    """Connects those who change jobs with those who wait, inside one process.

    Of what other processes did no more is heard than the catalog tells (``Catalog.listen``): whoever waits looks again
    now and then by himself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Tell]] = defaultdict(set)

    @contextmanager
    def on(self, job_id: str, tell: Tell) -> Iterator[None]:
        """Call ``tell`` whenever the job went on, inside the block."""
        with self._lock:
            self._waiting[job_id].add(tell)
        try:
            yield
        finally:
            with self._lock:
                self._waiting[job_id].discard(tell)
                if not self._waiting[job_id]:
                    del self._waiting[job_id]

    def changed(self, job_ids: Collection[str]) -> None:
        """Tell everybody who waits for one of these jobs that it went on."""
        self._tell(job_ids, over=False)

    def over(self, job_ids: Collection[str]) -> None:
        """Tell everybody who waits for one of these jobs that it is over."""
        self._tell(job_ids, over=True)

    def _tell(self, job_ids: Collection[str], *, over: bool) -> None:
        with self._lock:
            told = [tell for job_id in job_ids for tell in self._waiting.get(job_id, ())]
        for tell in told:
            tell(over)
