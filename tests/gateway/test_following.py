"""Those who follow a job hear of it, or that they won't."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from tolva.errors import NotFoundError
from tolva.gateway.following import Following
from tolva.jobs.service import JobService
from tolva.jobs.watch import Tell


class Broken:
    """A service that can't show a job."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @contextmanager
    def watching(self, _job_id: str, _tell: Tell) -> Iterator[None]:
        yield

    def snapshot(self, _job_id: str, _client: str | None) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [NotFoundError("It was deleted."), RuntimeError("a fault of the program")])
def test_followers_of_a_job_that_can_not_be_seen_are_let_go(error: Exception) -> None:
    async def follow() -> tuple[int, object]:
        async with Following(cast("JobService", Broken(error))).follow("j") as followed:
            return await followed.news(0), followed.seen

    assert asyncio.run(follow()) == (1, None)
