"""Wait for news of a job without holding a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.concurrency import run_in_threadpool

from tolva.jobs.service import JobService, Snapshot

LEAST_SECONDS = 0.25
"""The least time between two looks at a job that goes on fast."""
_FIRST_LOOK_SECONDS = 0.25
_LAST_LOOK_SECONDS = 1.0
"""A stopping server must not be kept waiting for longer."""
_LOOK_SHARE = 0.25
"""How late news that wasn't heard may come, as a share of the time that was waited for it already."""


class Bell:
    """Rings whenever the job went on by what this process did, or is over by what any did, as far as that is heard.

    News may be missed, so whoever waits looks again now and then: soon at first, for the sake of small jobs, and less
    and less often.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()
        self._over = asyncio.Event()
        self._began = time.monotonic()

    def ring(self, over: bool) -> None:
        """Say, from any thread, that there is news, and whether it is that the job is over."""
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self._loop.call_soon_threadsafe(self._ring, over)

    async def heard(self, least_seconds: float = LEAST_SECONDS) -> None:
        """Return when there may be news, but not before ``least_seconds`` unless the job is over."""
        least_until = time.monotonic() + least_seconds
        await _come(self._rung, self._patience_seconds())
        await _come(self._over, least_until - time.monotonic())
        self._rung.clear()
        self._over.clear()

    async def over(self, seconds: float) -> None:
        """Return when the job may be over, at the latest after ``seconds``."""
        await _come(self._over, min(self._patience_seconds(), seconds))
        self._over.clear()

    def _ring(self, over: bool) -> None:
        self._rung.set()
        if over:
            self._over.set()

    def _patience_seconds(self) -> float:
        waited_seconds = time.monotonic() - self._began
        return min(max(_LOOK_SHARE * waited_seconds, _FIRST_LOOK_SECONDS), _LAST_LOOK_SECONDS)


async def _come(event: asyncio.Event, seconds: float) -> None:
    """Return when the event came, or after ``seconds``."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), max(seconds, 0.0))


@asynccontextmanager
async def bell(service: JobService, job_id: str) -> AsyncIterator[Bell]:
    """Have a bell inside the block for who waits for news of the job."""
    each = Bell()
    with service.watching(job_id, each.ring):
        yield each


async def until_over(service: JobService, job_id: str, client: str | None, seconds: float) -> Snapshot:
    """Return the job when it is over, or as it is after ``seconds``."""
    deadline = time.monotonic() + seconds

    def look() -> Snapshot | None:
        job = service.job(job_id, client)
        return service.described(job) if job.status.final or time.monotonic() >= deadline else None

    async with bell(service, job_id) as news:
        while (seen := await run_in_threadpool(look)) is None:
            await news.over(deadline - time.monotonic())
    return seen
