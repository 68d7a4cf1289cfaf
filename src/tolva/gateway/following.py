"""Followed jobs: one look at each whenever it went on, for all who follow it, however many they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from tolva.errors import TolvaError
from tolva.gateway.views import JobDetailView, detail_view
from tolva.gateway.waiting import LEAST_SECONDS, bell
from tolva.jobs.service import JobService
from tolva.states import JobStatus

_log = logging.getLogger(__name__)

_LEAST_SECONDS_EACH = 0.005
"""The least time between two looks at a job, for each of its followers, if that is more than for one who waits."""

_WOKEN_TOGETHER = 8
"""Followers that are told of a look at once; the event loop has other work, too."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a job showed: the job, the same as JSON, and the number of its last part that can be fetched."""

    job: JobDetailView
    text: str
    last_part: int


class Followed:
    """A job that somebody follows. ``seen`` is what the last look showed.

    It is None when the job can't be seen any more, be it that it was forgotten or that looking went wrong.
    """

    def __init__(self, service: JobService, job_id: str) -> None:
        self._service = service
        self._job_id = job_id
        self._news = asyncio.Condition()
        self._looks = 0
        self.seen: Seen | None = None
        self.followers = 0

    async def news(self, looks: int) -> int:
        """Wait until there were more than ``looks`` looks; return how many."""
        async with self._news:
            await self._news.wait_for(lambda: self._looks > looks)
            return self._looks

    async def watch(self) -> None:
        """Look again and again, until the job is over."""
        last_part = 0
        async with bell(self._service, self._job_id) as news:
            while True:
                try:
                    self.seen = await run_in_threadpool(self._look, last_part)
                except TolvaError:
                    self.seen = None
                except Exception:  # noqa: BLE001 - whatever it is, followers must not wait for a look that never comes
                    _log.exception("Job %s can't be followed any more.", self._job_id)
                    self.seen = None
                await self._tell()
                if self.seen is None or self.seen.job.status.final:
                    return
                last_part = self.seen.last_part
                await news.heard(max(LEAST_SECONDS, _LEAST_SECONDS_EACH * self.followers))

    async def _tell(self) -> None:
        self._looks += 1
        for _ in range(0, self.followers, _WOKEN_TOGETHER):
            async with self._news:
                self._news.notify(_WOKEN_TOGETHER)
            await asyncio.sleep(0)

    def _look(self, last_part: int) -> Seen:
        # Parts are asked for after the job: of one that is over all are there then.
        snapshot = self._service.snapshot(self._job_id, None)
        gone = snapshot.job.status is JobStatus.CANCELLED or snapshot.job.files_deleted_at is not None
        parts = [] if gone else self._service.parts_after(self._job_id, None, last_part)
        view = detail_view(snapshot)
        return Seen(view, view.model_dump_json(), parts[-1][0] if parts else last_part)


class Following:
    """All jobs that are followed in this process."""

    def __init__(self, service: JobService) -> None:
        self._service = service
        self._jobs: dict[str, tuple[Followed, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def follow(self, job_id: str) -> AsyncIterator[Followed]:
        """Have the job followed inside the block, by whoever follows it already or from now on."""
        followed, watching = self._jobs.get(job_id, (None, None))
        # One that is over could be retried while its last followers still hear of its end.
        if followed is None or watching is None or watching.done():
            followed = Followed(self._service, job_id)
            watching = asyncio.create_task(followed.watch())
            self._jobs[job_id] = followed, watching
        followed.followers += 1
        try:
            yield followed
        finally:
            followed.followers -= 1
            if not followed.followers:
                watching.cancel()
                if self._jobs[job_id][0] is followed:
                    del self._jobs[job_id]
