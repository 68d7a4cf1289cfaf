"""Records from a web service: one GET for each key, answered in JSON or NDJSON.

Job documents come from clients, requests go out from here. So a document can reach only hosts that this machine's
``TOLVA_SOURCE_HOSTS`` lists, authorization is named in the document but taken from ``TOLVA_SOURCE_AUTH_<NAME>``, and
redirects aren't followed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx2
from pydantic import Field, field_validator

from tolva.errors import UsageError
from tolva.sources.contract import Answer, Failure, Fetched, Pace, SourceSettings, Tools

HOSTS_VARIABLE = "TOLVA_SOURCE_HOSTS"
AUTH_VARIABLE = "TOLVA_SOURCE_AUTH_"

_MAX_RESPONSE_BYTES = 64 * 2**20
_CONNECTIONS = 256


class HttpSettings(SourceSettings):
    """Where to ask and how: ``{key}`` in ``url`` stands for the key; ``auth`` names what ``auth_header`` gets."""

    kind: Literal["http"]
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    auth: str | None = Field(default=None, pattern="^[A-Z0-9_]+$")
    auth_header: str = "Authorization"
    timeout_seconds: float = Field(default=30.0, gt=0, le=3600)

    @field_validator("url")
    @classmethod
    def _template(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "{key}" in parts.netloc:
            raise ValueError("must be an http or https address with a host of its own")
        if value.count("{key}") != 1 or parts.fragment:
            raise ValueError("must hold {key} once, in its path or query")
        if parts.username is not None:
            raise ValueError("must hold no user or password: name an auth instead")
        return value

    def open(self, tools: Tools) -> HttpSource:
        """See ``SourceSettings.open``."""
        host = urlsplit(self.url).netloc
        allowed = {each.strip() for each in os.environ.get(HOSTS_VARIABLE, "").split(",")}
        if host not in allowed:
            raise UsageError(
                f"The source's host {host} isn't allowed here: whoever runs tolva lists it in {HOSTS_VARIABLE} "
                "(hosts, with their port if one is given, separated by commas).",
                host=host,
            )
        headers = dict(self.headers)
        if self.auth is not None:
            variable = AUTH_VARIABLE + self.auth
            if variable not in os.environ:
                raise UsageError(f"The source's authorization is not there: set {variable} where tolva runs.")
            headers[self.auth_header] = os.environ[variable]
        return HttpSource(self.url, headers, self.timeout_seconds, tools.pace)


class HttpSource:
    """Asks a web service. Connections are kept and shared between threads."""

    def __init__(self, url: str, headers: dict[str, str], timeout_seconds: float, pace: Pace) -> None:
        self._url = url
        self._pace = pace
        self._client = httpx2.Client(
            headers=headers,
            timeout=timeout_seconds,
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            follow_redirects=False,
        )

    def fetch(self, keys: Sequence[str]) -> Iterator[Answer]:
        """See ``Source.fetch``."""
        for key in keys:
            if key in {"", ".", ".."}:
                # As a piece of a path these would lead elsewhere.
                yield Failure(key, "bad_key", f"{key!r} can't be a part of an address")
                continue
            self._pace()
            yield self._ask(key)

    def _ask(self, key: str) -> Answer:
        try:
            with self._client.stream("GET", self._url.replace("{key}", quote(key, safe=""))) as response:
                if not response.is_success:
                    return _refused(key, response)
                body = bytearray()
                for block in response.iter_bytes():
                    body += block
                    if len(body) > _MAX_RESPONSE_BYTES:
                        return Failure(key, "too_large", f"the answer is larger than {_MAX_RESPONSE_BYTES} bytes")
                return Fetched(key, _records(bytes(body), response.headers.get("content-type", "")))
        except httpx2.TimeoutException:
            return Failure(key, "timeout", "no answer in time", retryable=True)
        except httpx2.TransportError as error:
            return Failure(key, "unreachable", f"{type(error).__name__}: {error}", retryable=True)
        except ValueError as error:
            return Failure(key, "not_json", f"the answer is not JSON: {error}")


def _records(body: bytes, content_type: str) -> Sequence[dict[str, Any] | bytes]:
    if "ndjson" in content_type or "jsonl" in content_type:
        lines = [line for line in body.splitlines() if line.strip()]
        for line in lines:
            json.loads(line)
        return lines
    value = json.loads(body)
    records = value if isinstance(value, list) else [value]
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("it holds other things than objects")
    return records


def _refused(key: str, response: httpx2.Response) -> Failure:
    status = response.status_code
    if status == HTTPStatus.NOT_FOUND:
        return Failure(key, "not_found", "the service has nothing under this key")
    busy = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Failure(
        key,
        f"http_{status}",
        f"the service answered {status} {response.reason_phrase}".rstrip(),
        retryable=busy,
        retry_after_seconds=_retry_after_seconds(response.headers.get("retry-after", "")),
    )


def _retry_after_seconds(value: str) -> float:
    """Return the pause that a Retry-After header asks for, given in seconds or as a date; 0 without one."""
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
