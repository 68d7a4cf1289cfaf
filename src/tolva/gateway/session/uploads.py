"""Files that come in over a session: each frame where it belongs, and the durable offset told back."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool

from tolva.errors import ConflictError, NotFoundError, TolvaError
from tolva.gateway.access import Caller
from tolva.gateway.hands import by_hand
from tolva.gateway.session.messages import EndUpload, Upload
from tolva.gateway.session.wire import Wire
from tolva.jobs.receiver import Receiver
from tolva.jobs.service import JobService
from tolva.protocol import WINDOW_BYTES, Frame

_SAVE_BYTES = WINDOW_BYTES // 2
"""Bytes are made durable, and acknowledged, after so many at the latest; the window's other half comes meanwhile."""


class Uploads:
    """The uploads of one connection. Bytes that were acknowledged survive its end; the rest is sent again."""

    def __init__(self, service: JobService, caller: Caller, wire: Wire) -> None:
        self._service = service
        self._caller = caller
        self._wire = wire
        self._receivers: dict[str, Receiver] = {}

    async def begin(self, message: Upload) -> None:
        """Answer how much of the file is there; its frames follow on from that."""
        upload = await run_in_threadpool(
            self._service.uploads.begin,
            message.job,
            self._caller.scope,
            message.table,
            message.name,
            size_bytes=message.bytes,
            sha256=message.sha256,
        )
        if not upload.ended and upload.id not in self._receivers:
            self._receivers[upload.id] = await by_hand(self._service.uploads.receive, upload)
        await self._wire.say(
            "upload",
            request=message.request,
            job=message.job,
            upload=upload.id,
            received_bytes=upload.received_bytes,
            ended=upload.ended,
        )

    async def take(self, frame: Frame) -> None:
        """Take a frame's bytes. ConflictError when they don't follow on those before."""
        receiver = self._receiver(frame.subject)
        if frame.offset != receiver.received_bytes:
            raise ConflictError(
                f"Upload {frame.subject} has {receiver.received_bytes} bytes; one at {frame.offset} doesn't follow.",
                upload=frame.subject,
                received_bytes=receiver.received_bytes,
            )
        before = receiver.upload.received_bytes
        try:
            await by_hand(receiver.write, bytes(frame.data))
            if receiver.received_bytes - receiver.upload.received_bytes >= _SAVE_BYTES:
                await by_hand(receiver.save)
        except (TolvaError, asyncio.CancelledError):
            # Cancelled, it isn't known whether these bytes could be taken.
            del self._receivers[frame.subject]
            await by_hand(receiver.abandon)
            raise
        if receiver.upload.received_bytes > before:
            await self._wire.say("received", upload=frame.subject, received_bytes=receiver.upload.received_bytes)

    async def end(self, message: EndUpload) -> None:
        """Note that the file is whole."""
        receiver = self._receiver(message.upload)
        try:
            upload = await by_hand(receiver.end)
        except (TolvaError, asyncio.CancelledError):
            del self._receivers[message.upload]
            await by_hand(receiver.abandon)
            raise
        del self._receivers[message.upload]
        await self._wire.say(
            "uploaded", request=message.request, upload=upload.id, received_bytes=upload.received_bytes
        )

    async def save(self) -> None:
        """Keep what arrived of unfinished files: the connection is over."""
        for receiver in self._receivers.values():
            try:
                await by_hand(receiver.save)
            except TolvaError:
                # Somebody else goes on with it, or the job is over: nothing of this end counts any more.
                await by_hand(receiver.abandon)
        self._receivers.clear()

    def _receiver(self, upload_id: str) -> Receiver:
        receiver = self._receivers.get(upload_id)
        if receiver is None:
            raise NotFoundError(f"There is no upload {upload_id} open here; say upload first.", upload=upload_id)
        return receiver
