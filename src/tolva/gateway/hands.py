"""The threads in which uploads are cut and stored.

They compute in Python, so each that is at work makes the event loop wait for its turn whenever it comes back from a
call to the system. More of them than processors would make everybody wait longer and finish nothing sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from tolva.machine import machine

_limiter: RunVar[CapacityLimiter] = RunVar("hands")

P = ParamSpec("P")
T = TypeVar("T")


async def by_hand(work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Return what ``work`` does with these arguments, in one of the threads, once one is free.

    Who is cancelled meanwhile goes on, cancelled, when the work is over: a thread can't be stopped, and nobody else may
    meet it at what it works on.
    """
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(machine().processors)
        _limiter.set(limiter)
    working = asyncio.create_task(to_thread.run_sync(lambda: work(*args, **named), limiter=limiter))
    await until_done(working)
    return working.result()


async def until_done(task: asyncio.Task[Any]) -> None:
    """Wait until the task is over. Who is cancelled meanwhile waits on all the same, and is cancelled then."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # nobody is left to hear of it
        raise cancelled
