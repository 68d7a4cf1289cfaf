"""One connection of a session: reads messages one by one, and answers each."""

from __future__ import annotations

import asyncio
import secrets

from starlette.concurrency import run_in_threadpool

from tolva.errors import NotAllowedError, StateError, TolvaError
from tolva.gateway.access import Caller, Doors
from tolva.gateway.hands import until_done
from tolva.gateway.session import messages as m
from tolva.gateway.session.results import Pusher, Window
from tolva.gateway.session.uploads import Uploads
from tolva.gateway.session.wire import POLICY, Ended, Wire
from tolva.gateway.views import job_view
from tolva.jobs.documents import validate
from tolva.jobs.service import JobService
from tolva.model import Job
from tolva.protocol import MAX_DATA_BYTES, PING_SECONDS, WINDOW_BYTES, Frame

UNAUTHORIZED = 4401
MAX_FOLLOWED = 64


class Connection:
    """Serves one connection from ``begin_connection`` to its end.

    Messages are handled one after the other: a client that sends faster than its files can be stored is held back by
    the socket itself. Results go out beside that, in tasks of their own.
    """

    def __init__(self, service: JobService, doors: Doors, authorization: str | None, wire: Wire) -> None:
        self._service = service
        self._doors = doors
        self._authorization = authorization
        self._wire = wire
        self._window = Window()
        self._pushers: dict[str, Pusher] = {}
        self.session = ""

    async def begin(self) -> Caller:
        """Wait for the first message and return who calls. Ended if it isn't one that may."""
        first = await self._wire.receive()
        if not isinstance(first, m.BeginConnection):
            raise Ended(POLICY, "the first message is begin_connection")
        if first.key is not None:
            self._authorization = f"Bearer {first.key}"
        caller = await self._admitted()
        self.session = first.session or secrets.token_urlsafe(12)
        await self._wire.say(
            "connection",
            session=self.session,
            client=caller.client,
            ping_seconds=PING_SECONDS,
            max_data_bytes=MAX_DATA_BYTES,
            window_bytes=WINDOW_BYTES,
        )
        return caller

    async def serve(self, caller: Caller) -> None:
        """Answer messages until the connection is over; then keep what arrived of unfinished files."""
        uploads = Uploads(self._service, caller, self._wire)
        try:
            async with asyncio.TaskGroup() as beside:
                beside.create_task(self._wire.keep_alive())
                while True:
                    await self._answer(caller, uploads, beside)
        finally:
            await until_done(asyncio.create_task(uploads.save()))

    async def _answer(self, caller: Caller, uploads: Uploads, beside: asyncio.TaskGroup) -> None:
        request: dict[str, object] = {}
        try:
            message = await self._wire.receive()
            if isinstance(message, Frame):
                request = {"upload": message.subject}
                await uploads.take(message)
                return
            if isinstance(message, m.Request):
                request = {"request": message.request}
                await self._admitted()
            await self._obey(message, caller, uploads, beside)
        except TolvaError as error:
            await self._wire.complain(error, **request)

    async def _obey(self, message: m.Message, caller: Caller, uploads: Uploads, beside: asyncio.TaskGroup) -> None:
        match message:
            case m.Upload():
                await uploads.begin(message)
            case m.EndUpload():
                await uploads.end(message)
            case m.Follow():
                await self._follow(message, caller, beside)
            case m.SubmitJob() | m.StartJob() | m.CancelJob():
                job = await run_in_threadpool(self._act, message, caller)
                await self._wire.say("job", request=message.request, job=job_view(job).model_dump(mode="json"))
            case m.SubmitResults():
                if message.job in self._pushers:
                    await self._pushers[message.job].acknowledge(message)
            case m.Ping():
                await self._wire.say("pong")
            case m.BeginConnection():
                raise StateError("The connection has begun already.")
            case m.Pong():
                pass

    def _act(self, message: m.SubmitJob | m.StartJob | m.CancelJob, caller: Caller) -> Job:
        match message:
            case m.SubmitJob():
                return self._service.submit(
                    validate(message.document, "submit_job"),
                    caller.client,
                    may_read_files=caller.may_read_files,
                    request_key=message.request_key,
                )
            case m.StartJob():
                return self._service.start_job(message.job, caller.scope)
            case m.CancelJob():
                return self._service.cancel(message.job, caller.scope)

    async def _follow(self, message: m.Follow, caller: Caller, beside: asyncio.TaskGroup) -> None:
        await run_in_threadpool(self._service.job, message.job, caller.scope)
        if message.job in self._pushers:
            raise StateError(f"Job {message.job} is followed on this connection already.", job=message.job)
        if len(self._pushers) == MAX_FOLLOWED:
            raise StateError(f"One connection follows at most {MAX_FOLLOWED} jobs.")
        pusher = Pusher(self._service, caller, self._wire, self._window, message.job, message.results)
        self._pushers[message.job] = pusher
        await self._wire.say("following", request=message.request, job=message.job)
        beside.create_task(self._push(message.job, pusher))

    async def _push(self, job_id: str, pusher: Pusher) -> None:
        try:
            await self._admitted()
            await pusher.run()
        except TolvaError as error:
            await self._wire.complain(error, job=job_id)

    async def _admitted(self) -> Caller:
        """Return who calls: asked anew for every request, so that a revoked key ends the session."""
        try:
            return await run_in_threadpool(self._doors.admit, self._authorization)
        except NotAllowedError as error:
            raise Ended(UNAUTHORIZED, error.message) from None
