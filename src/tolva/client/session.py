"""A job over one WebSocket: files go up, progress and results come down, and a lost connection costs nothing.

The other end and the rules are told in docs/protocol.md. Every step may be repeated, so going on after a loss is saying
everything again on a new connection: the server answers with what it has, and only what is missing is sent.
"""

from __future__ import annotations

import itertools
import json
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stamina
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tolva.client.downloads import Downloads
from tolva.client.sending import Announced, LocalFile, Steps, local_files, opened, send_files
from tolva.client.views import JobInfo, PartInfo
from tolva.errors import ConflictError, NotAllowedError, NotFoundError, StateError, TolvaError, UnreachableError
from tolva.protocol import MAX_DATA_BYTES, PATH, PING_SECONDS, SILENCE_SECONDS, SUBPROTOCOL, WINDOW_BYTES, Frame
from tolva.states import JobStatus

_LOST_SECONDS = 120.0
_WAIT_MAX_SECONDS = 2.0
_UNAUTHORIZED = 4401
_FORBIDDEN = frozenset({401, 403})


class LostError(Exception):
    """The connection is gone; a new one can go on."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done: a document, the local files of each table, and the folder that results go to.

    Files below the folder ``base`` are called by their path from there, others by their own name.
    """

    document: dict[str, Any]
    files: Mapping[str, Sequence[Path]]
    output: Path
    base: Path | None = None
    request_key: str = field(default_factory=lambda: secrets.token_hex(16))
    session: str = field(default_factory=lambda: secrets.token_hex(12))


def run_session(url: str, key: str | None, work: Work, on_progress: Callable[[JobInfo], None]) -> JobInfo:
    """Do the work on the server at ``url`` (http or https); return the job once all its results are in the folder.

    Raises what made the job fail or the server refuse; UnreachableError when the server stays away for two minutes.
    """
    downloads = Downloads(work.output)
    patience = _Patience()
    address = url.replace("http", "ws", 1).rstrip("/") + PATH
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        for attempt in stamina.retry_context(on=patience, attempts=None, timeout=None, wait_max=_WAIT_MAX_SECONDS):
            with attempt, _connected(address, headers) as socket:
                return _Connection(socket, work, downloads, on_progress, patience.heard).run()
    except LostError as lost:
        raise UnreachableError(f"The server at {url} stays away: {lost}. Is it running (tolva serve)?") from None
    raise AssertionError("stamina ends with an answer or an error")


