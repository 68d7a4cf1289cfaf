"""Who waits for a job hears of its end at once, and of its progress now and then."""

from __future__ import annotations

import asyncio

from tolva.gateway.waiting import Bell
from tolva.jobs.watch import Watch

_FOR_EVER_SECONDS = 3600.0
_PATIENCE_SECONDS = 30.0


async def _goes_on(pausing: asyncio.Task[None]) -> bool:
    done, _ = await asyncio.wait([pausing], timeout=0.5)
    return not done


def test_the_end_of_a_job_cuts_every_pause_short() -> None:
    async def wait() -> None:
        watch, bell = Watch(), Bell()
        with watch.on("j", bell.ring):
            watch.changed({"j"})
            pausing = asyncio.create_task(bell.heard(least_seconds=_FOR_EVER_SECONDS))
            assert await _goes_on(pausing)
            watch.changed({"j"})
            watch.over({"other"})
            watch.over({"j"})
            await asyncio.wait_for(pausing, _PATIENCE_SECONDS)

    asyncio.run(wait())


def test_an_end_that_was_heard_is_not_heard_again() -> None:
    async def wait() -> None:
        bell = Bell()
        bell.ring(True)
        await bell.heard(least_seconds=_FOR_EVER_SECONDS)
        bell.ring(False)
        pausing = asyncio.create_task(bell.heard(least_seconds=_FOR_EVER_SECONDS))
        assert await _goes_on(pausing)
        bell.ring(True)
        await asyncio.wait_for(pausing, _PATIENCE_SECONDS)

    asyncio.run(wait())
