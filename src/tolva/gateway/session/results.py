"""Progress and results pushed over a session, no faster than the client takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool

from tolva.gateway.access import Caller
from tolva.gateway.session.messages import SubmitResults
from tolva.gateway.session.wire import Wire
from tolva.gateway.views import detail_view, part_view
from tolva.gateway.waiting import bell
from tolva.jobs.service import JobService, Snapshot
from tolva.model import Part
from tolva.protocol import MAX_DATA_BYTES, Frame
from tolva.states import JobStatus

_WINDOW_BYTES = 8 * 2**20
"""The most result bytes on their way without an acknowledgement."""


class Window:
    """How many bytes are on their way without an acknowledgement."""

    def __init__(self) -> None:
        self._room = asyncio.Condition()
        self._sent = 0
        self._taken = 0

    async def pass_through(self, size: int) -> None:
        """Wait until ``size`` more bytes may be sent."""
        async with self._room:
            await self._room.wait_for(lambda: self._sent - self._taken < _WINDOW_BYTES)
            self._sent += size

    async def take(self, size: int) -> None:
        """Note that so many bytes were acknowledged."""
        async with self._room:
            self._taken += size
            self._room.notify_all()


class Pusher:
    """Pushes one job's progress and results, from what the client has on."""

    def __init__(
        self, service: JobService, caller: Caller, wire: Wire, window: Window, job_id: str, have: Mapping[str, int]
    ) -> None:
        self._service = service
        self._caller = caller
        self._wire = wire
        self._window = window
        self._job_id = job_id
        self._have = dict(have)
        self._unacknowledged: dict[str, int] = {}
        self._told: object = None

    async def run(self) -> None:
        """Push until the job is over and all its results are sent. Errors are TolvaError or Ended."""
        sequence = 0
        async with bell(self._service, self._job_id) as news:
            while True:
                snapshot = await run_in_threadpool(self._service.snapshot, self._job_id, self._caller.scope)
                await self._tell(snapshot)
                if snapshot.job.status in (JobStatus.PENDING, JobStatus.WIP, JobStatus.COMPLETED):
                    sequence = await self._push_parts(sequence)
                if snapshot.job.status.final:
                    # What it has may all have been acknowledged before the job was completed.
                    await self._note_retrieved()
                    await self._wire.say("finished", job=self._view(snapshot))
                    return
                await news.heard()

    async def acknowledge(self, message: SubmitResults) -> None:
        """Note what the client has for good; once that is all of a completed job, it counts as retrieved."""
        left = self._unacknowledged.get(message.part)
        before = self._have.get(message.part, 0)
        if left is None or message.bytes <= before:
            return
        self._have[message.part] = message.bytes
        await self._window.take(message.bytes - before)
        await self._note_retrieved()

    async def _push_parts(self, sequence: int) -> int:
        found = await run_in_threadpool(self._service.parts_after, self._job_id, self._caller.scope, sequence)
        for number, part in found:
            await self._push(number, part)
            sequence = number
        return sequence

    async def _push(self, number: int, part: Part) -> None:
        start = min(self._have.get(part.name, 0), part.bytes)
        self._have[part.name] = start
        self._unacknowledged[part.name] = part.bytes
        view = part_view(self._job_id, part).model_dump(mode="json")
        await self._wire.say("result", job=self._job_id, number=number, part=view, offset=start)
        for offset in range(start, part.bytes, MAX_DATA_BYTES):
            size = min(MAX_DATA_BYTES, part.bytes - offset)
            await self._window.pass_through(size)
            for block in await run_in_threadpool(list, self._service.read(part, offset, size)):
                await self._wire.send(Frame(self._job_id, number, offset, block))
        await self._note_retrieved()

    async def _note_retrieved(self) -> None:
        job = await run_in_threadpool(self._service.job, self._job_id, self._caller.scope)
        if job.status is not JobStatus.COMPLETED or job.retrieved_at is not None:
            return
        parts = await run_in_threadpool(self._service.parts, self._job_id, self._caller.scope)
        if all(self._have.get(part.name, -1) >= part.bytes for part in parts):
            await run_in_threadpool(self._service.retrieved, self._job_id)

    async def _tell(self, snapshot: Snapshot) -> None:
        view = self._view(snapshot)
        if view != self._told:
            self._told = view
            await self._wire.say("progress", job=view)

    def _view(self, snapshot: Snapshot) -> object:
        return detail_view(snapshot).model_dump(mode="json")
