"""One batch of keys: asked for, asked for again where that may help, and turned into lines."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tolva.errors import RecordError, StorageError, UsageError
from tolva.rollup.records import encode
from tolva.sources import Answer, Failure, Fetched, Source

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0
_LONGEST_RETRY_AFTER_SECONDS = 300.0


@dataclass(slots=True)
class Lines:
    """What a batch came to: lines of records, and a line for each key that failed."""

    records: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)


class Fetcher:
    """Fetches batches; any number of threads may use it at once.

    Args:
        source: who is asked.
        max_attempts: how often a key is tried, at most.
        sleep: waits this many seconds.
    """

    def __init__(self, source: Source, max_attempts: int, sleep: Callable[[float], None] = time.sleep) -> None:
        self._source = source
        self._max_attempts = max_attempts
        self._sleep = sleep

    def fetch(self, keys: Sequence[str]) -> Lines:
        """Return the lines of these keys, in their order; of a key that is there twice, twice.

        Raises:
            UsageError: the source says that it can't work at all.
            StorageError: it reads storage, which is another matter than a key.
        """
        answers: dict[str, Answer] = {}
        attempts: dict[str, int] = {}
        waiting = list(dict.fromkeys(keys))
        for attempt in range(1, self._max_attempts + 1):
            answers |= self._ask(waiting)
            attempts |= dict.fromkeys(waiting, attempt)
            again = [answer for key in waiting if isinstance(answer := answers[key], Failure) and answer.retryable]
            if not again or attempt == self._max_attempts:
                break
            self._sleep(_pause_seconds(attempt, again))
            waiting = [failure.key for failure in again]
        lines = Lines()
        for key in keys:
            _add(lines, answers[key], attempts[key])
        return lines

    def _ask(self, keys: Sequence[str]) -> dict[str, Answer]:
        """Return an answer for each key, whatever the source does."""
        found: dict[str, Answer] = {}
        reason = "the source gave no answer"
        try:
            for answer in self._source.fetch(keys):
                found.setdefault(answer.key, answer)
        except (UsageError, StorageError):
            raise
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything, and no key may get lost by it
            reason = f"the source failed: {type(error).__name__}: {error}"
        return {key: found.get(key) or Failure(key, "source", reason, retryable=True) for key in keys}


def error_line(key: str | None, code: str, message: str, attempts: int) -> bytes:
    """Return the line of the error file for a key."""
    return encode({"key": key, "code": code, "message": message, "attempts": attempts})


def _add(lines: Lines, answer: Answer, attempts: int) -> None:
    if isinstance(answer, Failure):
        lines.errors.append(error_line(answer.key, answer.code, answer.message, attempts))
        return
    try:
        lines.records += _encoded(answer)
    except RecordError as error:
        lines.errors.append(error_line(answer.key, error.code, error.message, attempts))


def _encoded(answer: Fetched) -> list[bytes]:
    return [encode(record) for record in answer.records]


def _pause_seconds(attempt: int, failures: Sequence[Failure]) -> float:
    """Return exponential backoff with full jitter, and at least what the source asked for."""
    most = min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS)
    asked = max(failure.retry_after_seconds for failure in failures)
    # Jitter comes on top of what was asked for, so that all don't come back at once.
    return min(asked, _LONGEST_RETRY_AFTER_SECONDS) + random.uniform(0, most)  # noqa: S311 - not for secrets
