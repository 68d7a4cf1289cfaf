"""Wait for news of a job without holding a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.concurrency import run_in_threadpool

from tolva.jobs.service import JobService, Snapshot

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
        self._began = time.monotonic()

    def ring(self) -> None:
        """Say, from any thread, that there is news."""
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self._loop.call_soon_threadsafe(self._rung.set)

    async def heard(self, seconds: float = _LAST_LOOK_SECONDS) -> None:
        """Return when there may be news, at the latest after ``seconds``."""
        waited = time.monotonic() - self._began
        pause = min(max(_LOOK_SHARE * waited, _FIRST_LOOK_SECONDS), _LAST_LOOK_SECONDS, seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), pause)
        self._rung.clear()


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
            await news.heard(max(0.0, deadline - time.monotonic()))
    return seen