class _Patience:
    """Says whether to try again: while the server was heard of in the last two minutes."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def heard(self) -> None:
        self._last = time.monotonic()

    def __call__(self, error: Exception) -> bool:
        return isinstance(error, LostError) and time.monotonic() - self._last < _LOST_SECONDS


def _connected(address: str, headers: Mapping[str, str]) -> ClientConnection:
    try:
        return connect(
            address,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers=headers,
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
        )
    except InvalidStatus as error:
        if error.response.status_code in _FORBIDDEN:
            raise NotAllowedError("The server doesn't let this client in: is the key right?") from None
        raise LostError(str(error)) from None
    except (OSError, InvalidHandshake) as error:
        raise LostError(str(error) or type(error).__name__) from None


class _Connection:
    """One connection's try to do all the work."""

    def __init__(
        self,
        socket: ClientConnection,
        work: Work,
        downloads: Downloads,
        on_progress: Callable[[JobInfo], None],
        on_heard: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._work = work
        self._downloads = downloads
        self._on_progress = on_progress
        self._on_heard = on_heard
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any] | Exception]] = {}
        self._max_data_bytes, self._window_bytes = MAX_DATA_BYTES, WINDOW_BYTES
        self._acknowledged = threading.Condition()
        self._stored: dict[str, int] = {}
        self._refused: dict[str, TolvaError] = {}
        self._parts: dict[int, PartInfo] = {}
        self._over: queue.SimpleQueue[JobInfo | Exception] = queue.SimpleQueue()
        self._cause: Exception | None = None
        """Why the connection is over; None while it isn't."""

    def run(self) -> JobInfo:
        """Say everything from the beginning; return the finished job."""
        self._say("begin_connection", session=self._work.session)
        reader = threading.Thread(target=self._read, name="session", daemon=True)
        reader.start()
        pinger = threading.Thread(target=self._ping, name="session-ping", daemon=True)
        pinger.start()
        try:
            answer = self._ask("submit_job", document=self._work.document, request_key=self._work.request_key)
            job: str = answer["job"]["id"]
            self._ask("follow", job=job, results=self._downloads.have())
            if not JobInfo.from_json(answer["job"]).status.final:
                self._send_files(job)
            return self._outcome()
        except BaseException:
            # A thread that sends may hold the connection's lock for as long as the server takes nothing.
            with suppress(OSError):
                self._socket.socket.shutdown(socket.SHUT_RDWR)
            raise
        finally:
            self._end(LostError("this end has left"))
            self._socket.close()
            reader.join()

    def _outcome(self) -> JobInfo:
        """Wait for the job's end; raise what made it fail."""
        outcome = self._over.get()
        self._over.put(outcome)
        if isinstance(outcome, Exception):
            raise outcome
        outcome.check()
        return outcome

    def _send_files(self, job: str) -> None:
        """Send every file and say that these are all; a job that is over already takes none, and that is all right."""
        try:
            found = local_files(self._work.files, self._work.base)
            send_files([self._announce(job, file) for file in found], self._upload)
            self._ask("start_job", job=job)
        except ConflictError:
            raise
        except StateError:
            # The job has failed over what it has: why it failed is what should be heard, and will be.
            return

    def _announce(self, job: str, file: LocalFile) -> Announced:
        answer = self._ask("upload", job=job, table=file.table, name=file.name, bytes=file.bytes)
        announced = Announced(file, answer["upload"], answer["received_bytes"], answer["ended"])
        self._stored[announced.upload] = announced.received_bytes
        return announced

    def _upload(self, announced: Announced, on_sent: Callable[[int], None]) -> Steps:
        upload, offset = announced.upload, announced.received_bytes
        yield offset
        if announced.ended:
            return
        with opened(announced.file) as source:
            source.seek(offset)
            while data := source.read(self._max_data_bytes):
                self._await_room(upload, offset)
                self._send(Frame(upload, 0, offset, data).encode())
                offset += len(data)
                on_sent(offset)
                yield self._stored[upload]
        try:
            self._ask("end_upload", upload=upload)
        except NotFoundError as error:
            raise self._refused.get(upload, error) from None
        yield announced.file.bytes

    def _await_room(self, upload: str, offset: int) -> None:
        with self._acknowledged:
            self._acknowledged.wait_for(
                lambda: (
                    offset - self._stored[upload] < self._window_bytes
                    or upload in self._refused
                    or self._cause is not None
                )
            )
        if self._cause is not None:
            raise self._cause
        if upload in self._refused:
            raise self._refused[upload]

    def _ask(self, type_: str, **values: Any) -> dict[str, Any]:
        """Say something and return the answer to it; raise the error that it was answered with."""
        number = next(self._numbers)
        answers: queue.SimpleQueue[dict[str, Any] | Exception] = queue.SimpleQueue()
        self._answers[number] = answers
        if self._cause is not None:
            raise self._cause
        self._say(type_, request=number, **values)
        answer = answers.get()
        del self._answers[number]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _say(self, type_: str, **values: Any) -> None:
        self._send(json.dumps({"type": type_, **values}))

    def _send(self, message: str | bytes) -> None:
        try:
            self._socket.send(message)
        except ConnectionClosed as closed:
            raise _lost(closed) from None

    def _ping(self) -> None:
        wait = threading.Event()
        while not wait.wait(PING_SECONDS) and self._cause is None:
            with suppress(LostError, NotAllowedError):
                self._say("ping")

    # -- what comes in ----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            while self._cause is None:
                message = self._socket.recv(SILENCE_SECONDS)
                self._on_heard()
                self._take(message)
        except TimeoutError:
            self._end(LostError(f"nothing was heard for {SILENCE_SECONDS:g} s"))
        except ConnectionClosed as closed:
            self._end(_lost(closed))
        except (TolvaError, LostError) as error:
            self._end(error)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._take_data(Frame.decode(message))
            return
        value = json.loads(message)
        match value["type"]:
            case "connection":
                self._max_data_bytes, self._window_bytes = value["max_data_bytes"], value["window_bytes"]
            case "progress":
                self._on_progress(JobInfo.from_json(value["job"]))
            case "received":
                with self._acknowledged:
                    self._stored[value["upload"]] = value["received_bytes"]
                    self._acknowledged.notify_all()
            case "result":
                part = PartInfo.from_json(value["part"])
                self._parts[value["number"]] = part
                self._acknowledge(value["job"], part, self._downloads.begin(part, value["offset"]))
            case "finished":
                self._finish(JobInfo.from_json(value["job"]))
            case "error":
                self._fail(value)
            case "ping":
                self._say("pong")
            case _:
                if value.get("request") in self._answers:
                    self._answers[value["request"]].put(value)

    def _finish(self, info: JobInfo) -> None:
        if info.status is JobStatus.COMPLETED:
            self._downloads.check()
        self._over.put(info)

    def _take_data(self, frame: Frame) -> None:
        part = self._parts[frame.number]
        self._acknowledge(frame.subject, part, self._downloads.write(part, frame.offset, frame.data))

    def _acknowledge(self, job: str, part: PartInfo, size: int) -> None:
        self._say("submit_results", job=job, part=part.name, bytes=size)

    def _fail(self, value: dict[str, Any]) -> None:
        error = TolvaError.from_dict({"code": value["code"], "message": value["message"], "data": value["data"]})
        answers = self._answers.get(value.get("request", 0))
        if answers is not None:
            answers.put(error)
        elif value.get("upload") in self._stored:
            self._refuse(value["upload"], error)
        else:
            self._end(error)

    def _refuse(self, upload: str, error: TolvaError) -> None:
        """Note why an upload ended: what its first refused frame was told; those behind it only follow."""
        with self._acknowledged:
            self._refused.setdefault(upload, error)
            self._acknowledged.notify_all()

    def _end(self, error: Exception) -> None:
        """Let everybody who waits on this connection know that it is over."""
        with self._acknowledged:
            if self._cause is not None:
                return
            self._cause = error
            self._acknowledged.notify_all()
        self._over.put(error)
        for answers in list(self._answers.values()):
            answers.put(error)


def _lost(closed: ConnectionClosed) -> Exception:
    close = closed.rcvd
    if close is not None and close.code == _UNAUTHORIZED:
        return NotAllowedError(close.reason)
    return LostError(close.reason or f"closed with code {close.code}" if close else "it broke off")
