"""The source ``http`` against a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from tolva.errors import UsageError
from tolva.export.fetcher import Fetcher
from tolva.export.pace import no_pace
from tolva.sources import Failure, Fetched, Source, Tools, settings_of

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Service:
    """A web service that answers each path as it is told, and keeps what it was asked."""

    address: str = ""
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def reply(self, path: str) -> Reply:
        script = self.replies.get(path, [(404, {}, b"")])
        return script.pop(0) if len(script) > 1 else script[0]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            service.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, headers, body = service.reply(self.path)
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            with suppress(BrokenPipeError):  # whoever asked has given up
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        service.address = f"127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("TOLVA_SOURCE_HOSTS", f"example.org, {service.address}")
        yield service
        server.shutdown()
        thread.join()


@pytest.fixture
def source(service: Service) -> Iterator[Callable[..., Source]]:
    opened: list[Any] = []

    def open_source(path: str = "/claims/{key}", **settings: Any) -> Source:
        given = {"kind": "http", "url": f"http://{service.address}{path}", **settings}
        opened.append(settings_of(given).open(Tools(no_pace)))
        return opened[-1]

    yield open_source
    for each in opened:
        each._client.close()


def json_reply(value: Any, content_type: str = "application/json") -> Reply:
    return 200, {"Content-Type": content_type}, json.dumps(value).encode()


def answer(source: Source, key: str) -> Any:
    (only,) = source.fetch([key])
    return only


def test_answers_in_json_and_ndjson(service: Service, source: Callable[..., Source]) -> None:
    service.replies = {
        "/claims/list": [json_reply([{"n": 1}, {"n": 2}])],
        "/claims/one": [json_reply({"n": 3})],
        "/claims/none": [json_reply([])],
        "/claims/lines": [(200, {"Content-Type": "application/x-ndjson"}, b'{"n":4}\n{"n": 5.10}\n\n')],
    }
    assert list(source().fetch(["list", "one", "none", "lines"])) == [
        Fetched("list", [{"n": 1}, {"n": 2}]),
        Fetched("one", [{"n": 3}]),
        Fetched("none", []),
        Fetched("lines", [b'{"n":4}', b'{"n": 5.10}']),
    ]


@pytest.mark.parametrize(
    ("reply", "code", "retryable"),
    [
        ((404, {}, b""), "not_found", False),
        ((403, {}, b""), "http_403", False),
        ((302, {"Location": "/claims/other"}, b""), "http_302", False),
        ((429, {}, b""), "http_429", True),
        ((503, {}, b""), "http_503", True),
        ((0, {}, b""), "unreachable", True),
        ((200, {}, b"<html>"), "not_json", False),
        ((200, {}, b"\xff\xfe\xfd"), "not_json", False),
        ((200, {}, b"[1, 2]"), "not_json", False),
    ],
)
def test_refusals(service: Service, source: Callable[..., Source], reply: Reply, code: str, retryable: bool) -> None:
    service.replies = {"/claims/k": [reply]}
    got = answer(source(), "k")
    assert isinstance(got, Failure)
    assert (got.code, got.retryable) == (code, retryable)
    assert len(service.asked) == 1


def test_retry_after_is_honoured(service: Service, source: Callable[..., Source]) -> None:
    service.replies = {"/claims/k": [(429, {"Retry-After": "17"}, b""), (503, {}, b""), json_reply([{"n": 1}])]}
    pauses: list[float] = []
    lines = Fetcher(source(), 4, pauses.append).fetch(["k"])
    assert lines.records == [b'{"n":1}\n']
    assert 17 <= pauses[0] < 18
    assert pauses[1] < 1


def test_retry_after_may_be_a_date(service: Service, source: Callable[..., Source]) -> None:
    service.replies = {"/claims/k": [(503, {"Retry-After": formatdate(0, usegmt=True)}, b"")]}
    assert answer(source(), "k").retry_after_seconds == 0
    service.replies = {"/claims/k": [(503, {"Retry-After": formatdate(4e9, usegmt=True)}, b"")]}
    assert answer(source(), "k").retry_after_seconds > 10**6


def test_a_silent_service_is_given_up(source: Callable[..., Source], service: Service) -> None:
    silent = threading.Event()
    service.reply = lambda _path: (silent.wait(30), json_reply({}))[1]  # type: ignore[method-assign]
    got = answer(source(timeout_seconds=0.05), "k")
    silent.set()
    assert (got.code, got.retryable) == ("timeout", True)


def test_keys_are_quoted_and_can_t_lead_elsewhere(service: Service, source: Callable[..., Source]) -> None:
    list(source().fetch(["a/b?c#d", "..", ".", "ñ %"]))
    list(source("/find?id={key}&x=1").fetch(["a&x=2"]))
    assert [path for path, _ in service.asked] == [
        "/claims/a%2Fb%3Fc%23d",
        "/claims/%C3%B1%20%25",
        "/find?id=a%26x%3D2&x=1",
    ]
    assert answer(source(), "..").code == "bad_key"


def test_authorization_comes_from_the_environment_and_is_shown_nowhere(
    service: Service, source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UsageError, match="set TOLVA_SOURCE_AUTH_CLAIMS"):
        source(auth="CLAIMS")
    monkeypatch.setenv("TOLVA_SOURCE_AUTH_CLAIMS", "Bearer hidden")
    caplog.set_level(0)
    opened = source(auth="CLAIMS", headers={"X-Team": "a"})
    list(opened.fetch(["k"]))
    assert service.asked[0][1]["authorization"] == "Bearer hidden"
    assert service.asked[0][1]["x-team"] == "a"
    list(source(auth="CLAIMS", auth_header="X-Api-Key").fetch(["k"]))
    assert service.asked[1][1]["x-api-key"] == "Bearer hidden"
    assert "hidden" not in caplog.text + repr(opened)


def test_only_listed_hosts_are_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of({"kind": "http", "url": "http://169.254.169.254/{key}"})
    with pytest.raises(UsageError, match=r"169\.254\.169\.254 isn't allowed here.*TOLVA_SOURCE_HOSTS"):
        settings.open(Tools(no_pace))
    monkeypatch.delenv("TOLVA_SOURCE_HOSTS")
    with pytest.raises(UsageError, match="isn't allowed here"):
        settings_of({"kind": "http", "url": f"http://{service.address}/{{key}}"}).open(Tools(no_pace))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/{key}",
        "http://{key}.example.org/",
        "http://example.org/",
        "http://example.org/{key}/{key}",
        "http://example.org/#{key}",
        "http://me:secret@example.org/{key}",
    ],
)
def test_addresses_that_can_t_be(url: str) -> None:
    with pytest.raises(ValidationError):
        settings_of({"kind": "http", "url": url})
