"""docs/errors.md lists every error, docs/http.md every call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from test_access import routes

from tolva.errors import TolvaError

DOCS = Path(__file__).parents[2] / "docs"
TOLD_ELSEWHERE = {"/openapi.json"}


def _errors(kind: type[TolvaError]) -> Iterator[type[TolvaError]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from _errors(sub)


def test_every_error_is_listed_with_its_status() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", (DOCS / "errors.md").read_text(), re.MULTILINE))
    for error in _errors(TolvaError):
        if error.__module__.startswith("tolva."):
            assert listed.get(error.code) == str(error.http_status), error


def test_every_call_is_told_of() -> None:
    text = (DOCS / "http.md").read_text().replace("{id}", "{job_id}")
    for _, path in routes():
        last = [part for part in path.split("/") if part and not part.startswith("{")][-1]
        assert f"/{last}" in text or path in TOLD_ELSEWHERE, path
