"""Wait for news of a job without holding a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.concurrency import run_in_threadpool

from tolva.jobs.service import JobService, Snapshot

_LOOK_AGAIN_SECONDS = 1.0
"""News from other processes isn't heard of, and a stopping server must not be kept waiting."""


@asynccontextmanager
async def bell(service: JobService, job_id: str) -> AsyncIterator[asyncio.Event]:
    """Have an event inside the block that is set whenever the job went on."""
    loop = asyncio.get_running_loop()
    rung = asyncio.Event()

    def ring() -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(rung.set)

    with service.watching(job_id, ring):
        yield rung


async def heard(rung: asyncio.Event, seconds: float = _LOOK_AGAIN_SECONDS) -> None:
    """Return when there may be news, at the latest after ``seconds``."""
    with suppress(TimeoutError):
        await asyncio.wait_for(rung.wait(), seconds)
    rung.clear()


async def until_over(service: JobService, job_id: str, client: str | None, seconds: float) -> Snapshot:
    """Return the job when it is over, or as it is after ``seconds``."""
    deadline = time.monotonic() + seconds
    async with bell(service, job_id) as rung:
        while True:
            job = await run_in_threadpool(service.job, job_id, client)
            left = deadline - time.monotonic()
            if job.status.final or left <= 0:
                return await run_in_threadpool(service.snapshot, job_id, client)
            await heard(rung, min(left, _LOOK_AGAIN_SECONDS))
