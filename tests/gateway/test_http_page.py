"""docs/errors.md lists every error, docs/http.md every call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from test_access import routes

from tolva.errors import TolvaError

DOCS = Path(__file__).parents[2] / "docs"


def _errors(kind: type[TolvaError]) -> Iterator[type[TolvaError]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from _errors(sub)


def test_every_error_is_listed_with_its_status() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", (DOCS / "errors.md").read_text(), re.MULTILINE))
    for error in _errors(TolvaError):
        if error.__module__.startswith("tolva."):
            assert listed.get(error.code) == str(error.http_status), error


def test_the_page_names_every_call_and_no_other() -> None:
    told = re.findall(r"^\| `([A-Z]+ /\S+)` \|", (DOCS / "http.md").read_text(), re.MULTILINE)
    also = re.findall(r"also at `([A-Z]+ /\S+)`", (DOCS / "http.md").read_text())
    offered = [f"{method} {path}" for method, path in routes()] + ["GET /openapi.json"]
    assert sorted(map(_without_names, told + also)) == sorted(map(_without_names, offered))


def _without_names(call: str) -> str:
    """Return the call with its parameters' names left out: the page calls a job's id by a shorter name."""
    return re.sub(r"\{\w+\}", "{}", call)
