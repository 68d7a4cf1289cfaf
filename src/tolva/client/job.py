"""One job on the server: its files in, its state, its results out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from tolva.client.http import Http
from tolva.client.results import Results
from tolva.client.sending import Announced, LocalFile, Steps, local_file, local_files, send_files
from tolva.client.uploads import announce, send_file
from tolva.client.views import JobInfo, PartInfo
from tolva.errors import StateError, UnreachableError

if TYPE_CHECKING:
    import pyarrow as pa

API = "/api/v1"

_SILENCE_SECONDS = 60.0
"""The server says something on an event stream more often than this."""

_LOST_SECONDS = 120.0
"""How long a server may be away before whoever waits is told."""


class Job:
    """A job. ``info`` is what the server last said of it."""

    def __init__(self, http: Http, info: JobInfo) -> None:
        self._http = http
        self.info = info
        self._path = f"{API}/jobs/{info.id}"

    @property
    def id(self) -> str:
        """The job's id."""
        return self.info.id

    def refresh(self) -> JobInfo:
        """Ask how the job is."""
        self.info = JobInfo.from_json(self._http.call("GET", self._path).json())
        return self.info

    def upload(
        self,
        table: str,
        path: str | Path,
        *,
        name: str | None = None,
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Send a file of a table; broken off, it goes on where the server has it. Work on it begins at once.

        ``name`` is its label in reports (default: the file's own); ``on_bytes`` is told how many bytes were sent.
        """
        with self._failure_told():
            send_files(self._announce([local_file(table, path, name)]), self._send, on_bytes)

    def upload_all(
        self,
        files: Mapping[str, Iterable[str | Path]],
        *,
        base: str | Path | None = None,
        on_bytes: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Send the files of each table, two at a time; a table's count in this order, whichever is there first.

        Their labels in reports are their own names, of those below the folder ``base`` the paths from there.
        ``on_bytes`` is told how many bytes of all of them were sent. The first error ends all, and is raised: as of
        ``upload``, and UsageError where two files of a table would have the same label.
        """
        with self._failure_told():
            send_files(self._announce(local_files(files, base)), self._send, on_bytes)

    def start(self) -> None:
        """Say that no more files will come."""
        self._act("start")

    def cancel(self) -> None:
        """Stop the job: in two seconds its work has ended and its files are gone. StateError if it is over."""
        self._act("cancel")

    def retry(self, task: int | None = None) -> None:
        """Give a failed job's dead tasks, or the one with the id ``task``, new attempts; what was done is kept."""
        self._act("retry" if task is None else f"retry?task={task}")

    def delete(self) -> None:
        """Forget the job, its files and results."""
        self._http.call("DELETE", self._path)

    def events(self) -> Iterator[JobInfo]:
        """Yield the job's state whenever it went on, until it is over. A lost stream is taken up again.

        UnreachableError when the server stays away for two minutes.
        """
        last_id, lost_since = "", None
        while True:
            try:
                headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
                with self._http.stream(f"{self._path}/events", headers, silence_seconds=_SILENCE_SECONDS) as response:
                    for event in httpx2.EventSource(response):
                        last_id, lost_since = event.id, None
                        if event.event == "part":
                            continue
                        self.info = JobInfo.from_json(_json(event))
                        yield self.info
                        if self.info.status.final:
                            return
            except UnreachableError:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > _LOST_SECONDS:
                    raise
                time.sleep(1.0)

    def wait(self) -> JobInfo:
        """Wait until the job is over; raise what made it fail."""
        for info in self.events():
            self.info = info
        self.info.check()
        return self.info

    def parts(self) -> list[PartInfo]:
        """Return the files of the results that are there; all of them once the job is completed."""
        return self._results().parts

    def rejects(self) -> int:
        """Return how many records or keys could not be used; the results name each."""
        return self._results().rejects

    def report(self, form: str = "ndjson") -> Iterator[bytes]:
        """Yield the report of what could not be used, as ``ndjson`` or ``csv``, block by block."""
        with self._http.stream(f"{self._path}/rejects?format={form}", {}) as response:
            yield from response.iter_bytes()

    def tasks(self, state: str | None = None) -> list[dict[str, Any]]:
        """Return the job's tasks, or those in a state such as ``dead``, with their chunks and attempts."""
        params = {} if state is None else {"state": state}
        found: list[dict[str, Any]] = self._http.call("GET", f"{self._path}/tasks", params=params).json()["tasks"]
        return found

    def raw(self) -> dict[str, Any]:
        """Return everything the server says of the job."""
        value: dict[str, Any] = self._http.call("GET", self._path).json()
        return value

    def download(self, folder: str | Path, *, on_bytes: Callable[[int], None] = lambda _: None) -> list[Path]:
        """Fetch the results' files into ``folder``; each appears whole, its sha256 checked. Broken off, it goes on."""
        return self._results().download(Path(folder), on_bytes)

    def batches(self, query: str) -> Iterator[pa.RecordBatch]:
        """Yield a query's answer as Arrow record batches, with the answer's types whatever its files' format."""
        return self._results().batches(query)

    def arrow(self, query: str) -> pa.Table:
        """Return a query's answer as one Arrow table."""
        return self._results().table(query)

    def rows(self, query: str) -> Iterator[dict[str, Any]]:
        """Yield a query's answer row by row."""
        for batch in self.batches(query):
            yield from batch.to_pylist()

    def pandas(self, query: str) -> Any:
        """Return a query's answer as a pandas DataFrame; pandas must be installed."""
        return self.arrow(query).to_pandas()

    def _announce(self, files: Sequence[LocalFile]) -> list[Announced]:
        return announce(self._http, self._path, files)

    def _send(self, announced: Announced, on_sent: Callable[[int], None]) -> Steps:
        return send_file(self._http, self._path, announced, on_sent)

    @contextmanager
    def _failure_told(self) -> Iterator[None]:
        """Raise why the job failed where it refuses a file for that."""
        try:
            yield
        except StateError:
            JobInfo.from_json(self.raw()).check()
            raise

    def _act(self, what: str) -> None:
        self.info = JobInfo.from_json(self._http.call("POST", f"{self._path}/{what}").json())

    def _results(self) -> Results:
        return Results(self._http, f"{self._path}/results")


def _json(event: httpx2.ServerSentEvent) -> dict[str, Any]:
    value = event.json()
    if not isinstance(value, dict):
        raise UnreachableError("The server sent an event that is not tolva's.")
    return value
