"""The client: jobs of one server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tolva.client.http import Http
from tolva.client.job import API, Job
from tolva.client.views import JobInfo
from tolva.states import JobStatus


class Client:
    """Talks to a server. May be used by several threads at once, and as a context manager.

    Args:
        url: where the server is, such as ``http://127.0.0.1:8321``.
        key: the client's key; none is needed where the server asks for none.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self._http = Http(self.url, key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def submit(self, document: str | Path | dict[str, Any], *, request_key: str | None = None) -> Job:
        """Submit a job document (a file, or its values); the job is durable on return.

        ``request_key`` makes the call repeatable: the same key and document are always the same job. Without one, a
        key of its own keeps a repeated try of this call from making two jobs.
        """
        if isinstance(document, dict):
            content: dict[str, Any] = {"json": document}
        else:
            content = {"content": Path(document).read_bytes(), "headers": {"Content-Type": "application/yaml"}}
        headers = content.pop("headers", {}) | {"Idempotency-Key": f'"{request_key or secrets.token_hex(16)}"'}
        answer = self._http.call("POST", f"{API}/jobs", headers=headers, **content)
        return Job(self._http, JobInfo.from_json(answer.json()))

    def job(self, job_id: str) -> Job:
        """Return a job. NotFoundError if there is none of this client."""
        return Job(self._http, JobInfo.from_json(self._http.call("GET", f"{API}/jobs/{job_id}").json()))

    def jobs(self, *, statuses: Sequence[JobStatus] = (), kind: str | None = None) -> Iterator[JobInfo]:
        """Yield the client's jobs, newest first, page by page."""
        params: dict[str, Any] | None = {"status": [status.value for status in statuses]}
        if kind is not None and params is not None:
            params["kind"] = kind
        path = f"{API}/jobs"
        while True:
            answer = self._http.call("GET", path, params=params)
            for value in answer.json()["jobs"]:
                yield JobInfo.from_json(value)
            if "next" not in answer.links:
                return
            path, params = answer.links["next"]["url"], None
