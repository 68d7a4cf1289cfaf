"""What the export's tests share."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tolva.sources import Answer, Failure, Fetched


class Script:
    """A source that answers as it is told: each key has its answers in the order of the tries; the last one stays."""

    def __init__(self, answers: dict[str, list[Any]]) -> None:
        self._answers = answers
        self.asked: list[list[str]] = []

    def fetch(self, keys: Sequence[str]) -> Iterator[Answer]:
        self.asked.append(list(keys))
        tries = {key: sum(key in asked for asked in self.asked) for key in keys}
        for key in keys:
            script = self._answers[key]
            answer = script[min(tries[key], len(script)) - 1]
            if isinstance(answer, Exception):
                raise answer
            if answer is not None:
                yield answer


def found(key: str, *records: Any) -> Fetched:
    return Fetched(key, records or [{"key": key}])


def busy(key: str, retry_after_seconds: float = 0.0) -> Failure:
    return Failure(key, "busy", "try later", retryable=True, retry_after_seconds=retry_after_seconds)


def lines(paths: Iterable[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in content(path).splitlines()]


def content(path: Path) -> bytes:
    open_file: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with open_file(path, "rb") as file:
        data: bytes = file.read()
    assert not data or data.endswith(b"\n")
    return data
