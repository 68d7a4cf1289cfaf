"""Work in threads: who is cancelled doesn't leave a thread alone with what others go on with."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tolva.gateway.hands import by_hand

PATIENCE_SECONDS = 60.0


def test_who_is_cancelled_goes_on_when_the_work_is_over() -> None:
    begun, finish = threading.Event(), threading.Event()
    done: list[str] = []

    def work(what: str) -> None:
        begun.set()
        finish.wait(PATIENCE_SECONDS)
        done.append(what)

    async def be_cancelled_twice() -> None:
        working = asyncio.create_task(by_hand(work, "all of it"))
        await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
        for _ in range(2):
            working.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
        assert not working.done()
        finish.set()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert done == ["all of it"]

    asyncio.run(be_cancelled_twice())


def test_work_returns_or_raises() -> None:
    assert asyncio.run(by_hand(int, "7")) == 7
    with pytest.raises(ValueError, match="seven"):
        asyncio.run(by_hand(int, "seven"))
