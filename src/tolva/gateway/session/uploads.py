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
from tolva.model import NewUpload
from tolva.protocol import WINDOW_BYTES, Frame
from tolva.storage import Buffer

_SAVE_BYTES = WINDOW_BYTES // 4
"""After so many, bytes are made durable and acknowledged when that is cheap: next to none are in no chunk yet."""

_SAVE_ANYWAY_BYTES = WINDOW_BYTES // 2
"""After so many they are in any case; the window's other half comes meanwhile."""


class Uploads:
    """The uploads of one connection. Bytes that were acknowledged survive its end; the rest is sent again."""

    def __init__(self, service: JobService, caller: Caller, wire: Wire) -> None:
        self._service = service
        self._caller = caller
        self._wire = wire
        self._jobs: dict[str, str] = {}
        """The job of each upload that was begun here. Its receiver is opened with its first bytes."""
        self._receivers: dict[str, Receiver] = {}

    async def begin(self, message: Upload) -> None:
        """Answer how much of the file is there; its frames follow on from that."""
        new = NewUpload(message.table, message.name, message.bytes, message.sha256)
        [upload] = await run_in_threadpool(self._service.uploads.begin, message.job, self._caller.scope, new)
        if not upload.ended:
            self._jobs[upload.id] = message.job
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
        receiver = await self._receiver(frame.subject)
        if frame.offset != receiver.received_bytes:
            raise ConflictError(
                f"Upload {frame.subject} has {receiver.received_bytes} bytes; one at {frame.offset} doesn't follow.",
                upload=frame.subject,
                received_bytes=receiver.received_bytes,
            )
        before = receiver.upload.received_bytes
        try:
            await by_hand(_take, receiver, frame.data)
        except (TolvaError, asyncio.CancelledError):
            # Cancelled, it isn't known whether these bytes could be taken.
            self._close(frame.subject)
            await by_hand(receiver.abandon)
            raise
        if receiver.upload.received_bytes > before:
            await self._wire.say("received", upload=frame.subject, received_bytes=receiver.upload.received_bytes)

    async def end(self, message: EndUpload) -> None:
        """Note that the file is whole."""
        receiver = await self._receiver(message.upload)
        try:
            upload = await by_hand(receiver.end)
        except (TolvaError, asyncio.CancelledError):
            self._close(message.upload)
            await by_hand(receiver.abandon)
            raise
        self._close(message.upload)
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

    async def _receiver(self, upload_id: str) -> Receiver:
        receiver = self._receivers.get(upload_id)
        if receiver is not None:
            return receiver
        if upload_id not in self._jobs:
            raise NotFoundError(f"There is no upload {upload_id} open here; say upload first.", upload=upload_id)
        uploads = self._service.uploads
        upload = await run_in_threadpool(uploads.one, self._jobs[upload_id], self._caller.scope, upload_id)
        receiver = self._receivers[upload_id] = await by_hand(uploads.receive, upload)
        return receiver

    def _close(self, upload_id: str) -> None:
        del self._jobs[upload_id], self._receivers[upload_id]


def _take(receiver: Receiver, data: Buffer) -> None:
    completed = receiver.write(bytes(data))
    unsaved_bytes = receiver.received_bytes - receiver.upload.received_bytes
    if unsaved_bytes >= (_SAVE_BYTES if completed else _SAVE_ANYWAY_BYTES):
        receiver.save()
