"""Calls to the server: errors as tolva's own, and another try where that can do no harm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import stamina

from tolva.errors import TolvaError, UnreachableError
from tolva.protocol import LOOPBACK_HOSTS

_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_TRY_SECONDS = 60.0
_WAIT_MAX_SECONDS = 5.0
_BUSY = frozenset({429, 502, 503, 504})
_ERRORS = 400


class _Busy(Exception):  # noqa: N818 - a state of the server, met by waiting
    """The server asked to be called again later, after ``seconds`` if it said so."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response.status_code)
        self.response = response
        after = response.headers.get("retry-after", "")
        self.seconds = float(after) if after.isdigit() else None


class Http:
    """One server, one key."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if httpx2.URL(url).host in LOOPBACK_HOSTS:
            # Packing takes longer than what it saves.
            headers["Accept-Encoding"] = "identity"
        timeout = httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        # Loading the certificates of all authorities takes longer than many a command; http needs none.
        verify = url.startswith("https:")
        self._client = httpx2.Client(base_url=url, headers=headers, timeout=timeout, verify=verify)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        repeat: bool = True,
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> httpx2.Response:
        """Return the answer to a call. ``repeat`` is false for calls that must not happen twice.

        Raises the TolvaError that the server answered with; UnreachableError if it doesn't answer.
        """

        def answer() -> httpx2.Response:
            response = self._client.request(method, path, headers=headers, **content)
            if repeat and response.status_code in _BUSY:
                raise _Busy(response)
            return response

        return _checked(self._tried(answer) if repeat else self._once(answer))

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str], *, silence_seconds: float = _ANSWER_SECONDS
    ) -> Iterator[httpx2.Response]:
        """Open a GET whose body is read as it comes. Raises as ``call``; a body that breaks off is UnreachableError."""
        timeout = httpx2.Timeout(silence_seconds, connect=_CONNECT_SECONDS)
        try:
            with self._client.stream("GET", path, headers=headers, timeout=timeout) as response:
                if response.status_code >= _ERRORS:
                    response.read()
                yield _checked(response)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    def _tried(self, answer: Any) -> httpx2.Response:
        try:
            for attempt in stamina.retry_context(
                on=_worth_another_try, attempts=None, timeout=_TRY_SECONDS, wait_max=_WAIT_MAX_SECONDS
            ):
                with attempt:
                    return answer()  # type: ignore[no-any-return]
        except _Busy as busy:
            return busy.response
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        raise AssertionError("stamina ends with an answer or an error")

    def _once(self, answer: Any) -> httpx2.Response:
        try:
            return answer()  # type: ignore[no-any-return]
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"The server at {self._url} doesn't answer: {error or type(error).__name__}. "
            "Is it running (tolva serve), and is the address right (--server or TOLVA_SERVER)?",
            server=self._url,
        )


def _worth_another_try(error: Exception) -> bool | float:
    if isinstance(error, _Busy):
        return True if error.seconds is None else error.seconds
    return isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.ConnectError)


def _checked(response: httpx2.Response) -> httpx2.Response:
    """Return a good answer; raise what a bad one says."""
    if response.status_code < _ERRORS:
        return response
    try:
        problem = response.json()
        value = {"code": problem["code"], "message": problem["detail"], "data": problem.get("data", {})}
    except (ValueError, KeyError, TypeError):
        value = {"code": "internal", "message": f"The server answered {response.status_code}, which is not tolva's."}
    raise TolvaError.from_dict(value)
