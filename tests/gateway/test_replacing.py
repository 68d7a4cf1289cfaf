"""A session has one connection: the next one begins when the one before has saved its files."""

from __future__ import annotations

import asyncio

import pytest

from tolva.gateway.hands import until_done
from tolva.gateway.session import Sessions
from tolva.gateway.session.wire import Ended


def test_each_connection_begins_when_the_one_before_it_is_over() -> None:
    said: list[str] = []

    async def replace_twice() -> None:
        sessions, save, first_serves = Sessions(), asyncio.Event(), asyncio.Event()

        async def saved(name: str) -> None:
            await save.wait()
            said.append(f"{name} saved")

        async def first() -> None:
            first_serves.set()
            try:
                await asyncio.Event().wait()
            finally:
                await until_done(asyncio.create_task(saved("first")))

        async def second() -> None:
            said.append("second serves")

        async def third() -> None:
            said.append("third serves")

        running = [asyncio.create_task(sessions.run("ann", "s", first))]
        await first_serves.wait()
        for serve in (second, third):
            running.append(asyncio.create_task(sessions.run("ann", "s", serve)))
            for _ in range(10):
                await asyncio.sleep(0)
        assert said == []
        save.set()
        for replaced in running[:2]:
            with pytest.raises(Ended, match="another connection"):
                await replaced
        await running[2]

    asyncio.run(replace_twice())
    assert said == ["first saved", "third serves"]
