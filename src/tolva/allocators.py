"""How freely allocators keep memory at hand, in this process and those it starts."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_M_ARENA_MAX, _M_TRIM_THRESHOLD = -8, -1
_TRIM_BYTES = 64 * 2**10
_HELD_BYTES = 64 * 2**20
_SHARED_HEAPS = 2


def spare_memory() -> None:
    """Have this process, and all that it starts from now on, give memory back at once rather than keep it at hand.

    By the C library's allocator, for Arrow as well: one heap for all threads, trimmed as soon as its end is free.
    Threads that allocate at the same time wait for each other then. Arrow's own takes some 25 MB more for a load.
    """
    _set(_M_ARENA_MAX, 1)
    _set(_M_TRIM_THRESHOLD, _TRIM_BYTES)
    os.environ |= {
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_TRIM_THRESHOLD_": str(_TRIM_BYTES),
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }


def share_heaps() -> None:
    """Have the threads of this process share two heaps.

    With one for each thread, as is usual, what one thread has freed is of no use to the next: a server that took in 20
    files at a time, by whatever threads were idle, held 100 MB more.
    """
    _set(_M_ARENA_MAX, _SHARED_HEAPS)


def hold_memory() -> None:
    """Have what this process starts from now on keep memory at hand that it will need again, rather than give it back.

    Arrays as large as a chunk are made and dropped over and over: to fetch each page of them from the system anew takes
    a fifth of the time. For the C library's allocator and for Arrow's.
    """
    os.environ |= {
        "MALLOC_MMAP_THRESHOLD_": str(_HELD_BYTES),
        "MALLOC_TRIM_THRESHOLD_": str(2 * _HELD_BYTES),
        "MIMALLOC_PURGE_DELAY": "-1",
    }


def _set(parameter: int, value: int) -> None:
    with suppress(AttributeError):  # the C library is another one
        ctypes.CDLL(None).mallopt(parameter, value)
